"""Decides how a number of changes is spread over the demo's tables."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["insert", "update", "delete"]
Plan = dict[tuple[str, Action], int]

# In the order in which a small number of changes is handed out.
SHARES: Plan = {
    ("shop.orders", "insert"): 8,
    ("helpdesk.tickets", "insert"): 6,
    ("runbooks.documents", "update"): 2,
    ("shop.orders", "update"): 8,
    ("helpdesk.tickets", "update"): 5,
    ("runbooks.documents", "insert"): 1,
    ("shop.customers", "update"): 4,
    ("shop.customers", "delete"): 1,
    ("helpdesk.comments", "insert"): 6,
    ("helpdesk.tickets", "delete"): 1,
    ("runbooks.documents", "delete"): 1,
    ("shop.customers", "insert"): 2,
    ("shop.products", "update"): 3,
    ("shop.inventory", "update"): 6,
    ("shop.products", "insert"): 1,
    ("shop.inventory", "insert"): 1,
    ("shop.orders", "delete"): 1,
    ("helpdesk.comments", "update"): 2,
    ("helpdesk.comments", "delete"): 1,
}


@dataclass
class Tally:
    """What was changed so far, by table."""

    inserted: dict[str, int] = field(default_factory=Counter)
    updated: dict[str, int] = field(default_factory=Counter)
    deleted: dict[str, int] = field(default_factory=Counter)


def plan(changes: int) -> Plan:
    """`changes` spread by share: one for each table and action first, as far as they go."""
    first = dict.fromkeys(list(SHARES)[:changes], 1)
    rest = changes - len(first)
    if rest <= 0:
        return first
    whole = sum(SHARES.values())
    exact = {cell: rest * share / whole for cell, share in SHARES.items()}
    counts = {cell: first.get(cell, 0) + int(part) for cell, part in exact.items()}
    by_remainder = sorted(exact, key=lambda cell: int(exact[cell]) - exact[cell])
    for cell in by_remainder[: changes - sum(counts.values())]:
        counts[cell] += 1
    return counts
