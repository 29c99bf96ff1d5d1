"""A model of the small warehouse that tells its changes, as dbt's keyed materialisation does."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from serving import layering

VIEW = "agent_tickets"
KEY = "ticket_id"


def follow_small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give layers to small views too, and to those that were published before midnight."""
    monkeypatch.setattr(layering, "SMALLEST_BASE", 1)
    monkeypatch.setattr(layering, "_DAY", 2)


@dataclass
class KeyedModel:
    """Changes ``agents.agent_tickets`` by merges, each of which tells the keys that it changed."""

    home: Path
    seq: int = 0
    generation: int = 0

    def begin(self) -> None:
        """Build the model whole: nothing is told of what changed."""
        self.generation += 1
        self.seq = 0
        self._run(
            "create schema if not exists changes",
            "create or replace table changes.models "
            "(name varchar, generation varchar, first_seq bigint, last_seq bigint)",
            f"create or replace table changes.{VIEW} (seq bigint, {KEY} bigint)",
            f"insert into changes.models values ('{VIEW}', 'g{self.generation}', 1, 0)",
        )

    def merge(self, *statements: str) -> None:
        """Run statements as one merge; rows that differ before and after it are its changes."""
        self.seq += 1
        self._run(
            "begin",
            f"create temp table before as from agents.{VIEW}",
            *statements,
            f"insert into changes.{VIEW} select {self.seq}, {KEY} from ("
            f"(from before except from agents.{VIEW}) union all "
            f"(from agents.{VIEW} except from before))",
            f"update changes.models set last_seq = {self.seq}",
            "commit",
        )

    def trim(self, first: int) -> None:
        """Forget the changes before one."""
        self._run(
            f"delete from changes.{VIEW} where seq < {first}",
            f"update changes.models set first_seq = {first}",
        )

    def _run(self, *statements: str) -> None:
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)
