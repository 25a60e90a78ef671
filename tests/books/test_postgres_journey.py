"""The command line on PostgreSQL: `OUTLAY_DATABASE_URL` alone decides, and every figure is the one of SQLite."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import behind, connecting, doors
from tests.postgres import Server

NOW = datetime(2026, 12, 1, 14, 5, 30, tzinfo=UTC)


def test_connect_poll_spend_close_and_audit(server: Server, tmp_path: Path) -> None:
    clock, company = FakeClock(NOW), Company(now=NOW, days=2)
    said = []
    with doors() as place, behind(place, company, clock) as ledger:
        for database in ({"OUTLAY_DATABASE_URL": server.database()}, {}):
            machine = Terminal(tmp_path / ("sqlite" if not database else "postgres"), clock, KEY=ledger.key, **database)
            machine.done(*connecting(ledger))
            machine.done("poll")
            spent = [machine.spend(*words) for words in (("7d",), ("7d", "by", "model", "day"), ("7d", "by", "owner"))]
            refused = machine("close", "2026-12")
            assert refused.code == 1
            assert "2026-12 is not over" in refused.complaint
            closed = machine.done("close", "2026-11", "--force", "--format", "json").json()
            assert machine.done("close", "2026-11", "--format", "json").json()["hash"] == closed["hash"]
            told = machine.done("close", "2026-11").out
            assert "was closed already" in told
            assert "as of " in told
            audited = machine.done("audit", "--format", "json").json()
            assert audited["ok"] is True
            assert bool(list(machine.data_dir.glob("*.sqlite"))) == (not database)
            said.append((spent, closed["hash"], closed["totals"], closed["totals_hash"], audited["checked"]))
    assert said[0] == said[1]
    assert said[0][0][0]["total_usd"] > "0"
    for of_kind in said[0][2].values():
        assert sum(Decimal(one["usd"]) for one in of_kind) == Decimal(closed["total_usd"]) > 0
