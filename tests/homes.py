"""Living copies of a home after its first run, which takes longer than most tests."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion.demo import down, up
from ingestion.demo.state import Layout, free_ports, load, save
from tests.servers import server_folder

_CHANGED = ("GROUNDED_HOME", "DAGSTER_HOME", "DBT_ENV_SECRET_PRIVACY_KEY", "ERASURE__KEY")


@contextmanager
def environment_put_back() -> Iterator[pytest.MonkeyPatch]:
    """Give back what a run sets in the environment of its process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGED:
            patch.setenv(name, "")
        patch.delenv("GROUNDED_PRIVACY_KEY", raising=False)
        yield patch


def copy_home(home: Path, to: Path) -> None:
    """Copy all of it with its owners, which a database insists on, and its hard links."""
    subprocess.run(["cp", "-a", f"{home}/.", f"{to}/"], check=True)


@contextmanager
def home_of(first_run: Path) -> Iterator[Path]:
    """A copy with upstreams of its own, up, in a folder that their accounts can enter."""
    with server_folder() as home:
        copy_home(first_run, home)
        layout = Layout.of(home)
        state = load(layout)
        assert state is not None
        shop, helpdesk = free_ports(2)
        save(layout, state.model_copy(update={"shop_port": shop, "helpdesk_port": helpdesk}))
        up(home)
        try:
            yield home
        finally:
            down(home)
