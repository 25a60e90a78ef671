"""Generator of the pictures in the README: an answer, a digest and a Home tab, from the demo company's ledger.

    .venv/bin/python docs/pictures/make.py

A fake OpenRouter is polled over loopback, the books are queried, the blocks that Slack would get are drawn as a
page, and a headless Chromium takes the picture. The clock is fixed, so that the same code draws the same picture.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from outlay import settings
from outlay.core.clock import FakeClock
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import COMPANY_NAME, PEOPLE
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import MANAGEMENT_KEY, ROOT, openrouter_app
from outlay.fakes.slack.rendering.terminal import to_html
from outlay.polling.due_polls import SlackUserLookup
from outlay.services import open_services
from outlay.slack.digests import blocks as digest_blocks
from outlay.slack.home import blocks as home_blocks
from outlay.slack.message_poster import RenderedMessage
from outlay.slack.spend import blocks
from outlay.workspaces.store import ensure

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
QUESTION = "7d by owner model top 8"
TEAM = "T0BRIGHTLOOM"
WIDTH = 800
HEIGHTS = {"spend": 620, "digest": 730, "home": 930}
ADMIN = PEOPLE[0].slack_id
BROWSER_SECONDS = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


async def messages() -> dict[str, RenderedMessage]:
    """Return what the bot would post: poll the ledger, ask the question, compose the digest and the Home tab."""
    clock = FakeClock(NOW)
    people = {person.email: (person.slack_id, person.name) for person in PEOPLE}

    async def look_up(_: str, email: str) -> tuple[str, str] | None:
        return people.get(email)

    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(openrouter_app(Company(now=NOW), clock)) as url,
            open_services(settings.load({"OUTLAY_DATA_DIR": folder}), clock=clock) as home,
        ):
            async with home.database.write() as session:
                await ensure(session, TEAM, now=NOW, name=COMPANY_NAME)
            values = {"api_key": MANAGEMENT_KEY, "base_url": url + ROOT}
            connected = await home.connections.connect(TEAM, "openrouter", "openrouter", values)
            polled = await home.poller.poll(int(connected.id.removeprefix("con_")))
            if polled is None or not polled.ok:
                raise SystemExit(f"the stand-in could not be polled: {polled and polled.error}")
            await SlackUserLookup(home.database, clock, look_up).run()
            await home.digests.choose(TEAM, DigestSubscriptions(channels=("C01GENERAL",), periods=("week",)), by=ADMIN)
            mine, care = await home.homes.mine(TEAM, ADMIN), await home.homes.admin_summary(TEAM)
            return {
                "spend": blocks.answer(await home.asking.spend(TEAM, QUESTION)),
                "digest": digest_blocks.message(await home.digests.last(TEAM, "week"), NOW),
                "home": home_blocks.home_message(mine, [], NOW, care),
            }


def photograph(page: str, picture: Path, height: int) -> None:
    """Render the page as a PNG, with any Chromium that is installed."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser: one of {', '.join(BROWSERS)} is needed")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        flags = [
            "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=2",
            f"--window-size={WIDTH},{height}", f"--user-data-dir={folder}/profile", f"--screenshot={picture}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium's sandbox does not start as root
        subprocess.run(  # noqa: S603  a browser of this machine, with flags of our own
            [browser, *flags, source.as_uri()], check=True, capture_output=True, timeout=BROWSER_SECONDS
        )


def main() -> None:
    """Make the pictures and print their texts, which the alt texts have to contain."""
    for name, message in asyncio.run(messages()).items():
        asked, home = name == "spend", name == "home"
        page = to_html(message.forms[0][1], message.text, when=f"{NOW:%H:%M}", ephemeral=asked, home=home)
        photograph(page, HERE / f"{name}.png", HEIGHTS[name])
        sys.stdout.write(f"{name}.png: {message.text}\n")


if __name__ == "__main__":
    main()
