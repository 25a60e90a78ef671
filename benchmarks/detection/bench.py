"""`./run bench detection`: the shipped detector on held-out companies and on the public stream, and its speed.

The held-out companies are generated from their seeds; the public stream is replayed and scored by its own scorer where
`../shared/anomaly` is beside the repository.
"""

import importlib.util
import random
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.detection.baseline import baseline_alerts
from benchmarks.detection.companies import BEGIN, HELD_BACK, Company, company
from benchmarks.detection.scoring import Alert, Scores, combined_scores, score_alerts
from benchmarks.measure import Row
from outlay.cli.replay import replay
from outlay.detection import Delta, Detector, Severity, restore, save

SHARED = Path(__file__).parents[3] / "shared" / "anomaly"
COMPANIES = 10
SUBJECTS, DAYS, AWAKE = 10_000, 30, 0.11  # in the public stream 11 of 100 subjects spend between two polls


async def run(scale: float) -> list[Row]:
    """Return the rows of the table."""
    return [*held_back(max(1, round(COMPANIES * scale))), *public(), *speed(max(500, int(SUBJECTS * scale)))]


def alerts_of(one: Company) -> list[Alert]:
    """Run the shipped detector over the company's polls; return its alerts."""
    detector = Detector()
    return [
        (verdict.at, verdict.subject, verdict.severity is Severity.PAGE)
        for at, deltas in one.polls
        for verdict in detector.feed(at, deltas)
    ]


def held_back(count: int) -> list[Row]:
    """Return rows for all held-out companies together, with the range over single companies."""
    pages: list[Scores] = []
    everything: list[Scores] = []
    usual: list[Scores] = []
    for seed in range(HELD_BACK, HELD_BACK + count):
        one = company(seed)
        alerts = alerts_of(one)
        usual.append(score_alerts(one, baseline_alerts(one)))
        everything.append(score_alerts(one, alerts))
        pages.append(score_alerts(one, [alert for alert in alerts if alert[2]]))
    rows, line, named = [], combined_scores(usual), "mean + 3σ"
    for name, found in (("pages", pages), ("all", everything)):
        whole = combined_scores(found)
        recall = [one.recall for one in found if one.incidents >= 5] or [whole.recall]
        false = [one.false_per_100_days for one in found]
        rows += [
            Row(f"{count} unseen companies, {name}: recall ({_span(recall)})", whole.recall, "", 0, line.recall, named),
            Row(f"… same UTC day, {name}", whole.same_day_share, "", 0, line.same_day_share, named),
            Row(
                f"… false per 100 developer-days, {name} ({_span(false)})",
                whole.false_per_100_days, "", 0.5 if name == "pages" else 1.5, line.false_per_100_days, named,
            ),
            Row(f"… precision, {name}", whole.precision, "", 0, line.precision, named),
            Row(f"… burned before the first alert, {name}, median", whole.burned_usd, "$", 0, line.burned_usd, named),
        ]  # fmt: skip
    whole = combined_scores(pages)
    rows.append(Row(f"… of {whole.jumps} jumps of a whole company told as one", whole.jumps_caught, ""))
    return rows


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}, a company"


def public() -> list[Row]:
    """Return rows for the public stream by its own scorer; [] if it is not there."""
    spec = importlib.util.spec_from_file_location("public_score", SHARED / "score.py")
    if not (SHARED / "score.py").exists() or spec is None or spec.loader is None:
        print("../shared/anomaly is not beside this repository: the public stream is left out")
        return []
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    with tempfile.TemporaryDirectory() as folder:
        alerts = Path(folder) / "alerts.csv"
        began = time.process_time()
        replay(SHARED / "stream-public.csv.gz", alerts)
        took = time.process_time() - began
        data = scorer.load(
            SHARED / "stream-public.csv.gz", SHARED / "labels-public.csv", SHARED / "burn-public.csv.gz", 14
        )
        found = scorer.score(data, alerts)
    rows = [Row("replay of the public stream, 60 days × 150 developers", took, "s", goal=60)]
    for name in ("pages", "all"):
        one = found[name]
        rows += [
            Row(f"public stream, {name}: recall", one["recall"], ""),
            Row(f"… same UTC day, {name}", one["same_utc_day"], ""),
            Row(
                f"… false per 100 developer-days, {name}",
                one["false_per_100_dev_days"],
                "",
                0.5 if name == "pages" else 1.5,
            ),
            Row(f"… precision, {name}", one["precision"], ""),
            Row(f"… burned before the first alert, {name}, median", one["burn_median_usd"], "$"),
        ]
    rows.append(Row("… of 2 jumps of the whole company told as one", found["pages"]["org_caught"], ""))
    return rows


def speed(subjects: int) -> list[Row]:
    """Measure a poll over many subjects with a month of history, the size of their state, and its restore."""
    rng = random.Random(9)
    detector = Detector()
    hours = [[rng.lognormvariate(-1, 1) if 8 <= hour < 18 else 0.0 for hour in range(24)] for _ in range(40)]
    began = time.process_time()
    for number in range(subjects):
        detector.learn(
            Delta(f"s{number}", "k", "m", 1000, None, int(usd * 1e9), at, at + 3600)
            for day in range(DAYS)
            for hour, usd in enumerate(hours[(number + day) % 40])
            if usd and (at := BEGIN + day * 86_400 + hour * 3600)
        )
    taught = time.process_time() - began
    at, took = BEGIN + DAYS * 86_400, []
    for turn in range(60):
        at += 300
        deltas = [
            Delta(f"s{number}", "k", "m", 1000, None, int(rng.lognormvariate(-3, 1) * 1e9), at - 300, at)
            for number in range(subjects)
            if number % 9 == turn // 6 % 9 or rng.random() < 0.01
        ]
        began = time.process_time()
        detector.feed(at, deltas)
        took.append((time.process_time() - began) * 1000)
    parts = save(detector)
    began = time.process_time()
    restore(parts)
    back = time.process_time() - began
    size = sum(map(len, parts.values())) / subjects / (DAYS * 24)
    return [
        Row(
            f"a poll over {subjects:,} subjects, {AWAKE:.0%} of whom spent, processor time",
            statistics.median(took[30:]),
            "ms",
            100,
        ),
        Row("… the worst of 30 such polls", max(took[30:]), "ms"),
        Row("state a subject-hour, saved", size, "bytes", 200),
        Row("… to go on from saved state", back, "s", 5),
        Row("… to learn 30 days anew by the hour", taught, "s"),
    ]
