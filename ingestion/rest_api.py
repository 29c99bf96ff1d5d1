"""Sources of kind ``rest_api``, on dlt's REST client and paginators.

Reading.pages -> quarantine -> Progress (cursor, checkpoint) -> stamp -> raw table
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource
from dlt.sources.helpers.rest_client.client import RESTClient

from ingestion.batch import DELETED_AT, LOADED_AT, Batch
from ingestion.connection import Connection
from ingestion.http.adapter import PatientAdapter, Policy
from ingestion.http.auth import ClientCredentials, build_auth
from ingestion.http.pages import Endpoint, Reading, Row
from ingestion.http.progress import Progress
from ingestion.http.rate_limit import RateLimit
from ingestion.http.session import ApiSession
from ingestion.http.single_rows import single_rows
from ingestion.http.timing import Timing, system_timing
from ingestion.quarantine import setting_aside
from ingestion.row_model import DLT_TYPES, RowModel
from ingestion.spec import RestApiSource, RestTableSpec


def rest_resources(
    spec: RestApiSource,
    connection: Connection,
    batch: Batch,
    home: Path,
    told: Callable[[str], None],
) -> list[DltResource]:
    """Return one dlt resource an endpoint; nothing is requested yet."""
    client, adapter = open_client(spec, connection, batch.source, home, told)
    batch.http = adapter.report
    return [_endpoint(name, table, spec, client, batch) for name, table in spec.tables.items()]


def open_client(
    spec: RestApiSource,
    connection: Connection,
    source: str,
    home: Path,
    told: Callable[[str], None],
    timing: Timing | None = None,
) -> tuple[RESTClient, PatientAdapter]:
    """Return dlt's client over our session, and the adapter that all its requests go through."""
    timing = timing or system_timing()
    adapter = PatientAdapter(
        _policy(spec, timing), breakers=home / "dlt" / "breakers", timing=timing, told=told
    )
    timeout_s = spec.timeout.total_seconds()
    base_url = connection.url.get_secret_value()
    token_url = spec.auth.token_url
    tokens = ApiSession(token_url, adapter, timeout_s=timeout_s) if token_url else None
    auth = build_auth(spec.auth, source, connection, tokens)
    session = ApiSession(
        base_url,
        adapter,
        timeout_s=timeout_s,
        redirect_hosts=spec.redirect_hosts,
        key_parameter=spec.auth.name if spec.auth.location == "query" else None,
    )
    if isinstance(auth, ClientCredentials):
        session.renew = auth.renew
    return RESTClient(base_url=base_url, auth=auth, session=session), adapter


def endpoint_of(
    name: str, table: RestTableSpec, spec: RestApiSource, since: dict[str, str]
) -> Endpoint:
    """Return what is asked for a table's rows."""
    return Endpoint(
        what=f"the listing of {name} at {table.path}",
        path=table.path,
        data=table.data,
        params={**table.params, **since},
        paginator=spec.paginator,
        completeness=spec.completeness_of(table),
    )


def _policy(spec: RestApiSource, timing: Timing) -> Policy:
    declared = spec.rate_limit
    return Policy(
        timeout_s=spec.timeout.total_seconds(),
        max_wait_s=spec.max_wait.total_seconds(),
        max_bytes=spec.max_response_mb * 1024 * 1024,
        rate_limit=RateLimit(declared.calls, declared.per, timing) if declared else None,
    )


def _endpoint(
    name: str, table: RestTableSpec, spec: RestApiSource, client: RESTClient, batch: Batch
) -> DltResource:
    model = RowModel(table.row, table.primary_key)
    set_aside = setting_aside(batch, name)

    def rows() -> Iterator[list[Row]]:
        chosen = batch.selection.get(name)
        if chosen is not None and chosen.keys is not None and table.row_path is not None:
            found = single_rows(client, table, chosen.keys)
            if found:
                batch.read[name] += len(found)
                checked = [
                    model.check(row, set_aside) for row in _wanted(found, name, table, batch)
                ]
                yield batch.stamp_rows([row for row in checked if row is not None])
                return
        is_anew = batch.begin(name)
        progress = Progress(table, dlt.current.resource_state(name), batch.started_at)
        is_chosen = name in batch.selection
        since = {} if is_chosen else progress.since()
        endpoint = endpoint_of(name, table, spec, since)
        reading = Reading(client, endpoint, _identify(table, model))
        for page in reading.pages():
            batch.read[name] += len(page)
            page = _wanted(page, name, table, batch)
            checked = [model.check(row, set_aside) for row in page]
            good = [row for row in checked if row is not None]
            progress.saw(good, reading.began)
            yield batch.stamp_rows(good)
            if progress.can_pause and not is_chosen and not is_anew:
                reading.pause_after(table.checkpoint_pages)
        _conclude(name, table, batch, progress, reading)

    columns: Any = {field: {"data_type": DLT_TYPES[kind.type]} for field, kind in table.row.items()}
    columns |= {LOADED_AT: {"data_type": "timestamp"}, DELETED_AT: {"data_type": "timestamp"}}
    if table.cursor is not None:
        # A row that changes while the pages are read comes twice; the later version stays.
        columns[table.cursor.column]["dedup_sort"] = "desc"
    return dlt.resource(
        rows,
        name=name,
        write_disposition="merge",
        primary_key=table.primary_key,
        columns=columns,
        max_table_nesting=0,
        # As SQL text, dlt's default, a NUL byte would be lost without a word.
        file_format="parquet",
    )


def _conclude(
    name: str, table: RestTableSpec, batch: Batch, progress: Progress, reading: Reading
) -> None:
    """Move the table's cursor, as far as its listing was read; chosen rows move none."""
    if table.cursor is None or batch.reads_all(name) or name in batch.anew:
        batch.whole.add(name)
    if name in batch.selection:
        return
    if reading.ended:
        batch.watermarks[name] = progress.end()
    else:
        progress.pause()
        batch.unfinished.add(name)


def _wanted(page: list[Row], name: str, table: RestTableSpec, batch: Batch) -> list[Row]:
    """Return the page's rows that this load is about, and tell which keys the source has."""
    keys = [tuple(str(row.get(column)) for column in table.primary_key) for row in page]
    if table.cursor is None or name in batch.selection or name in batch.anew:
        texts = {
            column: pa.array([key[index] for key in keys], pa.string())
            for index, column in enumerate(table.primary_key)
        }
        batch.see(name, pa.table(texts))
    chosen = batch.selection.get(name)
    if chosen is None or chosen.keys is None:
        return page
    asked = set(chosen.keys)
    return [row for row, key in zip(page, keys, strict=True) if key in asked]


def _identify(table: RestTableSpec, model: RowModel) -> Callable[[Row], tuple[str, str]]:
    column = table.cursor.column if table.cursor is not None else None

    def identify(row: Row) -> tuple[str, str]:
        return model.key_of(row), "" if column is None else str(row.get(column))

    return identify
