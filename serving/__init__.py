"""Publishes agent views as immutable snapshots and answers agents from them.

warehouse.duckdb -> snapshot.publish -> published/ -> connect(agent) -> answers

Run alone: ``grounded sql --agent support_agent "select count(*) from agent_orders"``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.agent import Agent as Agent
    from serving.agent import connect as connect

_LAZY = ("Agent", "connect")


def __getattr__(name: str) -> Any:
    # The sandbox's worker imports this package and must start in a tenth of a second.
    if name in _LAZY:
        from serving import agent

        return getattr(agent, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
