"""Runs the redaction of the agent views on any texts, without dbt and without a warehouse.

dbt_project/macros/privacy/*.sql -> functions in a DuckDB in memory -> privacy.redact -> texts

The macros of the redaction need Jinja and one variable of the project alone, so they render here in
a moment; a test holds the functions against those that dbt makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import jinja2
import yaml

from orchestration.errors import SettingsError

_MACRO_FILES = ("re*.sql", "mentioned_people.sql")
_PARAMETERS = ("text", "names", "emails", "phones", "addresses")


@dataclass(frozen=True)
class KnownPeople:
    """What is known of the people whom texts may mention, by class."""

    names: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


NOBODY = KnownPeople()


def redaction_statements(project: Path) -> str:
    """Return the SQL that makes every function of the redaction, ``privacy.redact`` last."""
    folder = project / "macros" / "privacy"
    files = [path for pattern in _MACRO_FILES for path in sorted(folder.glob(pattern))]
    settings = yaml.safe_load((project / "dbt_project.yml").read_text(encoding="utf-8"))
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)
    environment.globals["var"] = settings["vars"].__getitem__
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    macros: Any = environment.from_string(source).module
    return (
        f"{macros.redaction_functions()}\n"
        "create schema if not exists privacy;\n"
        f"create or replace function privacy.redact({', '.join(_PARAMETERS)}) as (\n"
        f"{macros.duckdb__redact(*_PARAMETERS)}\n);"
    )


class Redactor:
    """Redacts texts in batches by the project's own functions. Use it as a context manager.

    Raises SettingsError where the project's folder does not hold them.
    """

    def __init__(self, project: Path) -> None:
        if not (project / "macros/privacy/redact.sql").is_file():
            raise SettingsError(
                f"There is no redaction in {project}: run the command from a checkout of the "
                "project, which holds dbt_project/macros/privacy."
            )
        self.connection = duckdb.connect()
        self.connection.execute(redaction_statements(project))

    def __enter__(self) -> "Redactor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def redact(self, texts: Sequence[str], known: KnownPeople = NOBODY) -> list[str]:
        """Return each text with placeholders in place of personal data, in the same order."""
        rows = self.connection.execute(
            "select privacy.redact(text, $2::varchar[], $3::varchar[], $4::varchar[], "
            "$5::varchar[]) from (select unnest($1::varchar[]) as text, "
            "generate_subscripts($1::varchar[], 1) as place) as texts order by place",
            [list(texts), known.names, known.emails, known.phones, known.addresses],
        ).fetchall()
        return [str(redacted) for (redacted,) in rows]
