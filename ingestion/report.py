"""What a load did, for the run's page, the command line and tests."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class TableReport(BaseModel):
    """One raw table after a load; ``rows`` counts all of its live rows, the rest this load's.

    ``read`` counts the rows that came, ``changed`` those that raw had not as they came.
    ``in_quarantine`` counts all rows that wait there, ``max_quarantine_share`` is what the
    declaration allows, ``waiting`` counts files left for the next load. Where a load reads a whole
    table, ``new`` counts rows that raw did not have and ``gone`` those gone at the source, which
    became tombstones unless ``refused`` says why not. ``withheld`` counts rows of erased people.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    read: int
    changed: int
    quarantined: int
    watermark: datetime | None
    in_quarantine: int = 0
    max_quarantine_share: float = 1.0
    waiting: int = 0
    new: int = 0
    gone: int = 0
    refused: str | None = None
    withheld: int = 0

    @property
    def quarantine_share(self) -> float:
        """The part of the table's rows that wait in quarantine."""
        return self.in_quarantine / max(1, self.rows + self.in_quarantine)


class HttpReport(BaseModel):
    """What a load asked of APIs: tries in all, those that failed, seconds waited, breakers."""

    model_config = ConfigDict(frozen=True)

    requests: int = 0
    failures: int = 0
    throttled: int = 0
    waited_s: float = 0.0
    breakers: dict[str, str] = {}

    def told(self) -> str:
        """All of it in a line, for the run's page."""
        asked = (
            f"{self.requests:,} requests, {self.failures:,} failed, {self.throttled:,} throttled, "
            f"{self.waited_s:,.1f} s waited"
        )
        states = (f"{host}: {state}" for host, state in self.breakers.items())
        return "; ".join([asked, *states])

    def plus(self, other: "HttpReport") -> "HttpReport":
        """Both together; the breakers as the other left them."""
        return HttpReport(
            requests=self.requests + other.requests,
            failures=self.failures + other.failures,
            throttled=self.throttled + other.throttled,
            waited_s=self.waited_s + other.waited_s,
            breakers=self.breakers | other.breakers,
        )


class LoadReport(BaseModel):
    """One load of one source.

    ``unfinished`` names the tables of which only a first part was read, durably; what follows it
    comes with the next round. ``alarms`` are what a person must know although the load went well.
    ``loads_before`` and ``loads`` count all loads that raw has of the source, before this one and
    after it: who counts them sees whether another process has loaded meanwhile.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    load_ids: list[str]
    loads_before: int
    loads: int
    tables: dict[str, TableReport]
    seconds: float
    http: HttpReport | None = None
    unfinished: list[str] = []
    alarms: list[str] = []
