"""Opens a database by its address, of whatever kind SQLAlchemy knows."""

from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc as sa_exc
from dlt.sources.sql_database import remove_nullability_adapter
from sqlalchemy.dialects import mysql

from ingestion.errors import MissingDriver
from ingestion.postgres_types import session_options

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PACKAGES = {
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "mssql": "pyodbc",
    "oracle": "oracledb",
    "snowflake": "snowflake-sqlalchemy",
    "duckdb": "duckdb-engine",
}
# DuckDB's DECIMAL ends at 38 digits; a longer one is loaded as its text.
_DECIMAL_DIGITS = 38


def open_engine(url: str) -> sa.Engine:
    """Return an engine of one connection at a time; MissingDriver has the command to type."""
    parsed = sa.make_url(url)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    kind = parsed.get_backend_name()
    try:
        engine = sa.create_engine(_as_utc(parsed), poolclass=sa.NullPool)
    except (sa_exc.NoSuchModuleError, ModuleNotFoundError) as error:
        package = _PACKAGES.get(kind, f"<SQLAlchemy's driver for {kind}>")
        raise MissingDriver(
            f"no driver for {parsed.drivername} is installed; type `pip install {package}`"
        ) from error
    if kind in ("mysql", "mariadb"):
        sa.event.listen(engine, "connect", _speak_utc)
    return engine


def readable(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    """Return the query with every column in a form that Arrow and DuckDB can hold."""
    if all(_as_text(column) is None for column in table.columns):
        return query
    return query.with_only_columns(
        *(cast if (cast := _as_text(column)) is not None else column for column in table.columns)
    )


def loadable(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type that dlt is told of a column: the source's own where raw can hold it."""
    if isinstance(kind, sa.Numeric) and (kind.precision or 0) > _DECIMAL_DIGITS:
        return sa.Text()
    return sa.BigInteger() if isinstance(kind, mysql.YEAR) else kind


def as_declared(table: sa.Table) -> None:
    """Let every column be NULL, as in a tombstone, and a floating number be no decimal."""
    remove_nullability_adapter(table)
    for column in table.columns:
        if isinstance(column.type, sa.Float):
            column.type = sa.Double()


def naive_instants(table: sa.Table) -> dict[str, Any]:
    """What raw must know of a database's instants: one without a zone is not one in UTC."""
    return {
        column.name: {"data_type": "timestamp", "timezone": False}
        for column in table.columns
        if isinstance(column.type, sa.DateTime) and not column.type.timezone
    }


def _as_text(column: sa.Column[Any]) -> sa.ColumnElement[Any] | None:
    if isinstance(column.type, sa.Numeric) and (column.type.precision or 0) > _DECIMAL_DIGITS:
        return sa.cast(column, sa.CHAR).label(column.name)
    return None


def _as_utc(url: sa.URL) -> sa.URL:
    """PostgreSQL prints values by its session's settings; psycopg reads dates in one style only."""
    if url.get_backend_name() != "postgresql":
        return url
    given = url.query.get("options")
    options = f"{given} {session_options()}" if isinstance(given, str) else session_options()
    return url.update_query_dict({"options": options})


def _speak_utc(connection: Any, _record: object) -> None:
    """MySQL shows a TIMESTAMP in the session's zone; raw holds it in UTC."""
    cursor: Any = connection.cursor()
    cursor.execute("set time_zone = '+00:00'")
    cursor.close()
