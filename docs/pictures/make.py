"""Makes the picture in the README: a real answer to `/spend`, from the demo company's ledger, through the real books.

    .venv/bin/python docs/pictures/make.py

An OpenRouter stand-in is polled over loopback, the books are asked, the blocks that Slack would get are drawn as a
page, and a headless Chromium takes the picture. Time stands still in it, so that the same code draws the same picture.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bot import settings
from bot.books.workspaces import ensure
from bot.core.clock import FakeClock
from bot.demo.company import Company
from bot.demo.openrouter import MANAGEMENT_KEY, ROOT, openrouter_app
from bot.demo.render import to_html
from bot.demo.serve import serving
from bot.demo.staff import COMPANY_NAME, PEOPLE
from bot.house import house
from bot.slack.posting import Message
from bot.slack.spend import blocks
from bot.work.clockwork import People

HERE = Path(__file__).parent
PICTURE = HERE / "spend.png"
NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
QUESTION = "7d by owner model top 8"
TEAM = "T0BRIGHTLOOM"
WIDTH, HEIGHT = 800, 560
BROWSER_SECONDS = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


async def answer() -> Message:
    """What the bot would post: the ledger polled, the question asked."""
    clock = FakeClock(NOW)
    people = {person.email: (person.slack_id, person.name) for person in PEOPLE}

    async def look_up(_: str, email: str) -> tuple[str, str] | None:
        return people.get(email)

    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(openrouter_app(Company(now=NOW), clock)) as url,
            house(settings.load({"OUTLAY_DATA_DIR": folder}), clock=clock) as home,
        ):
            async with home.database.write() as session:
                await ensure(session, TEAM, now=NOW, name=COMPANY_NAME)
            values = {"api_key": MANAGEMENT_KEY, "base_url": url + ROOT}
            connected = await home.connections.connect(TEAM, "openrouter", "openrouter", values)
            polled = await home.poller.poll(int(connected.id.removeprefix("con_")))
            if polled is None or not polled.ok:
                raise SystemExit(f"the stand-in could not be polled: {polled and polled.error}")
            await People(home.database, clock, look_up).run()
            return blocks.answer(await home.asking.spend(TEAM, QUESTION))


def photograph(page: str, picture: Path) -> None:
    """The page as a PNG, by whichever Chromium there is."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser: one of {', '.join(BROWSERS)} is needed")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        flags = [
            "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=2",
            f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder}/profile", f"--screenshot={picture}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium's sandbox does not start as root
        subprocess.run(  # noqa: S603  a browser of this machine, with flags of our own
            [browser, *flags, source.as_uri()], check=True, capture_output=True, timeout=BROWSER_SECONDS
        )


def main() -> None:
    """Makes the picture, and says its finding: the alt text has to hold it."""
    message = asyncio.run(answer())
    photograph(to_html(message.forms[0][1], message.text, when=f"{NOW:%H:%M}", ephemeral=True), PICTURE)
    sys.stdout.write(f"{PICTURE.name}: {message.text}\n")


if __name__ == "__main__":
    main()
