"""Whether a source has something new: a look that takes milliseconds and reads no row.

log: is a change in the slot; cursor: the highest value and how many rows have it; files: their
names, sizes and times. A look may miss what a load finds (a late commit, a delete that no cursor
sees), so that whoever looks also loads from time to time.
"""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from ingestion.connection import connect, reads_home
from ingestion.databases import open_engine
from ingestion.faults import explain
from ingestion.file_listing import is_settled, list_files
from ingestion.log_capture.slot import Live, open_connection
from ingestion.spec import FilesSource, RestApiSource, SourceSpec, SqlDatabaseSource
from ingestion.status import still_served

_NEW_CHANGE = """
select 1 from pg_logical_slot_peek_binary_changes(
    %s, null, 1, 'proto_version', '1', 'publication_names', %s
) limit 1
"""


class News(Protocol):
    """Looks at one source again and again."""

    every_s: float
    """How often a look is worth its cost."""

    def look(self) -> bool:
        """Say whether something may be new since the last look; the first always says so."""

    def close(self) -> None:
        """Let go of connections."""


def news_of(name: str, spec: SourceSpec, home: Path) -> News | None:
    """Return what looks at a source; None for an API, which has to be asked for its rows.

    None too for what we write ourselves: each answer would be news in the audit log. The errors of
    a look are SourceFailed and MissingSecret, as those of a load.
    """
    is_ours = reads_home(spec)
    if isinstance(spec, RestApiSource) or is_ours:
        return None
    secret = connect(name, spec, home).url
    url = secret.get_secret_value()
    if isinstance(spec, FilesSource):
        return _Told(_FileNews(spec, Path(url)), name, secret, home)
    if spec.capture == "log":
        slot = spec.slot or f"grounded_{name}"
        publication = spec.publication or f"grounded_{name}"
        return _Told(_LogNews(url, slot, publication), name, secret, home)
    return _Told(_CursorNews(spec, url), name, secret, home)


class _Told:
    """Tells errors as a load does: by kinds and names, never by what a driver quotes."""

    def __init__(self, news: News, name: str, url: SecretStr, home: Path) -> None:
        self._news, self._name, self._url, self._home = news, name, url, home
        self.every_s = news.every_s

    def look(self) -> bool:
        try:
            return self._news.look()
        except Exception as error:  # noqa: BLE001
            self.close()
            served = still_served(self._home, self._name)
            raise explain(self._name, self._url, error, served) from None

    def close(self) -> None:
        self._news.close()


class _LogNews:
    every_s = 0.1

    def __init__(self, url: str, slot: str, publication: str) -> None:
        self._url, self._slot, self._publication = url, slot, publication
        self._live: Live | None = None

    def look(self) -> bool:
        if self._live is None:
            self._live = open_connection(self._url)
        try:
            found = self._live.execute(_NEW_CHANGE, [self._slot, self._publication]).fetchone()
        except (psycopg.errors.UndefinedObject, psycopg.errors.ObjectNotInPrerequisiteState):
            # No slot or publication yet, or a lost one: the load makes it, or says what is wrong.
            return True
        except psycopg.errors.ObjectInUse:
            # A load under way reads it; what comes after that load is seen by the next look.
            return False
        return found is not None

    def close(self) -> None:
        if self._live is not None:
            with suppress(psycopg.Error):
                self._live.close()
        self._live = None


class _CursorNews:
    every_s = 1.0

    def __init__(self, spec: SqlDatabaseSource, url: str) -> None:
        self._spec = spec
        self._engine = open_engine(url)
        self._seen: dict[str, object] = {}

    def look(self) -> bool:
        now = {}
        with self._engine.connect() as live:
            for name, table in self._spec.tables.items():
                if table.cursor is not None:
                    column: sa.ColumnClause[object] = sa.column(table.cursor.column)
                    rows = sa.table(table.source_table or name, column, schema=self._spec.db_schema)
                    highest = sa.select(sa.func.max(column)).select_from(rows).scalar_subquery()
                    ties = sa.select(highest, sa.func.count()).select_from(rows)
                    now[name] = tuple(live.execute(ties.where(column == highest)).one())
        is_new, self._seen = now != self._seen, dict(now)
        return is_new

    def close(self) -> None:
        self._engine.dispose()


class _FileNews:
    every_s = 1.0

    def __init__(self, spec: FilesSource, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._seen: object = None

    def look(self) -> bool:
        if not self._folder.is_dir():
            return self._seen is None
        present = datetime.now(UTC)
        now = {
            name: [
                (file.path, file.size, file.modified_ns, is_settled(file, table.settle, present))
                for file in list_files(self._folder, table.glob)
            ]
            for name, table in self._spec.tables.items()
        }
        is_new, self._seen = now != self._seen, now
        return is_new

    def close(self) -> None:
        """Nothing is held."""
