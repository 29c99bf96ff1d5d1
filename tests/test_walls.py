"""Who may know whom: the rooms' walls, as Python really imports them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_NOT_LOAD = {
    "serving": {"dagster", "dagster_dbt", "dlt", "dbt", "ingestion", "orchestration"},
    "ingestion": {"dagster", "dagster_dbt", "dbt", "serving", "orchestration"},
}


def modules(package: str) -> list[str]:
    """Every module of a package by its dotted name; programs (``__main__``) left out."""
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [
        name.removesuffix(".__init__")
        for name in names
        if not name.endswith(("__main__", "sandbox.worker"))
    ]


@pytest.mark.parametrize("package", ["serving", "ingestion"])
def test_a_room_loads_none_of_the_rooms_that_it_may_not_know(package: str) -> None:
    script = (
        "import importlib, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        f"for name in {modules(package)!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(sorted({MAY_NOT_LOAD[package]!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_only_resources_and_the_command_line_read_the_environment() -> None:
    readers = set()
    for package in ("ingestion", "serving", "orchestration"):
        for file in (ROOT / package).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                    readers.add(file.relative_to(ROOT).as_posix())
    allowed = {"orchestration/resources.py"}
    outside = {r for r in readers - allowed if not r.startswith("orchestration/cli/")}
    assert outside == set()


def test_the_top_level_holds_what_the_design_names_and_nothing_else() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split("\n")
    top = {path.split("/")[0] for path in tracked if path and not path.startswith(".")}
    assert top <= {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "dbt_project",
        "ingestion",
        "orchestration",
        "pyproject.toml",
        "requirements.lock",
        "serving",
        "tests",
        "workspace.yaml",
    }
