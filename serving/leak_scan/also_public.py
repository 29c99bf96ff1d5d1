"""Which of the values that were found are public too: a name that is also a product's.

values that were found -> public columns of raw -> those that these hold
"""

from collections.abc import Collection

from serving.identifiers import quoted
from serving.leak_scan.folding import folded, joined
from serving.leak_scan.loads import relation
from serving.leak_scan.page import page_of
from serving.leak_scan.search_set import Entry, SearchSet
from serving.leak_scan.values import PersonalValues, ValueColumn
from serving.warehouse import read_warehouse

# What is never an ordinary word stays a leak, also where somebody wrote it into a public column.
ORDINARY = frozenset({"name", "address", "birth_date", "identifier"})
_BATCH_ROWS = 20_000


def also_public(search: SearchSet, entries: Collection[Entry]) -> set[Entry]:
    """Return the entries whose value a public column of the sources holds as well."""
    asked = sorted(entry for entry in entries if search.privacy(entry) in ORDINARY)
    if search.warehouse is None or not asked:
        return set()
    columns = [
        ValueColumn(
            str(number),
            search.privacy(entry),
            [search.text_of(entry)],
            search.columns[entry[0]].rule,
        )
        for number, entry in enumerate(asked)
    ]
    narrow = SearchSet(PersonalValues(tuple(columns)))
    found: set[int] = set()
    with search.warehouse() as path, read_warehouse(path) as connection:
        for table, column in search.public:
            result = connection.execute(
                f"select distinct {quoted(column)}::varchar from {relation(table)} "
                f"where {quoted(column)} is not null"
            )
            while batch := result.fetchmany(_BATCH_ROWS):
                page = page_of(folded(joined([text for (text,) in batch])))
                found.update(one.entry[0] for one in narrow.find(page))
                found.update(one.entry[0] for _, one in narrow.find_cells(page))
    return {asked[number] for number in found}
