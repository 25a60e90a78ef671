"""A key that is revoked while the bot works: one message to the admin, a way out, and books that go on."""

from outlay.fakes.openrouter.server import MANAGEMENT_KEY
from tests.journeys.conftest import Open
from tests.journeys.running_bot import BRUNO, DANA, House
from tests.workspace import ALICE, Modal


async def test_a_revoked_key_pauses_the_connection_and_the_admin_is_told_once(connected: House) -> None:
    before = await connected.spend("7d", "by", "model")
    connected.faults.revoked = True

    for _ in range(4):
        await connected.later(minutes=20)

    view = (await connected.connections())["main"]
    assert view.state == "needs_reauth"
    assert "401" in view.error
    assert view.next_poll is None
    told = connected.slack.dms(ALICE)
    assert len(told) == 1
    assert "OpenRouter has refused the credential of main since" in told[0].text
    assert connected.slack.dms(BRUNO) == []
    after = await connected.spend("7d", "by", "model")
    assert (after["rows"], after["total_usd"]) == (before["rows"], before["total_usd"])
    assert "main (OpenRouter, management key) needs a new credential" in (await connected.slack.home(ALICE)).words


async def test_it_is_not_asked_again_until_there_is_a_new_one(connected: House) -> None:
    connected.faults.revoked = True
    await connected.later(minutes=2)
    asked = len(connected.openrouter.journal.asked)

    await connected.later(hours=3)

    assert len(connected.openrouter.journal.asked) == asked


async def test_the_button_leads_to_the_form_and_the_books_go_on(connected: House) -> None:
    connected.faults.revoked = True
    await connected.later(minutes=2)
    message = connected.slack.dms(ALICE)[0]

    opened = await connected.slack.click(message, "connect:reconnect", user=ALICE)
    assert opened.modal is not None
    assert opened.modal.title == "New Credential"
    wrong = await opened.modal.submit({"Management key": MANAGEMENT_KEY})
    assert "401" in wrong.errors["connect:secret:openrouter:api_key"]
    connected.faults.revoked = False
    right = await opened.modal.submit({"Management key": MANAGEMENT_KEY})

    assert right.modal is not None
    assert right.modal.title == "Connected"
    await connected.later(minutes=7)
    view = (await connected.connections())["main"]
    assert (view.id, view.state, view.error) == ("con_1", "ok", "")
    await connected.truth_holds()
    assert len(connected.slack.dms(ALICE)) == 1


async def test_the_same_key_refused_once_more_later_is_told_once_more(connected: House) -> None:
    for _ in range(2):
        connected.faults.revoked = True
        await connected.later(minutes=10)
        connected.faults.revoked = False
        await connected.submit(await _renewal(connected), MANAGEMENT_KEY)
        await connected.later(minutes=10)

    assert len(connected.slack.dms(ALICE)) == 2
    assert (await connected.connections())["main"].state == "ok"


async def _renewal(home: House) -> Modal:
    """The form behind the button of the last message."""
    opened = await home.slack.click(home.slack.dms(ALICE)[-1], "connect:reconnect", user=ALICE)
    assert opened.modal is not None
    return opened.modal


async def test_a_member_who_presses_the_button_is_refused(connected: House) -> None:
    connected.faults.revoked = True
    await connected.later(minutes=2)

    reply = await connected.slack.click(connected.slack.dms(ALICE)[0], "connect:reconnect", user=BRUNO)

    assert reply.modal is None
    assert (await connected.connections())["main"].state == "needs_reauth"


async def test_polling_by_hand_meanwhile_tells_the_terminal_and_not_the_admin_again(connected: House) -> None:
    connected.faults.revoked = True
    await connected.later(minutes=2)

    ran = await connected.outlay("poll")
    await connected.tick()

    assert ran.code == 1
    assert "401" in ran.err
    assert len(connected.slack.dms(ALICE)) == 1


async def test_refused_in_the_middle_of_the_first_back_fill_what_was_read_stays(home: House) -> None:
    await home.connect()
    home.faults.status("/analytics/query", 401, message="User not found.")

    await home.tick()

    assert (await home.connections())["main"].state == "needs_reauth"
    assert len(home.slack.dms(ALICE)) == 1
    await home.submit(await _renewal(home), MANAGEMENT_KEY)
    await home.later(minutes=1)
    await home.truth_holds()


async def test_those_whom_the_settings_name_are_told_too(open_connected: Open) -> None:
    async with open_connected(OUTLAY_ADMINS=DANA) as home:
        home.faults.revoked = True
        await home.later(minutes=2)

        assert [len(home.slack.dms(person)) for person in (ALICE, DANA, BRUNO)] == [1, 1, 0]


async def test_a_connection_made_in_the_terminal_tells_the_workspaces_owner(open_house: Open) -> None:
    async with open_house() as home:
        where = f"base_url={home.base_url}"
        words = ("connect", "openrouter", "--name", "main", "--set", where, "--secret-stdin")
        assert (await home.outlay(*words, typed=MANAGEMENT_KEY)).code == 0
        home.faults.revoked = True
        await home.tick()

        assert len(home.slack.dms(ALICE)) == 1
