"""Each kind of artefact with a value planted in it: the scan sees it, and a clean one is clean."""

import base64
import gzip
import json
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
import lancedb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.leak_scan.report import WITHHELD, ScanReport
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Rows, Target, home_targets
from serving.leak_scan.values import PersonalValues, of

NAME = "Zoë Quokkasdóttir"
EMAIL = "zoe.quokka@example.org"
PHONE = "+44 20 7946 0958"
STREET = "17 Wombat Crescent"
VALUES = of(
    [
        ("shop.customers.full_name", "name", NAME),
        ("shop.customers.email", "email", EMAIL),
        ("shop.customers.phone", "phone", PHONE),
        ("shop.customers.street", "address", STREET),
        ("shop.customers.nickname", "name", "Ana"),
        ("shop.customers.postcode", "address", "90210"),
        ("shop.customers.birth_date", "birth_date", "1984-02-29"),
        ("shop.customers.id", "identifier", "42"),
        ("shop.customers.passport", "identifier", "X1234567"),
        ("shop.customers.pin", "secret", "hunter22"),
    ]
)
SECRET = b"0123456789abcdef-not-a-real-key!"


def found(path: Path, values: PersonalValues = VALUES, **options: object) -> ScanReport:
    """Scan one file or folder for values alone."""
    return scan([Target(path, "t")], values, patterns=False, **options)  # type: ignore[arg-type]


def classes(report: ScanReport) -> set[str]:
    return {privacy for _, privacy in report.counts}


def in_text(path: Path, text: str) -> None:
    path.write_text(f"2026-01-01 INFO wrote {text}, done\n", encoding="utf-8")


def log_of(folder: Path, text: str) -> Path:
    path = folder / "a.log"
    path.write_text(text, encoding="utf-8")
    return path


def in_utf16(path: Path, text: str) -> None:
    path.write_bytes(f"wrote {text}, done".encode("utf-16-le"))


def in_json_escaped(path: Path, text: str) -> None:
    path.write_text(json.dumps({"message": f"wrote\n{text}"}), encoding="ascii")


def in_jsonl_twice_escaped(path: Path, text: str) -> None:
    path.write_text(json.dumps({"body": json.dumps({"x": text})}) + "\n" * 2, encoding="ascii")


def in_percent_encoding(path: Path, text: str) -> None:
    path.write_text(f"GET /search?q={quote(text)} 200\n", encoding="ascii")


def in_base64(path: Path, text: str) -> None:
    token = base64.b64encode(f"user {text} and more".encode()).decode()
    path.write_text(f"Authorization: Basic {token}\n", encoding="ascii")


def in_hex(path: Path, text: str) -> None:
    path.write_text(f"payload {text.encode().hex()}\n", encoding="ascii")


def in_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(f"insert into t values ('{text}')".encode()))


def in_zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", f"id,text\n1,{text}\n")


def in_pickle(path: Path, text: str) -> None:
    path.write_bytes(b"\x80" + pickle.dumps({"trace": [text]}))


def in_msgpack(path: Path, text: str) -> None:
    raw = text.encode()
    path.write_bytes(b"\x92\xc0\xd9" + bytes([len(raw)]) + raw + b"\xa1x")


def in_parquet(path: Path, text: str) -> None:
    texts = [f"row {number} of many" for number in range(20_000)]
    texts[12_345] = f"see {text}."
    pq.write_table(pa.table({"text": texts}), path, compression="zstd")


def in_parquet_struct(path: Path, text: str) -> None:
    pq.write_table(pa.table({"t": [{"deep": [{"er": text}]}]}), path, compression="zstd")


def in_arrow(path: Path, text: str) -> None:
    table = pa.table({"t": [f"see {text}"]})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def in_duckdb(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table t as select i as id, 'row ' || i || ' of many texts' as body "
            "from range(200000) r(i)"
        )
        connection.execute("update t set body = 'see ' || ? || '.' where id = 123456", [text])
        connection.execute("checkpoint")


