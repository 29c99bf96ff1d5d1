"""A server of each PostgreSQL that is promised, beside the 18 that all other tests run on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.ingestion.conftest import declare, raw
from tests.log_capture.conftest import captured, database, plain_database
from tests.log_capture.test_rights import reader
from tests.servers import Postgres, programs, server_folder

__all__ = ["captured", "database", "declare", "plain_database", "raw", "reader"]

ALL = [
    pytest.param(version, marks=pytest.mark.postgres_versions, id=f"PostgreSQL {version}")
    for version in (15, 16, 17)
]


@pytest.fixture(scope="session", params=ALL)
def server(request: Any) -> Iterator[Postgres]:
    """A PostgreSQL of one version."""
    found = programs(request.param)
    if found is None:
        pytest.skip(f"PostgreSQL {request.param} is not installed; .ci/run installs it")
    with server_folder() as folder:
        running = Postgres(folder, found)
        running.start()
        yield running
        running.stop()
