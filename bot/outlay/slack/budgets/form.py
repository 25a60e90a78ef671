"""Form of a budget: its scope, its limit and period, and when to alert."""

import json
import re
from decimal import Decimal
from typing import Any

from outlay import wording as words
from outlay.budgets.budget import SHARES, SHARES_MAX, Budget, Scope
from outlay.budgets.service import BudgetError, BudgetSubjects
from outlay.core.calendar_periods import PERIODS
from outlay.core.money import exact, to_nano
from outlay.slack import block_kit
from outlay.slack.budgets import wording
from outlay.slack.budgets.blocks import SOFT
from outlay.slack.budgets.ids import Action, Input, View

OPTIONS_MAX = 100  # the most options that Slack allows in a select
OPTION_CHARACTERS_MAX = 150
_SCOPES: tuple[tuple[Scope, str], ...] = (
    ("workspace", "Everybody together"),
    ("owner", "A person, an agent or a team"),
    ("model", "A model, or a family of them"),
    ("ledger", "A ledger"),
)
_FIELDS: dict[Scope, Input] = {"owner": Input.OWNER, "model": Input.MODEL, "ledger": Input.LEDGER}
_AMOUNT = re.compile(r"\$?\s*(\d{1,3}(?:,\d{3})+|\d{1,10})(\.\d{1,9})?\s*(?:USD|\$)?", re.IGNORECASE)
_PART = {"scope": Input.SCOPE, "limit": Input.LIMIT, "shares": Input.SHARES}


def view(known: BudgetSubjects, budget: Budget | None, scope: Scope | None = None) -> block_kit.View:
    """Build the form, empty or filled in with a budget.

    `scope`: the scope that was just chosen, for which the form then asks the subject; None for the budget's own.
    """
    scopes = [block_kit.option(text, scope) for scope, text in _SCOPES]
    periods = [
        block_kit.option(wording.PERIOD_WORDS[period][0].upper() + wording.PERIOD_WORDS[period][1:], period)
        for period in PERIODS
    ]
    scope = scope or (budget.scope if budget else "workspace")
    period = budget.period if budget else "month"
    shares = ", ".join(str(share) for share in (budget.shares if budget else SHARES))
    foresee = block_kit.option("Also tell when the forecast passes the limit", "yes")
    on = budget is None or budget.on_forecast
    channel: block_kit.Block = {
        "type": "conversations_select",
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    if budget and budget.channel:
        channel["initial_conversation"] = budget.channel
    parts = [
        block_kit.input_field(Input.SCOPE, "For whom or what?", _radio(scopes, scope)) | {"dispatch_action": True},
        *_which(scope, known, budget),
        block_kit.input_field(Input.LIMIT, "How much (USD)?", _text(_dollars(budget.limit_nano_usd) if budget else "")),
        block_kit.input_field(Input.PERIOD, "In what time?", _radio(periods, period)),
        block_kit.input_field(
            Input.SHARES, "Tell at (per cent of it)", _text(shares), optional=True, hint="Each once a period: 80, 100."
        ),
        block_kit.input_field(
            Input.FORECAST,
            "Forecast",
            {"type": "checkboxes", "options": [foresee], **({"initial_options": [foresee]} if on else {})},
            optional=True,
        ),
        block_kit.input_field(Input.CHANNEL, "Where to tell", channel, optional=True, hint="Empty: where alerts go."),
        block_kit.context(SOFT),
    ]
    if budget:
        parts.append(block_kit.actions(_remove(budget)))
    return {
        "type": "modal",
        "callback_id": View.FORM,
        "title": block_kit.plain("Budget"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"budget": budget.id if budget else 0}),
        "blocks": parts,
    }


def done(text: str) -> block_kit.View:
    """Build the modal that confirms what was done."""
    return {
        "type": "modal",
        "title": block_kit.plain("Budget"),
        "close": block_kit.plain("Close"),
        "blocks": [block_kit.section(text)],
    }


def saved(budget: Budget) -> block_kit.View:
    """Build the modal that confirms a saved budget."""
    shares = ", ".join(f"{share} %" for share in budget.shares)
    at = f"at {shares}" if shares else "at no share"
    ahead = ", and when the forecast passes it" if budget.on_forecast and budget.period != "day" else ""
    amount = f"*{words.money(budget.limit_nano_usd)}* {wording.PERIOD_WORDS[budget.period]}"
    return done(f"Saved: *{wording.subject(budget)}*, {amount}. Outlay tells {at}{ahead}; once a period each.")


