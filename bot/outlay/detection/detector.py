"""Spend anomaly detector: fed once a poll, it returns verdicts on unusual spend. It rereads no past data.

detector = Detector()
detector.learn(history)                      # back-filled hours teach, and never alert
for poll in polls:
    for verdict in detector.feed(poll.at, poll.deltas):
        print(explain(verdict))
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple

from outlay.detection import scoring as detection_scoring
from outlay.detection import usual_spend, workspace_wide
from outlay.detection.baselines import Peers, peers_of, unlog
from outlay.detection.inputs import Delta, Deltas, ExpectedSpend
from outlay.detection.subject import NewUseSpend, SlotFacts, SubjectState
from outlay.detection.time_slots import DAY_SLOTS, HOUR_SLOTS, SLOT_SECONDS, USD
from outlay.detection.verdict import EVERYBODY, ScoreFact, Severity, Verdict

NANO_PER_USD = 1_000_000_000
AT_MOST_PEERS = 1000
HOLD_DAYS = 2
GROWN = 4.0
TOLD_FROM = 0.3
MOST_SLOTS_A_POLL = 4 * DAY_SLOTS
PAGE, NOTICE = 1.6, 0.0
APART = 1.5
EVERYBODY_SLOTS, TOLD_SLOTS = DAY_SLOTS // 4, 2 * DAY_SLOTS
SHIFT = {"calm": 1.0, "normal": 0.0, "sharp": -1.0}


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Settings of a detector.

    `sensitivity`: calm, normal, sharp. `floor_nano_usd`: no alert before the unusual stretch, or the last hour, has
    cost so much. `zone`: whose midnight ends a day in texts; detection itself uses no calendar.
    """

    sensitivity: str = "normal"
    floor_nano_usd: int = 8 * NANO_PER_USD
    zone: tzinfo = UTC


@dataclass(slots=True)
class AlertSuppression:
    """The last alert on a subject; repeats are suppressed unless the spend grows."""

    slot: int
    severity: Severity
    hour_usd: float


class DaySpend(NamedTuple):
    """A day in nano-dollars: so far, what is usual by now, and by midnight at this pace."""

    today: int
    usual_by_now: int | None
    by_midnight: int


