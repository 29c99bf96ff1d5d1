"""The index follows every change of its views: what is replaced, taken over, and written anew."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import lancedb
import pytest
from agreement import index_agrees
from small_warehouse import (
    HashEmbedder,
    change_warehouse,
    declarations,
    publish,
    write_warehouse,
)

from orchestration.checks import recall_low
from serving import index, index_table, snapshot
from serving.catalog import IndexInfo, SearchSpec
from serving.embedder import EmbedProgress, Vectors
from serving.index_recall import probes_and_recall
from serving.layout import VECTORS, building_folder
from serving.search import SearchIndex
from serving.vocabulary import count_words, read_words

TICKETS = "agent_tickets"
FILTERED = "agent_tickets.support_agent"


def info(home: Path) -> IndexInfo:
    found = snapshot.current(home)[1].index
    assert found is not None
    return found


def insert(home: Path, first: int, last: int) -> None:
    change_warehouse(
        home,
        "insert into agents.agent_tickets (ticket_id, subject, body, status, is_open) "
        f"select i, 'Ticket ' || i, 'parcel number ' || i || ' is late', 'open', true "
        f"from range({first}, {last}) as numbers(i)",
    )


def inodes(home: Path, table: str) -> set[int]:
    folder = snapshot.current(home)[0] / "index" / f"{table}.lance"
    return {path.stat().st_ino for path in folder.rglob("*.lance")}


def test_a_changed_row_is_replaced_in_a_linked_copy_and_alone_embedded(home: Path) -> None:
    insert(home, 100, 200)
    publish(home)
    before, first = inodes(home, TICKETS), snapshot.current_id(home)
    change_warehouse(
        home,
        "update agents.agent_tickets set body = 'a walrus on the roof' where ticket_id = 150",
        "delete from agents.agent_tickets where ticket_id = 151",
    )
    embedder = HashEmbedder()
    publish(home, embedder=embedder)
    assert embedder.embedded == ["Ticket 150\na walrus on the roof"]
    build = info(home).builds[TICKETS]
    assert (build.updates, build.removed, build.written_in) == (1, 2, first)
    assert before & inodes(home, TICKETS)
    assert found(home, "walrus") == [150]
    assert 151 not in found(home, "Ticket 151 parcel number")
    assert found(home, "walrus", first) == []


def test_a_table_of_which_a_tenth_changed_is_written_anew_and_says_so(home: Path) -> None:
    insert(home, 100, 120)
    publish(home)
    before = inodes(home, TICKETS)
    change_warehouse(home, "update agents.agent_tickets set body = 'x' where ticket_id < 115")
    second = publish(home)
    build = info(home).builds[TICKETS]
    assert (build.updates, build.removed, build.written_in) == (0, 0, second)
    assert "a tenth" in build.because
    assert not before & inodes(home, TICKETS)


def test_a_fresh_snapshot_shares_no_file_and_embeds_nothing(home: Path) -> None:
    publish(home)
    embedder = HashEmbedder()
    before = inodes(home, TICKETS)
    candidate = snapshot.export_views(home, declarations(), is_fresh=True)
    snapshot.build_index(candidate, declarations(), embedder, is_fresh=True)
    snapshot.promote(home, candidate)
    assert embedder.embedded == []
    assert not before & inodes(home, TICKETS)
    assert "no file" in info(home).builds[TICKETS].because


def test_other_search_columns_and_another_model_are_reasons_to_write_anew(home: Path) -> None:
    publish(home)
    changed = declarations()
    view = changed.views[TICKETS]
    search = SearchSpec(text=["body"], title="subject", filters=["status"])
    serve = view.serve.model_copy(update={"search": search})
    changed.views[TICKETS] = view.model_copy(update={"serve": serve})
    publish(home, changed)
    assert "search columns" in info(home).builds[TICKETS].because
    assert info(home).builds["agent_knowledge"].because == index.FIRST

    class Other(HashEmbedder):
        model = "other-64"

    other = Other()
    publish(home, changed, other)
    assert info(home).builds[TICKETS].because == "the model changed from words-64 to other-64"
    assert len(other.embedded) == len(set(other.embedded)) > 5


def test_equal_texts_are_embedded_once(home: Path) -> None:
    change_warehouse(home, "update agents.agent_tickets set subject = 'same', body = 'words'")
    embedder = HashEmbedder()
    publish(home, embedder=embedder)
    assert embedder.embedded.count("same\nwords") == 1


class Killed(BaseException):
    """Stands for the death of the process."""


class DyingEmbedder(HashEmbedder):
    """Dies at its third call."""

    calls = 0

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        self.calls += 1
        if self.calls == 3:
            raise Killed
        return super().embed(texts, on_progress)


def test_a_killed_build_does_not_embed_again_what_it_had(home: Path) -> None:
    insert(home, 100, 3_100)
    with pytest.raises(Killed):
        publish(home, embedder=DyingEmbedder())
    assert len(list((building_folder(home) / VECTORS).glob("*.npz"))) == 2
    embedder = HashEmbedder()
    publish(home, embedder=embedder)
    assert 1_000 < len(embedder.embedded) < 1_100
    assert not (building_folder(home) / VECTORS).exists()
    assert found(home, "Ticket 2900") == [2900]


def test_half_a_file_of_a_killed_build_is_passed_over(home: Path) -> None:
    folder = building_folder(home) / VECTORS
    folder.mkdir(parents=True)
    (folder / "0.npz").write_bytes(b"PK\x03\x04 cut short")
    publish(home)
    assert info(home).embedded > 5


def test_the_words_of_a_table_are_those_of_its_rows_after_updates(home: Path) -> None:
    insert(home, 100, 200)
    publish(home)
    change_warehouse(
        home,
        "update agents.agent_tickets set body = 'a walrus' where ticket_id = 150",
        "delete from agents.agent_tickets where ticket_id = 4",
    )
    publish(home)
    folder = snapshot.current(home)[0] / "index"
    for table in info(home).chunks:
        rows = lancedb.connect(folder).open_table(table).to_arrow()["terms"].to_pylist()
        assert read_words(folder / f"{table}.words") == count_words(rows)


@pytest.fixture
def many(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose tickets are more than are searched exactly."""
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 1_000)
    insert(home, 100, 3_000)
    publish(home)
    return home


