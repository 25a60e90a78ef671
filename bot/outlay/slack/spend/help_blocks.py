"""Help message of `/spend`: everything that can be asked, with examples that work."""

from outlay import wording
from outlay.slack import block_kit
from outlay.slack.message_poster import RenderedMessage, plain_message
from outlay.spend.parser import DIMENSIONS

EXAMPLES = (
    ("", "this month so far, by owner"),
    ("7d", "the last seven days, today among them"),
    ("today by model", "what runs right now"),
    ("2026-10 by key", "one month, key by key"),
    ("me by day", "your own days"),
    ("last month by owner model", "two groupings at once"),
    ("model:*claude* top 5", "one family of models, its five biggest users"),
    ("2026-10-01..15", "any stretch of days, both ends in it"),
    ("vs last week by model", "this week beside as much of the last"),
    ("30d trend by model", "the course of the biggest models"),
)


def help_message(*, is_admin: bool) -> RenderedMessage:
    """Build the help; the part for admins is for admins only."""
    examples = "\n".join(f"`/spend {query}` – {does}" if query else f"`/spend` – {does}" for query, does in EXAMPLES)
    grammar = "\n".join(
        (
            "*When*: `today`, `yesterday`, `7d`, `mtd`, `this week`, `last week`, `last month`, `october`, `2026-10`, "
            "`2026-10-01..15`, `since monday`, `from … to …`",
            f"*By what* (one or two, with or without `by`): {', '.join(f'`{dimension}`' for dimension in DIMENSIONS)}",
            "*Who and which*: `me`, `@somebody`, `#team`, `agent:…`, `owner:…`, `key:…`, `model:…`, `provider:…`, "
            "`connection:…`, `project:…`, `auto`; `*` stands for anything",
            "*How many*: `top 5`   *Beside what*: `vs last week`, `vs previous`, `vs 2026-09`   *How it went*: `trend`",
        )
    )
    blocks = [
        block_kit.section(
            "*Ask who spent what, on which model.* Words go in any order; only you see the answer, until you share it."
        ),
        block_kit.section(examples),
        block_kit.section(grammar),
    ]
    blocks.append(
        block_kit.section("`/spend alerts` – what rings right now, what is expected, and whether it tells you directly")
    )
    blocks.append(
        block_kit.section(
            "`/spend digest` – digests by day, week or month; `/spend digest now` shows the newest\n"
            "`/spend budget` – budgets and how they stand"
        )
    )
    if is_admin:
        blocks.append(
            block_kit.section(
                "`/spend connect` – connect a ledger\n`/spend owners` – say who answers for which key\n"
                "`/spend settings` – who sees and may do what, and teams\n"
                "(you see these because you are an admin)"
            )
        )
    summary = wording.either([f"/spend {query}".strip() for query, _ in EXAMPLES[:4]])
    return plain_message(f"Ask who spent what, on which model: {summary}.", blocks)
