"""Makes statements from a small grammar of DuckDB's SELECT, with hidden tables in every place.

Not all of them run: it is enough that every way in which a table, a function or a column can stand
in a statement comes up, in every depth of every other.
"""

import random
from collections.abc import Callable

OWN = ["agent_orders", "agent_customers", "agent_notes"]
HIDDEN = [
    "agent_secrets",
    '"Agent_Secrets"',
    "main.agent_secrets",
    "memory.main.agent_secrets",
    "v0.main.agent_secrets",
    "agent_secrets at (version => 1)",
    "'{csv}'",
    "read_csv('{csv}')",
    "read_text('{csv}')",
    "glob('{folder}/*')",
    "query('from agent_secrets')",
    "query_table('agent_secrets')",
    "secret_table()",
    "duckdb_variables()",
    "duckdb_views()",
    "information_schema.columns",
    "sqlite_master",
]
SECRET_VALUES = [
    "getvariable('secret')",
    "secret_macro()",
    "agent_secrets.email",
    "current_setting('custom_user_agent')",
    "getenv('HOME')",
    "(agent_secrets)",
]
COLUMNS = ["id", "email", "channel", "pseud", "body", "*", "columns('.*')", "x", "d", "amount"]
_DEEPEST = 4


class Grammar:
    """Statements in the order of one dice."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def statement(self) -> str:
        """One statement, mostly a SELECT."""
        select = self.select(0)
        return self._one_of(
            lambda: select,
            lambda: select,
            lambda: select,
            lambda: f"summarize {select}",
            lambda: f"describe {self.table(1)}",
            lambda: f"explain {select}",
            lambda: f"pivot {self.table(1)} on {self.value(2)} in ('a', 'b') using count(*)",
            lambda: f"unpivot {self.table(1)} on columns('.*') into name k value v",
            lambda: f"create temp view v as {select}",
            lambda: f"{select}; {self.select(2)}",
        )

    def select(self, depth: int) -> str:
        """A query of any form."""
        return self._one_of(
            lambda: self._plain(depth),
            lambda: self._plain(depth),
            lambda: f"from {self.table(depth + 1)}",
            lambda: f"with {self._name()} as ({self.select(depth + 1)}) {self._plain(depth + 1)}",
            lambda: (
                f"with recursive {self._name()} as ({self.select(depth + 1)} union all "
                f"{self._plain(depth + 1)} where 1 < 2) from {self._name()}"
            ),
            lambda: f"({self.select(depth + 1)}) {self._set()} ({self.select(depth + 1)})",
            lambda: f"values ({self.value(depth + 1)})",
            lambda: f"table {self._leaf()}",
        )

    def table(self, depth: int) -> str:
        """What can stand in FROM."""
        if depth > _DEEPEST:
            return self._leaf()
        return self._one_of(
            self._leaf,
            self._leaf,
            lambda: f"{self._leaf()} {self._name()}",
            lambda: f"({self.select(depth + 1)}) {self._name()}",
            lambda: f"{self.table(depth + 1)} {self._join()} {self.table(depth + 1)}",
            lambda: f"lateral ({self.select(depth + 1)}) l",
            lambda: f"unnest((select list({self.value(depth + 1)}) from {self._leaf()})) u(x)",
            lambda: f"({self._dice.choice(['summarize', 'describe', 'show'])} {self._leaf()})",
            lambda: (
                f"(pivot {self.table(depth + 1)} on {self.value(depth + 1)} in ('x') "
                "using max(email))"
            ),
            lambda: f"{self._leaf()} unpivot (v for k in (email))",
            lambda: f"range(least(len({self.value(depth + 1)}), 9)) r(x)",
            lambda: f"json_each({self.value(depth + 1)}) j",
            lambda: f"{self._leaf()} tablesample 50%",
        )

    def value(self, depth: int) -> str:
        """What can stand in SELECT or WHERE."""
        if depth > _DEEPEST:
            return self._dice.choice(COLUMNS)
        return self._one_of(
            lambda: self._dice.choice(COLUMNS),
            lambda: self._dice.choice(COLUMNS),
            lambda: self._dice.choice(SECRET_VALUES),
            lambda: f"({self.select(depth + 1)})",
            lambda: f"exists ({self.select(depth + 1)})",
            lambda: f"{self.value(depth + 1)} in ({self.select(depth + 1)})",
            lambda: f"{self.value(depth + 1)} = any ({self.select(depth + 1)})",
            lambda: f"list_transform([1], e -> {self.value(depth + 1)})",
            lambda: f"[e for e in {self.value(depth + 1)}]",
            lambda: f"case when {self.value(depth + 1)} then {self.value(depth + 1)} end",
            lambda: f"max({self.value(depth + 1)}) over (order by {self.value(depth + 1)})",
            lambda: f"count(*) filter ({self.value(depth + 1)})",
            lambda: f"{{'k': {self.value(depth + 1)}}}.k",
            lambda: f"coalesce({self.value(depth + 1)}, {self.value(depth + 1)})",
            lambda: f"({self.value(depth + 1)})::varchar",
            lambda: f"array({self.select(depth + 1)})",
            lambda: f"{self._leaf()}",
        )

    def _plain(self, depth: int) -> str:
        parts = [f"select {self.value(depth + 1)} from {self.table(depth + 1)}"]
        for clause in ("where", "group by", "having", "qualify", "order by", "limit"):
            if self._dice.random() < 0.15:
                parts.append(f"{clause} {self.value(depth + 1)}")
        return " ".join(parts)

    def _leaf(self) -> str:
        return self._dice.choice(self._dice.choice([OWN, OWN, HIDDEN, [self._name()]]))

    def _name(self) -> str:
        return self._dice.choice(["t", "s", "agent_secrets", "agent_orders"])

    def _set(self) -> str:
        return self._dice.choice(["union", "union all", "union by name", "except", "intersect"])

    def _join(self) -> str:
        return self._dice.choice(
            [",", "cross join", "natural join", "positional join", "semi join", "asof join"]
        )

    def _one_of(self, *ways: Callable[[], str]) -> str:
        return self._dice.choice(ways)()
