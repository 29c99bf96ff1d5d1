"""A random history of a source: every kind of change that a load must not lose.

Ids below 900,000 belong to short transactions, those above to one that stays open and commits
late, so that neither waits for the other.
"""

import random
from types import TracebackType
from typing import Self

import psycopg

LATE = 900_000
DDL_WAIT = "2s"
"""A killed load's backend holds its locks until it notices, within a second."""

# Each is one transaction, as templates over {low}, {high}: a range of ids.
CHANGES = {
    "insert": "insert into items select i, 'new', repeat(md5(i::text), 80), i, clock_timestamp() "
    "from generate_series({low}, {high}) i on conflict (id) do update "
    "set name = items.name || '+', changed_at = clock_timestamp()",
    "update": "update items set name = md5(name || '{low}'), changed_at = clock_timestamp() "
    "where id between {low} and {high}",
    "update_leaving_the_cursor": "update items set name = md5('{low}' || name) "
    "where id between {low} and {high}",
    "update_of_a_long_value": "update items set body = repeat(md5(name), 90), "
    "changed_at = clock_timestamp() where id between {low} and {high}",
    "delete": "delete from items where id between {low} and {high}",
    "delete_and_insert": "delete from items where id between {low} and {high}; "
    "insert into items select i, 'again', null, -i from generate_series({low}, {high}) i",
    "key_update": "update items set id = id + 10000, changed_at = clock_timestamp() "
    "where id between {low} and {high} and id < 300 "
    "and not exists (select from items as other where other.id = items.id + 10000)",
    "key_update_back": "update items set id = id - 10000 "
    "where id between {low} + 10000 and {high} + 10000 "
    "and not exists (select from items as other where other.id = items.id - 10000)",
    "tie": "insert into items select i, 'tied', null, i, "
    "coalesce((select max(changed_at) from items), now()) "
    "from generate_series({low}, {high}) i on conflict do nothing",
    "transfer": "update accounts set changed_at = clock_timestamp(), "
    "balance = balance + case when id % 2 = 0 then {low} else -{low} end "
    "where id in (1 + {low} % 20, 1 + ({low} + 1) % 20)",
}
# Each takes the table for itself.
ALTERATIONS = {
    "truncate": "truncate items; insert into items select i, 'after', null, i "
    "from generate_series({low}, {high}) i",
    "add_column": "alter table items add if not exists extra text",
    "add_column_with_default": "alter table items add if not exists extra text default 'd{low}'",
    "drop_column": "alter table items drop if exists extra",
    "rename_column": "alter table items drop if exists other; "
    "alter table items add if not exists extra text; alter table items rename extra to other",
    "fill_column": "alter table items add if not exists extra text; "
    "update items set extra = 'f' || id, changed_at = clock_timestamp() "
    "where id between {low} and {high}",
}


class History:
    """Changes a source at random; what was done is kept for the report of a failure."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self._chance = chance
        self._live = psycopg.connect(url)
        self._late = psycopg.connect(url)
        self._late_id = LATE
        self._is_late_open = False
        self.done: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.close()
        self._late.close()

    def step(self) -> None:
        """One short transaction on rows."""
        self.change(self._chance.choice(list(CHANGES)))

    def alter(self) -> None:
        """One transaction on a whole table."""
        self.alteration(self._chance.choice(list(ALTERATIONS)))

    def change(self, kind: str) -> None:
        """A short transaction of this kind on a random range of rows."""
        self._execute(kind, CHANGES[kind])

    def alteration(self, kind: str) -> None:
        """Alter a table, unless a killed load still holds it; ends the late transaction first."""
        self.commit_late()
        try:
            self._live.execute(f"set local lock_timeout = '{DDL_WAIT}'")
            self._execute(kind, ALTERATIONS[kind])
        except psycopg.errors.LockNotAvailable:
            self._live.rollback()

    def begin_late(self) -> None:
        """Change rows in a transaction that stays open."""
        self._is_late_open = True
        self._late_id += 1
        self._late.execute(
            "insert into items values (%s, 'late', null, 0, clock_timestamp()) "
            "on conflict (id) do nothing",
            [self._late_id],
        )
        self._late.execute(
            "update items set name = name || '~', changed_at = clock_timestamp() "
            "where id between %s and %s",
            [LATE, self._late_id - 1],
        )
        self.done.append("begin_late")

    def commit_late(self) -> None:
        """Let the open transaction commit."""
        if self._is_late_open:
            self._late.commit()
            self._is_late_open = False
            self.done.append("commit_late")

    def toggle_late(self) -> None:
        """Begin a late transaction, or commit the one that is open."""
        (self.commit_late if self._is_late_open else self.begin_late)()

    def _execute(self, kind: str, template: str) -> None:
        low = self._chance.randrange(1, 300)
        high = low + self._chance.randrange(0, 25)
        self._live.execute(template.format(low=low, high=high).encode())
        self._live.commit()
        self.done.append(kind)
