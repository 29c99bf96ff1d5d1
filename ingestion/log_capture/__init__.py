"""Captures every change of a PostgreSQL database from its log, deletes included.

slot -> peek -> pgoutput -> spool -> last change of each key -> dlt merge -> advance the slot

The slot moves only after what it held is durable in the warehouse, and the state says up to where
that is, so a process killed anywhere neither loses nor doubles a change.
"""

from ingestion.log_capture.capture import LogCapture
from ingestion.log_capture.check import SourceCheck, check_source
from ingestion.log_capture.slot import SlotHealth

__all__ = ["LogCapture", "SlotHealth", "SourceCheck", "check_source"]