class Detector:
    """Detector state of one workspace."""

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        self.settings = settings or DetectorSettings()
        self.subjects: dict[str, SubjectState] = {}
        self.peers = Peers()
        self.holds: dict[str, AlertSuppression] = {}
        self.lasting: dict[str, detection_scoring.ScorePersistence] = {}
        self.plans: dict[str, ExpectedSpend] = {}
        self._peers_day = -1
        self._usual_hours: dict[str, dict[int, float]] = {}
        self._everybody_until = self._dimension_value = -1
        self._jumps = 0
        self._looked = self._newest = -1

    def marks(self) -> list[int]:
        """Return the few numbers that belong to no subject; for `state`."""
        return [self._peers_day, self._everybody_until, self._dimension_value, self._jumps, self._looked, self._newest]

    def set_marks(self, marks: list[int]) -> None:
        """Restore what `marks` returned."""
        self._peers_day, self._everybody_until, self._dimension_value, self._jumps, self._looked, self._newest = marks

    def expect_spend(self, plan: ExpectedSpend) -> None:
        """Add expected spending, in force from now on. A plan with the same id is replaced."""
        self.plans[plan.id] = plan

    def learn(self, deltas: Iterable[Delta]) -> None:
        """Learn back-filled history without judging it: once, before the first poll, in any order."""
        for name, group in groupby(sorted(deltas, key=attrgetter("subject", "end")), key=attrgetter("subject")):
            self._subject(name).learn(list(group), self.peers)

    def feed(self, at: int, deltas: Deltas) -> list[Verdict]:
        """Process one poll and return its verdicts. `at`: its time, seconds since 1970; deltas in any order."""
        slot_now = (at - 1) // SLOT_SECONDS
        if slot_now < self._newest - DAY_SLOTS:
            self._clock_went_back(slot_now)
        if slot_now // DAY_SLOTS != self._peers_day:
            self._meet_peers(slot_now // DAY_SLOTS)
        found, newest = [], -1
        for name, group in groupby(sorted(deltas, key=attrgetter("subject")), key=attrgetter("subject")):
            subject = self._subject(name)
            touched = set()
            for delta in group:
                if self.plans and self._set_aside(delta):
                    subject.book_expected_delta(delta)
                    continue
                slot = subject.book_delta(delta)
                if slot is not None:
                    touched.add(slot)
                    newest = max(newest, slot)
            for slot in sorted(touched)[-MOST_SLOTS_A_POLL:]:
                verdict = self._judge(name, subject, slot, at)
                if verdict:
                    found.append(verdict)
        self._newest = slot_now
        everybody = self._everybody(newest, at) if newest >= 0 else None
        if everybody is None:
            return found
        for verdict in found:
            self.holds.pop(verdict.subject, None)  # not sent, so it must not suppress a later one
        return [everybody]

    def _clock_went_back(self, slot: int) -> None:
        """Discard what was booked in the future while the machine's clock was ahead."""
        for subject in self.subjects.values():
            subject.back_to(slot // DAY_SLOTS)
        self.holds = {name: hold for name, hold in self.holds.items() if hold.slot <= slot}
        self.lasting = {name: one for name, one in self.lasting.items() if one.slot <= slot}
        self._everybody_until, self._dimension_value = (
            min(self._everybody_until, slot),
            min(self._dimension_value, slot),
        )

    def _subject(self, name: str) -> SubjectState:
        found = self.subjects.get(name)
        if found is None:
            found = self.subjects[name] = SubjectState()
        return found

    def _meet_peers(self, day: int) -> None:
        self._peers_day = day
        names = sorted(self.subjects)
        few = names[:: max(1, len(names) // AT_MOST_PEERS)]
        self.peers = peers_of([self.subjects[name].habits for name in few], Peers())
        self._usual_hours.clear()
        self.lasting = {name: one for name, one in self.lasting.items() if one.slot >= (day - 1) * DAY_SLOTS}

    def _set_aside(self, delta: Delta) -> bool:
        return any(
            plan.subject == delta.subject
            and plan.below_nano_usd is None
            and plan.key in ("", delta.key)
            and plan.covers(delta.end - 1)
            for plan in self.plans.values()
        )

    def _expected(self, name: str, slot: int, day_usd: float) -> bool:
        at = slot * SLOT_SECONDS
        return any(
            plan.subject == name
            and plan.covers(at)
            and ((plan.below_nano_usd is None and not plan.key) or day_usd < (plan.below_nano_usd or 0) * USD)
            for plan in self.plans.values()
        )

    def _judge(self, name: str, subject: SubjectState, slot: int, at: int) -> Verdict | None:
        floor = self.settings.floor_nano_usd * USD
        look = subject.look(slot, self.peers, least_usd=floor)
        if look is None or max(look.stake_usd, look.facts[1]) < floor:
            return None
        freshness = subject.freshness(slot)
        found = detection_scoring.evidence(look, freshness)
        shift = SHIFT[self.settings.sensitivity]
        points = detection_scoring.score(found)
        if slot < self._everybody_until or self._expected(EVERYBODY, slot, 0.0):
            points -= APART  # during a workspace-wide anomaly a subject has to stand out further
        lasted = self.lasting[name] = detection_scoring.update_score_persistence(self.lasting.get(name), slot, points)
        if points <= NOTICE + shift:
            return None
        severity = Severity.PAGE if points + lasted.points > PAGE + shift else Severity.NOTICE
        if self._expected(name, slot, look.facts[3]) or not self._may_say(name, slot, severity, look.facts[1]):
            return None
        self.holds[name] = AlertSuppression(slot, severity, look.facts[1])
        return self._verdict(name, subject, look, at, severity, points, found, freshness)

    def _may_say(self, name: str, slot: int, severity: Severity, hour_usd: float) -> bool:
        hold = self.holds.get(name)
        if hold is None or slot - hold.slot >= HOLD_DAYS * DAY_SLOTS:
            return True
        if severity is Severity.PAGE and hold.severity is Severity.NOTICE:
            return True
        return severity is hold.severity and slot - hold.slot >= HOUR_SLOTS and hour_usd >= GROWN * hold.hour_usd

    def _everybody(self, slot: int, at: int) -> Verdict | None:
        if slot // workspace_wide.EVERY_SLOTS == self._looked:
            return None
        self._looked = slot // workspace_wide.EVERY_SLOTS
        departures = []
        every = max(1, len(self.subjects) // workspace_wide.AT_MOST_SUBJECTS)
        for name, subject in islice(self.subjects.items(), 0, None, every):
            cache = self._usual_hours.setdefault(name, {})
            value = workspace_wide.departure(subject, slot, cache)
            if value is not None:
                departures.append(value)
        middle, bound, count = workspace_wide.jump(departures)
        self._jumps = self._jumps + 1 if bound > workspace_wide.JUMP else 0
        if self._jumps < workspace_wide.IN_A_ROW:
            return None
        self._everybody_until = slot + EVERYBODY_SLOTS
        if self._dimension_value >= 0 and slot - self._dimension_value < TOLD_SLOTS:
            self._dimension_value = slot
            return None
        verdict = self._verdict_for_all(slot, at, middle, count)
        if self._expected(EVERYBODY, slot, verdict.day_nano_usd * USD):
            return None
        self._dimension_value = slot
        return verdict

    def _verdict(
        self, name: str, subject: SubjectState, look: SlotFacts, at: int, severity: Severity, points: float,
        found: detection_scoring.Evidence, freshness: NewUseSpend,
    ) -> Verdict:  # fmt: skip
        as_of = (look.slot + 1) * SLOT_SECONDS
        since = look.walk.since if look.walk.machine else look.walk.run_since
        totals: dict[tuple[str, str], int] = {}
        tokens = requests = 0
        told = True
        for pair, (cost, of_tokens, of_requests, known) in subject.parts(since // HOUR_SLOTS, look.slot // HOUR_SLOTS):
            totals[pair] = totals.get(pair, 0) + cost
            tokens, requests, told = tokens + of_tokens, requests + of_requests, told and bool(known)
        spent = sum(totals.values())
        top = max(totals, key=lambda pair: totals[pair], default=None)
        hour_nano = int(subject.pace(look.slot, since) * NANO_PER_USD)
        moment = datetime.fromtimestamp(as_of, UTC)
        first = subject.first * SLOT_SECONDS if subject.first is not None else None
        money = self._money([subject], moment, hour_nano, first)
        return Verdict(
            at=at, as_of=as_of, subject=name, severity=severity, score=round(points, 2),
            hour_nano_usd=hour_nano, day_nano_usd=int(look.facts[3] * NANO_PER_USD),
            since=since * SLOT_SECONDS,
            key=top[0] if top else None, model=top[1] if top else None,
            share=totals[top] / spent if top and spent > 0 else None,
            requests=requests if told and requests > 0 else None,
            tokens_each=tokens // requests if told and requests > 0 and tokens > 0 else None,
            facts=_facts(look, found, freshness), days_known=round(look.baseline.days),
            today_nano_usd=money.today, usual_by_now_nano_usd=money.usual_by_now,
            by_midnight_nano_usd=money.by_midnight,
        )  # fmt: skip

    def _money(self, subjects: list[SubjectState], moment: datetime, hour_nano: int, first: int | None) -> DaySpend:
        zone = self.settings.zone
        today = usual_now = 0
        known = False
        for subject in subjects:
            today += usual_spend.day_until(subject.hours, _hour_end(moment), zone)
            by_now = usual_spend.usual_spend_by_now(subject.hours, moment, zone, first)
            if by_now is not None:
                known, usual_now = True, usual_now + by_now
        local = moment.astimezone(zone)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        left = (midnight - moment).total_seconds() / 3600
        return DaySpend(today, usual_now if known else None, today + int(hour_nano * left))

    def _verdict_for_all(self, slot: int, at: int, middle: float, count: int) -> Verdict:
        moment = datetime.fromtimestamp((slot + 1) * SLOT_SECONDS, UTC)
        hour = slot // HOUR_SLOTS
        hour_nano = day_nano = 0
        for subject in self.subjects.values():
            for which in range(hour - 23, hour + 1):
                held = subject.hours.get(which // 24)
                day_nano += held[which % 24] if held is not None else 0
            held = subject.hours.get(hour // 24)
            hour_nano += held[hour % 24] if held is not None else 0
        first = min((one.first for one in self.subjects.values() if one.first is not None), default=slot)
        money = self._money(list(self.subjects.values()), moment, hour_nano, first * SLOT_SECONDS)
        return Verdict(
            at=at, as_of=(slot + 1) * SLOT_SECONDS, subject=EVERYBODY, severity=Severity.PAGE, score=round(middle, 2),
            hour_nano_usd=hour_nano, day_nano_usd=day_nano, since=(slot - 47) * SLOT_SECONDS,
            key=None, model=None, share=None, facts=(), days_known=0, subjects=count,
            today_nano_usd=money.today, usual_by_now_nano_usd=money.usual_by_now,
            by_midnight_nano_usd=money.by_midnight,
        )  # fmt: skip


def _hour_end(moment: datetime) -> datetime:
    """Return the end of the current hour, by which all of its money is booked."""
    return moment if not (moment.minute or moment.second) else moment.replace(minute=0, second=0) + timedelta(hours=1)


def _facts(look: SlotFacts, found: detection_scoring.Evidence, freshness: NewUseSpend) -> tuple[ScoreFact, ...]:
    """Return the rows that add to the score, highest first."""
    baseline, rows = look.baseline, []
    places = {"quarter": 0, "hour": 1, "day": 3, "busy": 5, "tireless": 4, "machine": 4}
    day = max(look.facts[3], 0.01)
    now = {"dear": freshness.dear, "key": min(1.0, freshness.key_usd / day), "young": baseline.days}
    for row, points in detection_scoring.points(found).items():
        if points < TOLD_FROM:
            continue
        if row in places:
            place = places[row]
            rows.append(ScoreFact(row, look.facts[place], unlog(place, baseline.mean[place]), round(points, 2)))
        else:
            rows.append(ScoreFact(row, now[row], 0.0, round(points, 2)))
    return tuple(sorted(rows, key=lambda fact: -fact.points))
