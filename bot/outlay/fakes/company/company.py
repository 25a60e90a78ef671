"""Example company whose spend every fake ledger reports in its own format; the demo, tests and benchmarks share it.

    company = Company(seed=7, now=clock.now())
    company.truth(company.start, clock.now(), by=("owner", "model"))
    company.at("openai").truth(company.start, clock.now())

A Company is one ledger's view of it, OpenRouter's unless `at` names another; all views share one history.
Spend in an hour depends on the seed, the key and the hour alone, and the minutes of an hour are that hour split, so
both grains agree to the nano-dollar. Callers give an `end`: a minute that is not over by then is left out. `truth`
adds up what a ledger ought to report.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from outlay.core.money import to_nano
from outlay.fakes.company.employees import CompanyKey, Staff, build_staff
from outlay.fakes.company.model_catalog import BY_SLUG
from outlay.fakes.company.usage_model import AMOUNTS, DAY, HOUR, MINUTE, Runaway, Spend, hour_of, merged, minutes_of

Grain = Literal["minute", "hour"]
_REMEMBERED_HOURS = 4_096  # hours of one key and model that are cached by the minute


@dataclass(frozen=True, slots=True)
class Restatement:
    """Change by the ledger of figures that it reported for a time range: they are multiplied by `factor`.

    An empty `key_hash` or `model_slug` means all of them.
    """

    start: datetime
    end: datetime
    factor: Fraction
    key_hash: str
    model_slug: str

    def touches(self, spend: Spend) -> bool:
        """Report whether the restatement applies to this spend."""
        return (
            self.start <= spend.start < self.end
            and self.key_hash in ("", spend.key.hash)
            and self.model_slug in ("", spend.model.slug)
        )


class Company:
    """Example company. Its history begins `days` whole UTC days before `now` and has no end."""

    def __init__(
        self, seed: int = 7, *, now: datetime, days: int = 30, extra_keys: int = 0, extra_direct: int = 0
    ) -> None:
        self.seed = seed
        self.ledger = "openrouter"
        self.staff: Staff = build_staff(seed, extra_keys, extra_direct)
        self.start = _floor(now, DAY) - days * DAY
        self._deletion = self.start + days * 3 // 10 * DAY
        self.runaways: list[Runaway] = []
        self._restatements: list[Restatement] = []
        self._hours: dict[tuple[int, datetime], tuple[Spend, ...]] = {}
        self._days: dict[tuple[int, datetime], tuple[Spend, ...]] = {}
        self._minutes: dict[Spend, list[Spend]] = {}

    def view_of(self, ledger: str) -> "Company":
        """Return the same company as another ledger sees it. A runaway or a restatement affects all views."""
        seen = copy.copy(self)
        seen.ledger = ledger
        return seen

    @property
    def keys(self) -> tuple[CompanyKey, ...]:
        """Return all keys that this ledger ever had, deleted ones included."""
        return tuple(key for key in self.staff.keys if key.ledger == self.ledger)

    def key(self, name_or_hash: str) -> CompanyKey:
        """Return the key with that hash, or the first of that name."""
        return next(key for key in self.keys if name_or_hash in (key.hash, key.name))

    def deleted_at(self, key: CompanyKey) -> datetime | None:
        """Return when the key was deleted; None if it exists."""
        return self._deletion if key.deleted else None

    def runaway(
        self,
        key: CompanyKey,
        start: datetime,
        usd_per_hour: Decimal | int,
        model: str = "anthropic/claude-sonnet-4.5",
        end: datetime | None = None,
    ) -> Runaway:
        """Make a key spend this much more from `start` on, evenly, on one model (the slug of one that has a price)."""
        nano_usd, chosen = to_nano(usd_per_hour), BY_SLUG[model]
        if nano_usd <= 0 or chosen.completion_price_nano == 0:
            raise ValueError("nobody runs away with what is free")
        away = Runaway(key, chosen, _floor(start, MINUTE), end and _floor(end, MINUTE), nano_usd)
        self.runaways.append(away)
        return away

    def restate(
        self, start: datetime, end: datetime, factor: Fraction | int, *, key_hash: str = "", model_slug: str = ""
    ) -> None:
        """Multiply the ledger's figures for whole hours, of all or of one key or model. Factor 0 makes them vanish."""
        if start != _floor(start, HOUR) or end != _floor(end, HOUR):
            raise ValueError("a restatement is of whole hours")
        self._restatements.append(Restatement(start, end, Fraction(factor), key_hash, model_slug))
        self._hours.clear()
        self._days.clear()

    def spends(
        self, start: datetime, end: datetime, grain: Grain = "hour", keys: Sequence[CompanyKey] | None = None
    ) -> Iterator[Spend]:
        """Yield everything spent in whole minutes from `start` up to `end`, by slot, key and model, in order of hours.

        An hour that is only partly inside is represented by the sum of its minutes inside.
        """
        start, end = max(_floor(start, MINUTE), self.start), _floor(end, MINUTE)
        chosen = self.keys if keys is None else keys
        hour = _floor(start, HOUR)
        while hour < end:
            first, last = max(start, hour), min(end, hour + HOUR)
            for key in chosen:
                yield from self._inside(key, hour, first, last, grain)
            hour += HOUR

    def day(self, key: CompanyKey, day: datetime) -> tuple[Spend, ...]:
        """Return a key's spend of a whole UTC day, one Spend for each model and requested model."""
        if day < self.start:
            return ()
        known = self._days.get((key.number, day))
        if known is None:
            hours = (spend for hour in range(24) for spend in self._hour(key, day + hour * HOUR))
            known = self._days[key.number, day] = tuple(merged(hours, day))
        return (*known, *(spend for away in self._away(key) for spend in away.between(day, day + DAY, day)))

    def total(self, key: CompanyKey, midnight: datetime, end: datetime) -> tuple[int, int]:
        """Return one key's credits and BYOK since a midnight, in nano-dollars. Fast, since whole days are cached."""
        day, spent = max(midnight, self.start), list[Spend]()
        while day + DAY <= end:
            spent.extend(self.day(key, day))
            day += DAY
        spent.extend(self.spends(day, end, "hour", (key,)))
        return sum(spend.cost_nano_usd for spend in spent), sum(spend.byok_nano_usd for spend in spent)

    def truth(
        self,
        start: datetime,
        end: datetime,
        by: Sequence[str] = (),
        *,
        of: str = "cost_nano_usd",
        ledger: str = "",
    ) -> dict[tuple[str, ...], int]:
        """Return exactly what a ledger ought to report for [start, end).

        `by`: any of owner (id), key (hash), key_name, model (slug), permaslug, requested, workspace (id), day, hour,
        minute. `of`: any figure of a Spend. Where that is zero there is no entry. Without `by` there is one, at ().
        `ledger`: another than this one.
        """
        if ledger:
            return self.view_of(ledger).truth(start, end, by, of=of)
        grain: Grain = "minute" if "minute" in by else "hour"
        sums: dict[tuple[str, ...], int] = defaultdict(int)
        for spend in self.spends(start, end, grain):
            sums[tuple(_dimension(spend, name) for name in by)] += getattr(spend, of)
        return {group: amount for group, amount in sums.items() if amount}

    def _inside(
        self, key: CompanyKey, hour: datetime, first: datetime, last: datetime, grain: Grain
    ) -> Iterator[Spend]:
        whole = last - first == HOUR
        for spend in self._hour(key, hour):
            if grain == "hour" and whole:
                yield spend
                continue
            minutes = [minute for minute in self._minutes_of(spend) if first <= minute.start < last]
            yield from minutes if grain == "minute" else merged(minutes, hour)
        for away in self._away(key):
            if grain == "hour":
                yield from away.between(first, last, hour)
                continue
            minute = first
            while minute < last:
                yield from away.between(minute, minute + MINUTE, minute)
                minute += MINUTE

    def _away(self, key: CompanyKey) -> list[Runaway]:
        return [away for away in self.runaways if away.key is key]

    def _hour(self, key: CompanyKey, hour: datetime) -> tuple[Spend, ...]:
        known = self._hours.get((key.number, hour))
        if known is None:
            deleted = self.deleted_at(key)
            gone = deleted is not None and hour >= deleted
            spends = () if gone else hour_of(self.seed, key, hour, (hour - self.start) // HOUR)
            known = self._hours[key.number, hour] = tuple(self._restated(spends) if self._restatements else spends)
        return known

    def _minutes_of(self, spend: Spend) -> list[Spend]:
        known = self._minutes.get(spend)
        if known is None:
            if len(self._minutes) >= _REMEMBERED_HOURS:
                self._minutes.clear()
            known = self._minutes[spend] = minutes_of(self.seed, spend)
        return known

    def _restated(self, spends: Iterator[Spend] | tuple[()]) -> Iterator[Spend]:
        for spend in spends:
            amounts = {name: getattr(spend, name) for name in AMOUNTS}
            for change in self._restatements:
                if change.touches(spend):
                    amounts = {name: int(amount * change.factor) for name, amount in amounts.items()}
            if any(amounts.values()):
                yield spend._replace(**amounts)


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _dimension(spend: Spend, name: str) -> str:
    match name:
        case "owner":
            return spend.key.owner.owner_id
        case "key":
            return spend.key.hash
        case "key_name":
            return spend.key.name
        case "model":
            return spend.model.slug
        case "permaslug":
            return spend.model.permaslug
        case "requested":
            return spend.requested
        case "workspace":
            return spend.key.workspace.id
        case "day":
            return f"{spend.start:%Y-%m-%d}"
        case "hour":
            return f"{spend.start:%Y-%m-%dT%H:00:00Z}"
        case "minute":
            return f"{spend.start:%Y-%m-%dT%H:%M:00Z}"
    raise ValueError(f"no dimension {name!r}")