def in_duckdb_nested(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select [{'k': map {'a': ?}}] as x", [text])


def in_duckdb_comment(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t (a integer)")
        connection.execute(f"comment on column t.a is 'ask {text}'")


def in_duckdb_column_name(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'create table t ("{text}" integer)')


def in_sqlite(path: Path, text: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table events (id integer primary key, event text)")
        event = json.dumps({"event": {"error": f"Could not cast {text} to DATE"}})
        connection.execute("insert into events values (1, ?)", [event])
    connection.close()


def in_sqlite_blob(path: Path, text: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (b blob)")
        connection.execute("insert into t values (?)", [f"x {text} y".encode()])
    connection.close()


def in_sqlite_log(path: Path, text: str) -> None:
    """A row that only the write-ahead log holds."""
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table t (b text)")
    connection.execute("insert into t values (?)", [text])
    connection.commit()
    wal = path.with_name(path.name + "-wal")
    kept = wal.read_bytes()
    connection.close()
    wal.write_bytes(kept)


def in_lance(path: Path, text: str) -> None:
    path.mkdir()
    rows = [{"key_text": str(number), "title": f"title {number}"} for number in range(2_000)]
    rows[1_500]["title"] = f"about {text}"
    lancedb.connect(path).create_table("docs", rows)


def in_lance_struct(path: Path, text: str) -> None:
    path.mkdir()
    rows = [{"key_text": "1", "meta": {"tags": ["x", text]}}]
    lancedb.connect(path).create_table("docs", rows)


def in_an_old_lance_version(path: Path, text: str) -> None:
    in_lance(path, text)
    lancedb.connect(path).open_table("docs").delete("key_text = '1500'")


ARTEFACTS: list[Callable[[Path, str], None]] = [
    in_text,
    in_utf16,
    in_json_escaped,
    in_jsonl_twice_escaped,
    in_percent_encoding,
    in_base64,
    in_hex,
    in_gzip,
    in_zip,
    in_pickle,
    in_msgpack,
    in_parquet,
    in_parquet_struct,
    in_arrow,
    in_duckdb,
    in_duckdb_nested,
    in_duckdb_comment,
    in_duckdb_column_name,
    in_sqlite,
    in_sqlite_blob,
    in_sqlite_log,
    in_lance,
    in_lance_struct,
    in_an_old_lance_version,
]
UTF16_ONLY_ASCII = {in_utf16}


@pytest.mark.parametrize("plant", ARTEFACTS)
@pytest.mark.parametrize(
    ("privacy", "value"), [("name", NAME), ("email", EMAIL), ("phone", PHONE), ("address", STREET)]
)
def test_a_planted_value_is_found_in_every_kind_of_artefact(
    tmp_path: Path, plant: Callable[[Path, str], None], privacy: str, value: str
) -> None:
    if plant in UTF16_ONLY_ASCII and not value.isascii():
        value = "Zoe Quokkasdottir"
    path = tmp_path / "artefact"
    plant(path, value)
    report = found(path)
    assert classes(report) == {privacy}
    assert report.unread == ()
    assert value not in str(report) and value not in json.dumps(report.as_json())


@pytest.mark.parametrize("plant", ARTEFACTS)
def test_the_same_artefact_without_a_value_is_clean(
    tmp_path: Path, plant: Callable[[Path, str], None]
) -> None:
    path = tmp_path / "artefact"
    plant(path, "nobody in particular")
    report = found(path)
    assert report.is_clean, report.hits


@pytest.mark.parametrize(
    ("privacy", "text"),
    [
        ("name", "zoe QUOKKASDOTTIR wrote"),
        ("name", "Quokkasdóttir, Zoë"),
        ("name", "“Zoë Quokkasdóttir”"),
        ("name", "Zoe\u0308 Quokkasdo\u0301ttir"),
        ("name", "Zoë\u00a0Quokkasdóttir"),
        ("name", "zoequokkasdottir"),
        ("email", "<mailto:ZOE.QUOKKA@EXAMPLE.ORG>"),
        ("phone", "call 020 7946 0958 now"),
        ("phone", "00442079460958"),
        ("phone", "442079460958"),
        ("phone", "+44 (0)20-7946-0958"),
        ("phone", "tel:+442079460958;ext=2"),
        ("phone", "call +442079460958now"),
        ("phone", "call_442079460958.wav"),
        ("phone", "[2079460958now]"),
        ("address", "at 17, Wombat Crescent."),
        ("identifier", "passport x1234567,"),
        ("secret", "password=hunter22"),
    ],
)
def test_a_spelling_of_a_value_is_found_in_a_text(tmp_path: Path, privacy: str, text: str) -> None:
    report = found(log_of(tmp_path, f"first line\n{text}\n"))
    assert classes(report) == {privacy}
    assert {hit.row_key for hit in report.hits} == {"line 2"}


@pytest.mark.parametrize(
    "text",
    [
        "managed by Anabel, banana",
        "an order of 90210 pieces on 1984-02-29",
        "order 42",
        "zoe quokkas dottirs",
        "xzoe.quokka@example.orgs",
        "117 Wombat Crescent and 17 Wombat Crescents",
        "9442079460958123",
        "c442079460958d",
        "eml_442079460958d0f1",
        "cus_2079460958e7c3",
        "passport X12345678",
        "hunter222",
        "Zoë. Then Quokka, dóttir",
    ],
)
def test_what_only_contains_a_values_letters_is_not_a_hit(tmp_path: Path, text: str) -> None:
    assert found(log_of(tmp_path, text)).is_clean


CALLABLE = of(
    [
        ("shop.customers.phone", "phone", "+49 30 00012300"),
        ("shop.customers.phone", "phone", "(202) 612-2623"),
    ]
)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "varchar"])
def test_the_digits_of_an_instant_are_nobodys_number(tmp_path: Path, kind: str) -> None:
    instants = ["2026-11-26 23:25:30.000123+00", "2026-12-26 23:59:59.999999+00"]
    assert found(cells(tmp_path / "t.duckdb", kind, instants), CALLABLE).is_clean
    texts = [
        *instants,
        "2026-12-26T23:00Z",
        "2026-12-26 23:25:01",
        "2026-11-26 23:25:30.000123+0000",
    ]
    lines = "\n".join(f"INFO {text} done" for text in texts)
    assert found(log_of(tmp_path, lines), CALLABLE).is_clean


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-26 23:25 202-612-2623",
        "2026-12-26 202-612-2623",
        "2026-11-26 23:25 +493000012300",
        "23:25:30.000123+00",
        "2026-12-26 23 calls",
    ],
)
def test_a_number_beside_a_date_or_a_time_is_found(tmp_path: Path, text: str) -> None:
    assert classes(found(log_of(tmp_path, text), CALLABLE)) == {"phone"}