def parse_form(view: dict[str, Any]) -> tuple[Budget | None, dict[str, str]]:
    """Parse the submitted form: the budget and no errors, or None and the errors by field."""
    values, errors = view["state"]["values"], dict[str, str]()
    scope: Scope = _option(values, Input.SCOPE)  # type: ignore[assignment]
    subject = ""
    if scope in _FIELDS:
        field = _FIELDS[scope]
        subject = _typed(values, field) if scope == "model" else _option(values, field)
        if not subject:
            errors[_shown(field, values)] = "Say which one."
    limit = _AMOUNT.fullmatch(_typed(values, Input.LIMIT))
    amount = Decimal(limit[1].replace(",", "") + (limit[2] or "")) if limit else Decimal(0)
    if not amount:
        errors[Input.LIMIT] = "Give an amount of dollars, such as 600 or 1,240.50."
    words_of_shares = [one for one in re.split(r"[\s,;%]+", _typed(values, Input.SHARES)) if one]
    if any(not re.fullmatch(r"\d{1,4}", one) for one in words_of_shares) or len(words_of_shares) > SHARES_MAX:
        errors[Input.SHARES] = f"Give up to {SHARES_MAX} whole numbers, such as 80, 100."
    if errors:
        return None, errors
    ahead = values[Input.FORECAST][Input.FORECAST].get("selected_options")
    return Budget(
        id=budget_id_of(view),
        scope=scope,
        subject=subject,
        period=_option(values, Input.PERIOD),  # type: ignore[arg-type]
        limit_nano_usd=to_nano(amount),
        shares=tuple(sorted({int(one) for one in words_of_shares})),
        on_forecast=bool(ahead),
        channel=str(values[Input.CHANNEL][Input.CHANNEL].get("selected_conversation") or ""),
    ), {}


def field_of(error: BudgetError) -> str:
    """Return the field under which an error of the budget service is shown."""
    return _PART.get(error.field, Input.SCOPE)


def scope_of(view: dict[str, Any]) -> Scope:
    """Return the scope that is currently chosen in the form."""
    return _option(view["state"]["values"], Input.SCOPE) or "workspace"  # type: ignore[return-value]


def budget_id_of(view: dict[str, Any]) -> int:
    """Return the id of the budget that the form edits; 0 for a new one."""
    return int(json.loads(view["private_metadata"])["budget"])


def _which(scope: Scope, known: BudgetSubjects, budget: Budget | None) -> list[block_kit.Block]:
    match scope:
        case "owner":
            return _owner(known, budget) or [
                block_kit.context("Nobody answers for a key yet: `/spend owners` says whose.")
            ]
        case "model":
            model = budget.subject if budget and budget.scope == "model" else ""
            return [
                block_kit.input_field(
                    Input.MODEL, "Which model?", _text(model), hint="Such as *claude*; * is anything."
                )
            ]
        case "ledger":
            return _ledger(known, budget) or [block_kit.context("No ledger is connected yet: `/spend connect`.")]
    return []


def _owner(known: BudgetSubjects, budget: Budget | None) -> list[block_kit.Block]:
    named = [(owner.id, words.name(f"{owner.name} ({owner.kind})", 70)) for owner in known.owners]
    return _select(Input.OWNER, "Who?", named, budget, "owner")


def _ledger(known: BudgetSubjects, budget: Budget | None) -> list[block_kit.Block]:
    return _select(Input.LEDGER, "Which ledger?", [(one, words.name(one)) for one in known.ledgers], budget, "ledger")


def _select(
    field: Input, label: str, named: list[tuple[str, str]], budget: Budget | None, scope: Scope
) -> list[block_kit.Block]:
    """Build a select of the known subjects. The budget's own subject stays in it even if it is no longer known."""
    if budget and budget.scope == scope and budget.subject not in dict(named):
        named = [(budget.subject, words.name(budget.name or budget.subject, 70)), *named]
    options = {
        value: block_kit.option(text, value)
        for value, text in named[:OPTIONS_MAX]
        if len(value) <= OPTION_CHARACTERS_MAX
    }
    if not options:
        return []
    element: block_kit.Block = {"type": "static_select", "options": list(options.values())}
    if budget and budget.scope == scope and budget.subject in options:
        element["initial_option"] = options[budget.subject]
    return [block_kit.input_field(field, label, element)]


def _remove(budget: Budget) -> block_kit.Block:
    return block_kit.button("Remove this Budget", Action.REMOVE, str(budget.id)) | {
        "style": "danger",
        "confirm": {
            "title": block_kit.plain("Remove it?"),
            "text": block_kit.plain("Nobody is told of it any more. What was spent stays in the books."),
            "confirm": block_kit.plain("Remove"),
            "deny": block_kit.plain("Keep"),
            "style": "danger",
        },
    }


def _radio(options: list[block_kit.Block], value: str) -> block_kit.Block:
    now = next(option for option in options if option["value"] == value)
    return {"type": "radio_buttons", "options": options, "initial_option": now}


def _text(value: str) -> block_kit.Block:
    return {"type": "plain_text_input", "max_length": 200} | ({"initial_value": value} if value else {})


def _dollars(nano_usd: int) -> str:
    return exact(nano_usd).rstrip("0").rstrip(".")


def _option(values: dict[str, Any], field: Input) -> str:
    state = (values.get(field) or {}).get(field) or {}
    option = state.get("selected_option")
    return str(option["value"]) if option else ""


def _typed(values: dict[str, Any], field: Input) -> str:
    state = (values.get(field) or {}).get(field) or {}
    return str(state.get("value") or "").strip()


def _shown(field: Input, values: dict[str, Any]) -> str:
    """Return the field if the form has it, else the scope, because a field without options is not shown."""
    return field if field in values else Input.SCOPE
