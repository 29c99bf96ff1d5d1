"""Runs an agent's SQL where it can read its own views and do nothing else.

sql -> gate (the statement) -> worker (the process) -> locked engine -> this agent's files

Four walls, each enough for most attacks: an allow-list over the parsed statement, a process with
limits of the system, an engine that opens nothing more, files that hold only this agent's rows.
"""

from serving.sandbox.gate import Checked, check
from serving.sandbox.sandbox import DryRun, SqlResult, SqlSandbox
from serving.sandbox.workers import Workers

__all__ = ["Checked", "DryRun", "SqlResult", "SqlSandbox", "Workers", "check"]
