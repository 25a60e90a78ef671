"""People and channels of the fake workspace: a small company, unless the caller brings another."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FakeSlackUser:
    """Member of the workspace, or a bot user."""

    id: str
    name: str
    real_name: str = ""
    email: str = ""
    tz: str = "Etc/UTC"
    is_admin: bool = False
    is_owner: bool = False
    is_guest: bool = False
    is_bot: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Channel:
    """Channel, or with `user` set the direct messages between that person and the bot."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_private: bool = False
    is_archived: bool = False
    user: str = ""


BOT = FakeSlackUser("U00OUTLAY", "outlay", "Outlay", is_bot=True)
PEOPLE = (
    FakeSlackUser(
        "U01ALICE", "alice", "Alice Adler", "alice@example.com", "Europe/Berlin", is_admin=True, is_owner=True
    ),
    FakeSlackUser("U02BEN", "ben", "Ben Okafor", "ben@example.com", "America/New_York"),
    FakeSlackUser("U03CHIARA", "chiara", "Chiara Conti", "chiara@example.com", "Europe/Rome"),
    FakeSlackUser("U04DARIO", "dario", "Dario Silva", "dario@example.com", "America/Sao_Paulo"),
    FakeSlackUser("U05GUEST", "guest", "Gus Guest", "gus@example.org", is_guest=True),
    FakeSlackUser("U06GONE", "gone", "Gina Gone", "gina@example.com", deleted=True),
)


def channels_of(people: Iterable[FakeSlackUser], bot: FakeSlackUser = BOT) -> tuple[Channel, ...]:
    """Build four channels: public with the bot, public without it, private with it, private without it."""
    everyone = {person.id for person in people if not person.deleted and not person.is_bot}
    return (
        Channel("C01GENERAL", "general", everyone | {bot.id}),
        Channel("C02RANDOM", "random", set(everyone)),
        Channel("G03FINANCE", "finance", everyone | {bot.id}, is_private=True),
        Channel("G04BOARD", "board", set(everyone), is_private=True),
    )
