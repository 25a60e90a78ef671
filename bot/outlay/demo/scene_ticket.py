"""Ticket scene of the demo: an admin connects Linear before the night, and in the morning an issue is there.

The bot files it. What is drawn of it is read from the fake Linear, as a person would see it there.
"""

import re
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from outlay.demo.console import DemoConsole
from outlay.demo.environment import ALERT_CHANNEL, DemoCheckFailedError, DemoEnvironment
from outlay.demo.scenes import clock_of, modal_of, type_in
from outlay.fakes.linear.server import API_KEY

FILED_FROM_USD = "5"
PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")
_SECTION = re.compile(r"^\+\+\+ ?(.*)$", re.MULTILINE)
_UNSEEN = "\u200b"  # invisible; keeps Linear from making a link of the text


class Issue:
    """Issue as Linear shows it."""

    def __init__(self, on: DemoEnvironment, issue: dict[str, Any]) -> None:
        self._issue = issue
        self._attached = [one for (issue_id, _), one in on.linear.world.attachments.items() if issue_id == issue["id"]]
        self._comments = on.linear.world.comment_bodies(issue["id"])
        self._labels = [str(label["name"]) for label in issue["labels"](None)["nodes"]]

    def draw(self, console: Console) -> None:
        """Print the issue."""
        issue = self._issue
        assignee = issue["assignee"]["name"] if issue["assignee"] else "nobody assigned"
        facts = (PRIORITIES[issue["priority"]], issue["state"]["name"], *self._labels, assignee)
        parts: list[RenderableType] = [
            Text(issue["title"], "bold"),
            Text(" · ".join(facts), "dim"),
            Text(),
            _text(issue["description"]),
        ]
        for one in self._attached:
            parts += [Text(), Text.assemble((f"⎘ {one['title']}", "bold"), f"  {one['subtitle'] or ''}")]
            parts.append(Text(f"  {one['url']}", "dim"))
        for comment in self._comments:
            parts += [Text(), Text("Outlay commented:", "dim"), _text(comment)]
        head = Text.assemble(("Linear", "bold"), "  ", issue["identifier"])
        console.print(Padding(Panel(Group(*parts), title=head, title_align="left"), (0, 0, 1, 0)))


async def connect(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Connect Linear as an admin: the key first, then the team, out of those that the key sees."""
    tell.say(
        f"Alice wants an issue in Linear for whatever costs {FILED_FROM_USD} dollars more than usual. The same "
        "command, another form, and the address of the stand-in under Advanced:"
    )
    form = modal_of(await type_in(on, tell, "alice", "/spend connect linear"))
    await form.click("connect:advanced")
    await form.submit({"Base URL": on.linear_url, "API key": API_KEY, "File from, in dollars": FILED_FROM_USD})
    if "Now choose where it goes" not in form.words:
        raise DemoCheckFailedError(f"Linear was not asked for its teams: {form.errors or form.words}")
    tell.say("The key is right, and Linear has told which teams there are. She chooses one:")
    await form.submit({"API key": API_KEY, "Team": "Engineering"})
    tell.shows(form, gap=True)
    if form.title != "Connected":
        raise DemoCheckFailedError(f"Linear was not connected: {form.errors or form.words}")
    await on.chat.close(form)


async def show(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Show the issue that the bot filed, and check that it and the message in Slack link to each other."""
    issues = list(on.linear.issues.values())
    if len(issues) != 1:
        raise DemoCheckFailedError(f"one incident made {len(issues)} issues")
    (issue,) = issues
    tell.say(f"{clock_of(on)}. Nobody has filed anything, and yet there it is. One issue, however often it was told:")
    tell.shows(Issue(on, issue))
    (message,) = [one for one in on.chat.messages(ALERT_CHANNEL) if not one.thread_ts]
    there = f"/archives/{message.channel}/p{message.ts.replace('.', '')}"
    if issue["url"] not in str(message.blocks):
        raise DemoCheckFailedError("the message does not say where the issue is")
    if not any(url.endswith(there) for _, url in on.linear.world.attachments):
        raise DemoCheckFailedError("the issue does not say where the message is")
    tell.say(
        f"The message in Slack says «Ticket: linear» and leads to {issue['identifier']}; the issue leads back to the "
        "message. A doubling is a comment, the line under the link is always up to date, and when the money stops, a "
        "comment says what it cost."
    )


def _text(markdown: str) -> RenderableType:
    """Render Linear's Markdown; a section that folds is drawn open."""
    plain = _SECTION.sub(lambda found: f"**▾ {found[1]}**" if found[1] else "", markdown.replace(_UNSEEN, ""))
    return Markdown(plain, hyperlinks=False)