def cells(path: Path, kind: str, values: list[str]) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table t (c {kind})")
        connection.executemany("insert into t values (?)", [[value] for value in values])
    return path


@pytest.mark.parametrize(
    ("kind", "value", "privacy"),
    [
        ("varchar", " ANA ", "name"),
        ("varchar", "90210", "address"),
        ("varchar", "1984-02-29", "birth_date"),
        ("date", "1984-02-29", "birth_date"),
        ("timestamp", "1984-02-29 00:00:00", "birth_date"),
        ("varchar", "29/02/1984", "birth_date"),
        ("bigint", "442079460958", "phone"),
        ("varchar[]", "[x, Ana]", "name"),
        ("json", '{"a": {"b": "Ana"}}', "name"),
        ("varchar", '{"a": NaN, "b": "Ana"}', "name"),
        ("varchar", '{"a": "\\ud800", "b": "Ana"}', "name"),
    ],
)
def test_a_short_value_is_found_as_a_whole_cell(
    tmp_path: Path, kind: str, value: str, privacy: str
) -> None:
    assert classes(found(cells(tmp_path / "t.duckdb", kind, [value]))) == {privacy}


def test_a_number_of_any_length_is_read_as_it_is_written(tmp_path: Path) -> None:
    card = "4929123412341234" + "5678901"
    values = of([("shop.customers.card", "identifier", card)])
    path = cells(tmp_path / "t.duckdb", "varchar", [f'{{"card": {card}}}', f'{{"a": [{card}]}}'])
    report = found(path, values)
    assert {hit.column for hit in report.hits if hit.column != "(bytes)"} == {"card", "a"}


def test_an_encoded_value_is_told_each_time_that_it_comes(tmp_path: Path) -> None:
    token = base64.b64encode(f"to {EMAIL}, at last".encode()).decode()
    harmless = base64.b64encode(b"to nobody at all, at last").decode()
    for number in range(3):
        text = f"{harmless} {token} {harmless}\n{token}\n"
        (tmp_path / f"{number}.log").write_text(text, encoding="utf-8")
    report = found(tmp_path)
    assert sum(report.counts.values()) == 6


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("varchar", "902.10"),
        ("decimal(9,2)", "902.10"),
        ("integer", "42"),
        ("varchar", "Ana and co"),
    ],
)
def test_a_number_or_a_text_that_is_more_is_not_a_short_value(
    tmp_path: Path, kind: str, value: str
) -> None:
    assert found(cells(tmp_path / "t.duckdb", kind, [value])).is_clean


def test_a_value_is_found_across_the_places_where_a_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "big.log"
    for start in ((1 << 20) - 12, (1 << 20) - 1, 1 << 20, (2 << 20) - 30):
        path.write_bytes(b"." * start + f" {NAME} or {EMAIL} ".encode() + b"." * 4_000_000)
        report = found(path)
        assert report.counts == {("t: (bytes)", "name"): 1, ("t: (bytes)", "email"): 1}


