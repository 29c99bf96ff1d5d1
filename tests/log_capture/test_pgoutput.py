"""The decoder reads back whatever a hand-written encoder of the protocol writes."""

import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.log_capture.columns import encode_row, text_columns
from ingestion.log_capture.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    NotPgoutput,
    Origin,
    Relation,
    RelationColumn,
    Row,
    Truncate,
    Type,
    Update,
    decode,
)

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
LSNS = st.integers(0, 2**64 - 1)
OIDS = st.integers(0, 2**32 - 1)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
INSTANTS = st.integers(-(10**15), 10**16).map(lambda us: EPOCH + timedelta(microseconds=us))
VALUES = st.one_of(st.none(), st.just(UNCHANGED), st.binary(max_size=40))
ROWS = st.lists(VALUES, max_size=12)
COLUMNS = st.builds(RelationColumn, NAMES, OIDS, st.integers(-1, 2**31 - 1), st.booleans())
MESSAGES = st.one_of(
    st.builds(Begin, LSNS, INSTANTS, OIDS),
    st.builds(Commit, LSNS, LSNS, INSTANTS),
    st.builds(Origin, LSNS, NAMES),
    st.builds(Relation, OIDS, NAMES, NAMES, st.sampled_from("dnfi"), st.lists(COLUMNS).map(tuple)),
    st.builds(Type, OIDS, NAMES, NAMES),
    st.builds(Insert, OIDS, ROWS),
    st.builds(Update, OIDS, st.one_of(st.none(), ROWS), ROWS),
    st.builds(Delete, OIDS, ROWS),
    st.builds(Truncate, st.lists(OIDS).map(tuple), st.integers(0, 3)),
    st.builds(LogicalMessage, st.booleans(), LSNS, NAMES, st.binary(max_size=50)),
)


def encode(message: Message, mark: bytes = b"K") -> bytes:
    """The bytes that PostgreSQL's own pgoutput writes for a message."""
    match message:
        case Begin(lsn, at, xid):
            return b"B" + struct.pack(">QqI", lsn, _us(at), xid)
        case Commit(lsn, end, at):
            return b"C" + struct.pack(">BQQq", 0, lsn, end, _us(at))
        case Origin(lsn, name):
            return b"O" + struct.pack(">Q", lsn) + _z(name)
        case Relation(oid, schema, name, identity, columns):
            head = b"R" + struct.pack(">I", oid) + _z(schema) + _z(name) + identity.encode()
            return head + struct.pack(">H", len(columns)) + b"".join(map(_column, columns))
        case Type(oid, schema, name):
            return b"Y" + struct.pack(">I", oid) + _z(schema) + _z(name)
        case Insert(oid, new):
            return b"I" + struct.pack(">I", oid) + b"N" + _row(new)
        case Update(oid, old, new):
            before = b"" if old is None else mark + _row(old)
            return b"U" + struct.pack(">I", oid) + before + b"N" + _row(new)
        case Delete(oid, old):
            return b"D" + struct.pack(">I", oid) + mark + _row(old)
        case Truncate(oids, options):
            head = b"T" + struct.pack(">IB", len(oids), options)
            return head + b"".join(struct.pack(">I", oid) for oid in oids)
        case LogicalMessage(transactional, lsn, prefix, content):
            head = b"M" + struct.pack(">BQ", transactional, lsn) + _z(prefix)
            return head + struct.pack(">I", len(content)) + content


@given(message=MESSAGES, mark=st.sampled_from([b"K", b"O"]))
def test_every_message_is_read_back_as_it_was_written(message: Message, mark: bytes) -> None:
    assert decode(encode(message, mark)) == message


# The first draw alone takes over a second on a machine that is busy.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    width=st.integers(0, 6),
    data=st.data(),
)
def test_rows_by_column_are_the_rows_one_by_one(width: int, data: st.DataObject) -> None:
    texts = st.one_of(st.none(), st.just(UNCHANGED), st.text(max_size=9).map(str.encode))
    rows: list[Row] = data.draw(
        st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=20)
    )
    messages = [encode(Insert(7, row)) for row in rows]
    columns = text_columns(messages, [6] * len(rows), width)
    for place, (values, left_alone) in enumerate(columns):
        there = [None if row[place] in (None, UNCHANGED) else row[place] for row in rows]
        assert values.to_pylist() == [None if v is None else v.decode() for v in there]
        alone = [row[place] is UNCHANGED for row in rows]
        assert (left_alone is not None and left_alone.tolist() == alone) or not any(alone)


@given(row=ROWS)
def test_a_row_is_encoded_as_the_server_does(row: Row) -> None:
    assert encode_row(row) == _row(row)


@pytest.mark.parametrize("data", [b"", b"S123", b"b", b"\x00"])
def test_another_protocol_is_refused_by_its_first_letter(data: bytes) -> None:
    with pytest.raises(NotPgoutput, match="protocol 1"):
        decode(data)


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _z(text: str) -> bytes:
    return text.encode() + b"\0"


def _column(column: RelationColumn) -> bytes:
    return (
        bytes([column.is_key])
        + _z(column.name)
        + struct.pack(">Ii", column.type_oid, column.modifier)
    )


def _row(row: Row) -> bytes:
    out = struct.pack(">H", len(row))
    for value in row:
        if value is None:
            out += b"n"
        elif value is UNCHANGED:
            out += b"u"
        else:
            assert isinstance(value, bytes)
            out += b"t" + struct.pack(">I", len(value)) + value
    return out
