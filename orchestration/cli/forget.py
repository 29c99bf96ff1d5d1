"""``grounded forget``: erase a person everywhere, with a receipt; or list the receipts."""

import getpass
from typing import Annotated, Any

import typer

from orchestration.cli.options import AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("forget")(forget)


def forget(
    subject: Annotated[
        str | None, typer.Argument(metavar="[SOURCE.TABLE]", help="The table of the person.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="Her key; each part of it.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Kept for ever: without personal data.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who asks; default: you.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be removed, remove nothing.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds for readers of old snapshots.", min=0)
    ] = 60.0,
    receipts: Annotated[
        bool, typer.Option("--list", help="List all receipts, and verify their chain.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Erase a person from raw, views, index, old snapshots and logs, and write a receipt.

    An erasure that was interrupted is finished by typing the same again. The person's sources are
    not changed: erase her there too; what they still send is kept out.

    Example: grounded forget shop.customers 42 --reason "request 2026-117"
    """
    if receipts:
        return _list(home, as_json)
    if subject is None or not key:
        raise typer.BadParameter("name the person: grounded forget shop.customers 42 --reason ...")
    if not dry_run and not (reason or "").strip():
        raise typer.BadParameter("--reason is missing: why, such as the number of the request")
    from orchestration.erasure.forget import Request, preview
    from orchestration.erasure.forget import forget as erase
    from orchestration.resources import read_settings

    settings = read_settings(home)
    request = Request(subject, key, (reason or "").strip(), by or getpass.getuser(), wait)
    if dry_run:
        return _preview(preview(settings, request), as_json)
    from orchestration.cli.progress import JsonProgress, TerminalProgress

    progress = JsonProgress() if as_json else TerminalProgress(console())
    with progress:
        outcome = erase(settings, request, progress)
    _show(outcome.receipt, outcome.is_earlier, as_json)
    return 0 if outcome.receipt["complete"] else 1


def _preview(person: Any, as_json: bool) -> int:
    rows = [
        *((name, count, "erased") for name, count in person.rows.items()),
        *((name, count, "kept without personal columns") for name, count in person.emptied.items()),
        *((name, count, "texts that name her, emptied") for name, count in person.mentions.items()),
        *(
            (name, count, "texts that name her, kept")
            for name, count in person.kept_mentions.items()
        ),
    ]
    found = [row for row in rows if row[1]]
    if as_json:
        for name, count, what in found:
            write_json({"table": name, "rows": count, "what": what})
        return 0
    if not found:
        console().print("raw holds no such person; an erasure would keep her out from now on")
        return 0
    console().print(table(["table", "rows", ""], found))
    return 0


def _show(receipt: dict[str, Any], is_earlier: bool, as_json: bool) -> None:
    if as_json:
        write_json({"receipt": receipt, "already_done": is_earlier})
        return
    out = console()
    if is_earlier:
        out.print(f"already done: erased {receipt['finished_at']}, receipt {receipt['erasure_id']}")
        return
    for sentence in sentences(receipt):
        out.print(sentence, markup=False, soft_wrap=True)


def sentences(receipt: dict[str, Any]) -> list[str]:
    """A receipt in words."""
    told = [f"receipt {receipt['erasure_id']}, asked by {receipt['asked_by']}"]
    if not receipt["is_known"]:
        told.append("raw held no such person; if a source sends her, she is kept out")
    for name, what in (
        ("rows_removed", "rows removed"),
        ("rows_emptied", "rows kept without their personal columns"),
        ("mentions_emptied", "texts of others that named the person, emptied"),
        ("mentions_kept", "texts of others that name the person, kept as declared"),
    ):
        counts = ", ".join(f"{table} {count:,}" for table, count in receipt[name].items())
        told += [f"{what}: {counts}"] if counts else []
    if receipt["warehouse"]:
        size = receipt["warehouse"]
        told.append(
            f"warehouse rewritten: {size['bytes_before'] / 1e6:,.1f} MB to "
            f"{size['bytes_after'] / 1e6:,.1f} MB in {size['seconds']:.1f} s"
        )
    told.append(
        f"snapshot {receipt['snapshot']} published, {len(receipt['snapshots_deleted'])} older ones "
        f"deleted; {receipt['audit_arguments_erased']} calls' arguments and "
        f"{len(receipt['runs_deleted'])} runs' histories erased"
    )
    if receipt["snapshots_forced"]:
        told.append(
            f"still read after the wait, so emptied under their readers: "
            f"{', '.join(receipt['snapshots_forced'])}"
        )
    for name, what in (
        ("values_shared", "values that others have too, so not searched for"),
        ("values_not_searched", "values too short or too ordinary to search for"),
    ):
        counts = ", ".join(f"{count} {privacy}" for privacy, count in receipt[name].items())
        told += [f"{what}: {counts}"] if counts else []
    search = receipt["search"]
    told.append(
        f"searched {search['files']:,} files, {search['bytes'] / 1e6:,.1f} MB and "
        f"{search['cells']:,} cells for {search['values']} values and pseudonyms in "
        f"{search['seconds']:.1f} s: {len(search['hits']) or 'no'} hits"
    )
    told += [f"FOUND {hit['privacy']} in {hit['place']} ({hit['count']})" for hit in search["hits"]]
    told += [f"NOT READ, only its bytes: {name}" for name in search["unread"]]
    if not receipt["complete"]:
        told.append("not complete: remove what was found, then type the same command again")
    return [*told, *(f"note: {note}" for note in receipt["notes"])]


def _list(home: Home, as_json: bool) -> int:
    from orchestration.erasure.receipts import read_receipts, verify_receipts

    folder = home_folder(home)
    report, found = verify_receipts(folder), read_receipts(folder)
    if as_json:
        for receipt in found:
            write_json(receipt)
        write_json({"intact": report.is_intact, "problems": report.problems})
        return 0 if report.is_intact else 1
    rows = [
        [
            receipt["erasure_id"],
            receipt["finished_at"],
            receipt["subject"],
            receipt["asked_by"],
            receipt["reason"],
            "complete" if receipt["complete"] else "NOT COMPLETE",
        ]
        for receipt in found
    ]
    out = console()
    if rows:
        out.print(table(["receipt", "finished", "table", "asked by", "reason", ""], rows))
    out.print(f"{len(found)} receipts, chain {'intact' if report.is_intact else 'BROKEN'}")
    for problem in report.problems:
        out.print(problem, markup=False, soft_wrap=True)
    return 0 if report.is_intact else 1