@pytest.mark.parametrize("place", [0, 1_900, 2_100, 4_080, 4_096 + 3_000, 40_000, 99_000])
def test_a_value_anywhere_in_a_changed_page_of_a_copy_is_found(tmp_path: Path, place: int) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    same = bytes(range(256)) * 400
    for folder in (old, new):
        folder.mkdir()
        (folder / "layer").write_bytes(same)
    assert copied(old, new).is_clean
    value = f" {EMAIL} ".encode()
    (new / "layer").write_bytes(same[:place] + value + same[place + len(value) :])
    report = copied(old, new)
    assert report.counts == {("t/layer: (bytes)", "email"): 1}
    assert report.raw_bytes <= 2 * 4_096 + 400 * 256 % 4_096


def test_changed_pages_that_are_far_apart_are_each_searched_and_nothing_beside_them(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    same = bytes(range(256)) * 4_000
    for folder in (old, new):
        folder.mkdir()
        (folder / "layer").write_bytes(same)
    page, changed = 4_096, bytearray(same)

    def put(place: int, text: str) -> None:
        changed[place : place + len(text)] = text.encode()

    # What stands around a changed page is read with it, and was searched before.
    put(31 * page + 100, f" {EMAIL} ")
    (old / "layer").write_bytes(bytes(changed))
    put(30 * page, "another")
    put(100 * page, "another")
    (new / "layer").write_bytes(bytes(changed))
    assert copied(old, new).is_clean
    for place in (30 * page + 7, 100 * page + 7, 200 * page + 7):
        put(place, f" {EMAIL} ")
    (new / "layer").write_bytes(bytes(changed))
    report = copied(old, new)
    assert report.counts == {("t/layer: (bytes)", "email"): 3}
    told = sorted(int(hit.row_key.removeprefix("byte ")) // page for hit in report.hits)
    assert told == [30, 100, 200]


def copied(old: Path, new: Path) -> ScanReport:
    """Scan a copy of what was searched before."""
    rows = {"layer": Rows("v", "k", since=0)}
    return scan([Target(new, "t", rows=rows, searched=old)], VALUES, patterns=False)


def test_a_letter_before_a_cut_is_still_a_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "big.log"
    path.write_bytes(b"." * ((1 << 20) - 1) + b"x17 Wombat Crescent" + b"." * 100)
    assert found(path).is_clean


@pytest.mark.parametrize("form", [SECRET, SECRET.hex().encode(), base64.b64encode(SECRET)])
def test_a_key_is_found_in_every_form(tmp_path: Path, form: bytes) -> None:
    path = tmp_path / "query.sql"
    path.write_bytes(b"select '" + form + b"'")
    assert classes(found(path, keys={"privacy key": SECRET})) == {"key"}


def test_a_value_that_names_its_own_place_is_withheld(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table t as select '{NAME}' as \"{EMAIL}\"")
    report = found(path)
    assert {hit.column for hit in report.hits} == {WITHHELD, "(columns)", "(bytes)"}
    assert EMAIL not in str(report) and NAME not in str(report)


def test_a_torn_store_is_told_and_its_bytes_are_searched(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(b"SQLite format 3\0" + b"\x01" * 500 + EMAIL.encode() + b"\x02" * 500)
    report = found(path)
    assert report.unread == ("t",)
    assert classes(report) == {"email"}


def test_a_home_is_searched_whole_but_for_what_is_private(tmp_path: Path) -> None:
    for name in ("warehouse.duckdb", "secrets/privacy_key", "demo/shop.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        in_text(tmp_path / name, EMAIL)
    assert scan(home_targets(tmp_path), VALUES).is_clean
    places = ("audit/2026-01-01.jsonl", "dlt/shop/load/a.insert_values.gz", "dagster/event_log.db")
    for name in (*places, "dbt/build/run_results.json", "logs/run.log", "unheard-of"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        in_text(tmp_path / name, EMAIL)
        report = scan(home_targets(tmp_path), VALUES, patterns=False)
        assert {hit.file for hit in report.hits} == {name}
        (tmp_path / name).unlink()


def test_a_torn_archive_is_told_and_the_rest_is_searched(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 10_000)[:-12])
    in_text(tmp_path / "b.log", EMAIL)
    report = found(tmp_path)
    assert report.unread == ("t/a.gz",)
    assert {hit.file for hit in report.hits} == {"t/b.log"}


def test_a_files_name_is_searched_and_not_told(tmp_path: Path) -> None:
    in_text(tmp_path / f"mail to {EMAIL}.log", "nothing")
    report = found(tmp_path)
    assert {hit.file for hit in report.hits} == {WITHHELD}
    assert EMAIL not in str(report)
