"""What a role needs, how it is told, and the proof that it cannot write."""

from collections.abc import Iterator

import pytest

from ingestion.errors import SourceFailed
from ingestion.log_capture import check_source
from ingestion.spec import SqlDatabaseSource
from tests.log_capture.conftest import Database, Declare, of_items

CREATE = "create table items (id bigint primary key, name text)"
ROLE = "grounded_test_reader"


@pytest.fixture
def reader(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database, of which ``SOURCES__OWN__URL`` names a role with no rights yet."""
    database.execute(f"create role {ROLE} login password 'p'")
    host = database.url.rpartition("@")[2]
    monkeypatch.setenv("SOURCES__OWN__URL", f"postgresql://{ROLE}:p@{host}")
    yield database
    database.execute(f"drop owned by {ROLE}", f"drop role {ROLE}")


def test_the_grants_that_the_check_prints_are_all_that_a_load_needs(
    reader: Database, declare: Declare
) -> None:
    spec = declare(of_items())
    assert isinstance(spec, SqlDatabaseSource)
    reader.execute(CREATE, "insert into items values (1, 'a')")
    told = check_source("own", spec, reader.home)
    assert told.role == ROLE and told.wal_level == "logical" and told.slot is None
    assert "our role may not read items" in told.faults
    reader.execute(*told.grants)
    assert check_source("own", spec, reader.home).faults == []
    reader.load(spec)
    reader.execute("update items set name = 'b'")
    reader.load(spec)
    assert reader.raw("select id, name from own.items") == [(1, "b")]
    after = check_source("own", spec, reader.home)
    assert after.faults == [] and all(after.writing_refused.values())
    assert after.slot is not None and after.slot.wal_status == "reserved"
    assert after.slot.lag_seconds is not None and after.watermark is not None


@pytest.mark.parametrize(
    ("right", "told"),
    [("insert", "insert into items"), ("update", "update items"), ("delete", "delete from items")],
)
def test_a_role_that_could_write_is_a_fault(
    reader: Database, declare: Declare, right: str, told: str
) -> None:
    spec = declare(of_items())
    assert isinstance(spec, SqlDatabaseSource)
    reader.execute(CREATE, "insert into items values (1, 'a')")
    reader.execute(*check_source("own", spec, reader.home).grants)
    reader.execute(f"grant {right} on items to {ROLE}")
    found = check_source("own", spec, reader.home)
    assert [write for write, refused in found.writing_refused.items() if not refused] == [told]
    assert any(told in fault for fault in found.faults)
    assert reader.ask("select id, name from items") == [(1, "a")]


def test_a_superuser_is_told_to_make_a_reader(database: Database, declare: Declare) -> None:
    spec = declare(of_items())
    assert isinstance(spec, SqlDatabaseSource)
    database.execute(CREATE)
    found = check_source("own", spec, database.home)
    assert found.grants[0].startswith('create role "grounded_reader"')
    assert not any(found.writing_refused.values())
    assert database.ask("select to_regclass('grounded_probe')") == [(None,)]


def test_a_cursor_needs_no_slot(reader: Database, declare: Declare) -> None:
    spec = declare({**of_items(), "capture": "cursor"})
    assert isinstance(spec, SqlDatabaseSource)
    reader.execute(CREATE)
    told = check_source("own", spec, reader.home)
    assert not any("replication" in grant or "publication" in grant for grant in told.grants)
    reader.execute(*told.grants)
    assert check_source("own", spec, reader.home).faults == []


def test_a_publication_that_we_may_not_make_is_told_as_sql(
    reader: Database, declare: Declare
) -> None:
    reader.execute(CREATE, f"grant select on items to {ROLE}", f"alter role {ROLE} replication")
    with pytest.raises(SourceFailed, match='create publication "grounded_own" for table') as told:
        reader.load(declare(of_items()))
    reader.execute(str(told.value).partition("owner of the tables: ")[2].partition(";")[0])
    reader.load(declare(of_items()))
    assert reader.raw("select count(*) from own.items") == [(0,)]


def test_a_role_without_replication_is_told_as_sql(reader: Database, declare: Declare) -> None:
    reader.execute(
        CREATE,
        f"grant select on items to {ROLE}",
        "create publication grounded_own for table items",
    )
    with pytest.raises(SourceFailed, match=f'alter role "{ROLE}" replication'):
        reader.load(declare(of_items()))


@pytest.mark.parametrize(
    "identity",
    [
        "create table items (id bigint, name text)",
        f"{CREATE}; alter table items replica identity nothing",
    ],
)
def test_a_table_whose_deletes_would_not_be_told_is_refused_with_the_remedy(
    database: Database, declare: Declare, identity: str
) -> None:
    database.execute(*identity.split("; "))
    with pytest.raises(SourceFailed, match="alter table .* replica identity full") as told:
        database.load(declare(of_items()))
    assert "add primary key" in str(told.value)
    assert database.ask(
        "select count(*) from pg_replication_slots where database = current_database()"
    ) == [(0,)]


def test_a_server_that_is_down_is_told_without_its_password(
    database: Database, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__OWN__URL", "postgresql://me:hunter2@127.0.0.1:1/shop")
    spec = declare(of_items())
    assert isinstance(spec, SqlDatabaseSource)
    for ask in (lambda: database.load(spec), lambda: check_source("own", spec, database.home)):
        with pytest.raises(SourceFailed, match="cannot be reached") as told:
            ask()
        assert "hunter2" not in str(told.value)
