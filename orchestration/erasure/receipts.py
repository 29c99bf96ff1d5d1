"""Receipts: the evidence of each erasure, chained by hashes, without any personal value.

<home>/erasure/receipts/<UTC day>.jsonl, head   see serving/chain.py
"""

from pathlib import Path
from typing import Any

from ingestion.erasure.relations import erasure_folder
from serving import chain
from serving.chain import ChainedLog, VerifyReport

Receipt = dict[str, Any]


def receipts_folder(home: Path) -> Path:
    """The folder of the receipts' files."""
    return erasure_folder(home) / "receipts"


def append_receipt(home: Path, receipt: Receipt) -> None:
    """Write one receipt durably."""
    log = ChainedLog(receipts_folder(home))
    try:
        log.append(receipt, durable=True)
    finally:
        log.close()


def read_receipts(home: Path) -> list[Receipt]:
    """All receipts that check, oldest first."""
    return list(chain.records(receipts_folder(home)))


def verify_receipts(home: Path) -> VerifyReport:
    """Walk the chain of receipts."""
    return chain.verify(receipts_folder(home))
