"""Clapper, an invented card board: a whole sink plugin, small enough to read in one go.

It shows what every sink has to decide: which account and board are meant, one card per incident
however often it is delivered, notes that are posted once, and text in which a stranger's name triggers nothing.
"""

from typing import Any
from urllib.parse import quote

from pydantic import Field, SecretStr

from outlay.plugin import BadConfig, CheckResult, Config, Event, Permanent, PluginInfo, Receipt, Sink

MAX_TEXT_CHARACTERS = 2_000


class ClapperConfig(Config):
    """Settings that `outlay connect clapper` and the modal in Slack ask for."""

    token: SecretStr = Field(title="Token", description="Clapper → Settings → Tokens, with write access to cards.")
    board: str = Field("", title="Board", description="Where cards go.")
    base_url: str = Field("https://clapper.example/api", title="Base URL", json_schema_extra={"advanced": True})


class Clapper(Sink[ClapperConfig]):
    """Sink that keeps one card per incident on a board."""

    meta = PluginInfo(slug="clapper", title="Clapper", version="0.1")
    Config = ClapperConfig

    @classmethod
    def headers(cls, config: ClapperConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.token.get_secret_value()}"}

    async def check(self) -> CheckResult:
        """Check the token and the board.

        Without a board, `asks` makes the form show the choices; nothing is saved before one is chosen.
        """
        me = await self._ask("GET", "/me")
        boards = {str(board["id"]): str(board["name"]) for board in _list(me, "boards")}
        board = self.config.board
        if not board:
            return CheckResult(
                "", _text(me, "name"), "token", choices={"board": tuple(boards.items())}, asks=("board",)
            )
        if board not in boards:
            raise BadConfig("board", f"Clapper has no board {board[:40]!r}; there is: {', '.join(boards) or 'none'}.")
        return CheckResult(f"{_text(me, 'id')}/{board}", f"{_text(me, 'name')}, {boards[board]}", "token")

    async def opened(self, event: Event) -> Receipt:
        """Create the card of an incident, by PUT under an id of our own.

        It is the same card, however often this is delivered or the incident returns.
        """
        card = event.uid("card")
        made = await self._ask("PUT", f"/cards/{card}", json=self._card(event))
        return Receipt(_text(made, "url"), card)

    async def updated(self, event: Event) -> Receipt:
        """Update the card to the incident's state.

        No note: everyone who watches the card would be notified each time.
        """
        receipt = _made(event)
        await self._ask("PUT", f"/cards/{receipt.external_id}", json=self._card(event))
        return receipt

    async def resolved(self, event: Event) -> Receipt:
        """Add a last note, then move the card to "done".

        The note has an id of its own, so that it is posted once each time.
        """
        receipt = _made(event)
        note = {"text": _plain(f"It is over. {event.finding.title}")}
        await self._ask("PUT", f"/cards/{receipt.external_id}/notes/{event.uid(f'over:{event.key}')}", json=note)
        await self._ask("PUT", f"/cards/{receipt.external_id}", json=self._card(event, column="done"))
        return receipt

    def _card(self, event: Event, column: str = "new") -> dict[str, str]:
        found = event.finding
        facts = [f"{fact.label}: {fact.value}" for fact in found.facts]
        text = "\n".join(_plain(line) for line in (*found.sentences, *facts, *found.what_to_do))
        link = found.page.url if found.page else ""
        return {
            "board": self.config.board,
            "column": column,
            "title": _plain(found.title),
            "text": text,
            "link": link,
        }

    async def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        """Send a request and return its JSON object.

        The host's client turns every failure into one of the five plugin errors; only the shape is left to check.
        """
        answer = await self.http.ask(method, "/".join(quote(part) for part in path.split("/")), **how)
        if not isinstance(answer, dict):
            raise Permanent("Clapper's answer is not what it documents.")
        return answer


def _made(event: Event) -> Receipt:
    if event.receipt is None:
        raise Permanent("There is no card of this incident.")
    return event.receipt


def _plain(line: str) -> str:
    """Neutralize links and mentions with an invisible space.

    Clapper makes links of addresses and mentions of @names.
    """
    words = " ".join(line.split())[:MAX_TEXT_CHARACTERS]
    for mark in ("://", "www.", "@", "<!"):
        words = words.replace(mark, f"{mark[0]}\u200b{mark[1:]}")
    return words


def _text(answer: dict[str, Any], name: str) -> str:
    """Return a text of an answer. Anything else is an error, never an empty one."""
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise Permanent(f"Clapper's answer has no {name}.")
    return found


def _list(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) and {"id", "name"} <= one.keys() for one in found):
        raise Permanent(f"Clapper's answer has no {name}.")
    return found
