"""The database of the tests of ingestion, and the folder of the tests of files."""

from tests.files.conftest import folder
from tests.ingestion.conftest import database, declare, server

__all__ = ["database", "declare", "folder", "server"]
