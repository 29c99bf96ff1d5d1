"""The databases of the tests of other databases, to compare with raw."""

from tests.other_databases.conftest import servers, source

__all__ = ["servers", "source"]
