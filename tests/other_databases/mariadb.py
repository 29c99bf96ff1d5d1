"""A MariaDB that tests own, where Debian's package is installed; stopped by its own process id."""

import shutil
import socket
import subprocess
from pathlib import Path

from ingestion.demo.state import free_ports

PASSWORD = "only-for-tests"
_PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/bin"
_START_S = 60.0


def program(name: str) -> str | None:
    """The path of one of the package's programs; None where it is not installed."""
    return shutil.which(name, path=_PROGRAMS)


class MariaDb:
    """A server on loopback with an account ``grounded``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the data folder, start, and return when it answers."""
        ready, temporary = self._folder / "init.sql", self._folder / "tmp"
        install, server = program("mariadb-install-db"), program("mariadbd")
        assert install is not None and server is not None
        user = self._folder.owner()
        temporary.mkdir()
        shutil.chown(temporary, user)
        # In a shared folder one that starts removes the temporary tables of another.
        own = ["--no-defaults", f"--datadir={self._folder / 'data'}", f"--tmpdir={temporary}",
               f"--user={user}"]  # fmt: skip
        made = subprocess.run(
            [install, *own, "--skip-test-db", "--auth-root-authentication-method=normal"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert made.returncode == 0, f"{made.stdout[-2_000:]}{made.stderr[-2_000:]}"
        ready.write_text(
            f"create user grounded@'127.0.0.1' identified by '{PASSWORD}';\n"
            "grant all on *.* to grounded@'127.0.0.1';\n",
            encoding="utf-8",
        )
        self._process = subprocess.Popen(
            [server, *own, f"--socket={self._folder / 'socket'}", "--bind-address=127.0.0.1",
             f"--port={self._port}", f"--init-file={ready}", "--max-allowed-packet=64M",
             f"--pid-file={self._folder / 'pid'}", "--innodb-log-file-size=256M",
             "--character-set-server=utf8mb4", "--default-time-zone=+05:00"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._until_it_answers()

    def stop(self) -> None:
        """Stop it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=_START_S)

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"mysql://grounded:{PASSWORD}@127.0.0.1:{self._port}/{database}?charset=utf8mb4"

    def _until_it_answers(self) -> None:
        assert self._process is not None
        # Without an interval of its own a refused connection returns at once, so the try repeats.
        for _ in range(int(_START_S * 20)):
            assert self._process.poll() is None, "mariadbd ended while it started"
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
                    return
            except OSError:
                try:
                    self._process.wait(timeout=0.05)
                except subprocess.TimeoutExpired:
                    continue
        raise TimeoutError("mariadbd did not answer in time")