def test_a_large_table_has_an_approximate_index_whose_recall_is_measured(many: Path) -> None:
    assert info(many).kinds == {
        "agent_knowledge": "exact", TICKETS: "IVF_FLAT", FILTERED: "IVF_FLAT"
    }  # fmt: skip
    build = info(many).builds[TICKETS]
    assert build.probes is not None
    assert 0.95 <= build.recall <= 1.0
    assert recall_low(snapshot.current(many)[1]).passed
    assert found(many, "Ticket 2900") == [2900]


def test_low_recall_fails_the_check_with_what_to_do(many: Path) -> None:
    catalog = snapshot.current(many)[1]
    builds = {TICKETS: info(many).builds[TICKETS].model_copy(update={"recall": 0.9})}
    low = catalog.model_copy(update={"index": info(many).model_copy(update={"builds": builds})})
    finding = recall_low(low)
    assert finding.blocks and "EXACT_UP_TO" in finding.problems[0]


def test_recall_is_below_one_where_the_index_lacks_rows(many: Path) -> None:
    table = lancedb.connect(snapshot.current(many)[0] / "index").open_table(TICKETS)
    matrix = table.to_arrow()["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 64)
    assert probes_and_recall(table, matrix)[1] >= 0.95
    closer = matrix + 0.05 * matrix[:1]
    assert probes_and_recall(table, closer)[1] < 0.95


def found(home: Path, query: str, snapshot_id: str | None = None) -> list[Any]:
    """The keys that the words find first, without those that have only some of them."""
    folder, catalog = (
        snapshot.open_snapshot(home, snapshot_id) if snapshot_id else snapshot.current(home)
    )
    assert catalog.index is not None
    asked = SearchIndex(folder / "index", catalog.index, HashEmbedder())
    tables = {TICKETS: catalog.views[TICKETS]}
    hits = asked.search(tables, query, filters={}, limit=50, mode="text")
    return [hit.key for hit in hits if hit.coverage == hits[0].coverage]


STEPS = 200


@pytest.mark.thorough
def test_index_and_views_agree_after_any_order_of_changes(tmp_path: Path) -> None:
    """Two hundred random steps; after each that publishes or goes back, every table is compared."""
    home = tmp_path / "home"
    write_warehouse(home)
    insert(home, 100, 200)
    declared = declarations().only({TICKETS})
    publish(home, declared)
    dice = random.Random(11)
    numbers = iter(range(1_000, 2_000))
    texts = ["Mug", "parcel is late", "", "# One\n\ntwo\n\n## Three\n\nfour", "word " * 400, None]
    embedder = HashEmbedder()
    ways: set[str] = set()
    for _ in range(STEPS):
        step = dice.choices(["insert", "update", "delete", "publish", "rollback"], [5, 3, 2, 2, 1])
        if step[0] == "publish":
            publish(home, declared, embedder)
            snapshot.expire(home, 4)
            ways |= {"updated" if one.updates else "written" for one in info(home).builds.values()}
        elif step[0] == "rollback":
            older = [one.snapshot_id for one in snapshot.list_snapshots(home)]
            snapshot.rollback(home, dice.choice(older))
        else:
            _change(home, step[0], next(numbers), dice, texts)
            continue
        index_agrees(home)
    assert ways == {"updated", "written"}


def _change(
    home: Path, step: str, number: int, dice: random.Random, texts: Sequence[str | None]
) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        keys = [
            row[0]
            for row in connection.execute("select ticket_id from agents.agent_tickets").fetchall()
        ]
        status, body = dice.choice(["open", "spam", None]), dice.choice(texts)
        if step == "insert" or not keys:
            connection.execute(
                "insert into agents.agent_tickets (ticket_id, subject, body, status, is_open) "
                "values (?, ?, ?, ?, true)",
                [number, dice.choice(["Late", "", None]), body, status],
            )
        elif step == "update":
            connection.execute(
                "update agents.agent_tickets set body = ?, status = ? where ticket_id = ?",
                [body, status, dice.choice(keys)],
            )
        else:
            connection.execute(
                "delete from agents.agent_tickets where ticket_id = ?", [dice.choice(keys)]
            )
