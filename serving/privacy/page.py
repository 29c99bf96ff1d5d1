"""The proof as one self-contained HTML page, for a data-protection officer."""

import json
from html import escape

from serving.privacy.proof import Proof, Use
from serving.privacy.report import ColumnReport, ViewReport, reports

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 80rem; }
table { border-collapse: collapse; margin: 0 0 2rem; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left;
         vertical-align: top; }
.unmasked { color: #b00020; font-weight: bold; }
code { font-size: 12px; }
"""
_HEADINGS = "Column|Verdict|Comes from (class)|Masks on the way|Steered by|Where agents meet it"


def page(proof: Proof, title: str) -> str:
    """Return the page; it holds names of columns, classes and masks, and no value."""
    views = reports(proof)
    said = "No personal column reaches an agent unmasked." if proof.holds else "NOT PROVEN"
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in proof.problems)
    data = json.dumps([view.as_json() for view in views]).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n<p><strong>{said}</strong> "
        f"{len(proof.columns)} columns of {len(views)} views, proven from the SQL that made them."
        f"</p>\n<ul>{problems}</ul>\n{''.join(_view(view) for view in views)}"
        f'<script type="application/json" id="proof">{data}</script>\n</html>\n'
    )


def _view(view: ViewReport) -> str:
    headings = "".join(f"<th>{heading}</th>" for heading in _HEADINGS.split("|"))
    rows = "\n".join(_row(column) for column in view.columns)
    return (
        f"<h2>{escape(view.view)}</h2>\n<p>Rows are steered by: {_uses(view.rows)}</p>\n"
        f"<table><tr>{headings}</tr>\n{rows}</table>\n"
    )


def _row(column: ColumnReport) -> str:
    sources = "<br>".join(
        f'<span title="{escape(" -> ".join(one.path))}">{escape(one.column)} '
        f"({escape(one.privacy or 'no class')})</span>"
        for one in column.sources
    )
    masks = "<br>".join(sorted({escape(mask) for one in column.sources for mask in one.masks}))
    cells = [
        escape(column.column),
        f'<span class="{column.verdict}">{column.verdict}</span>',
        sources or "no column",
        f"<code>{masks}</code>" if masks else "",
        _uses(column.indirect),
        escape(", ".join(column.surfaces)),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _uses(uses: list[Use]) -> str:
    if not uses:
        return "nothing personal"
    return "<br>".join(
        f"{escape(use.column)} ({escape(use.privacy or 'no class')}), {escape(use.use)} in "
        f"{escape(use.model)}: {escape(use.reason or 'NOT ALLOWED')}"
        for use in uses
    )
