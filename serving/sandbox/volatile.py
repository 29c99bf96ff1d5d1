"""Tells statements whose answer changes while the data does not: clocks, chance, samples; pure.

By words, so on the wide side: a column called ``age`` counts like the function.
"""

import re

_WORD = re.compile(r"\w+")
_VOLATILE = frozenset(
    """
    age ago current_date current_localtime current_localtimestamp current_time current_timestamp
    get_current_time get_current_timestamp localtime localtimestamp now today
    transaction_timestamp random gen_random_uuid uuid uuidv4 uuidv7 sample tablesample
    """.split()
)


def is_volatile(sql: str) -> bool:
    """Whether the same statement over the same data may answer otherwise the next time."""
    return not _VOLATILE.isdisjoint(_WORD.findall(sql.lower()))
