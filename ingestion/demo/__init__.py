"""Real upstreams to try Grounded on: a database, an HTTP API and a folder of documents."""

from ingestion.demo.control import SERVICES, Demo, Service, down, find, is_up, up
from ingestion.demo.errors import (
    DemoError,
    NotRunningError,
    ServerStartError,
    StateError,
)
from ingestion.demo.traffic import TrafficReport, traffic

__all__ = [
    "SERVICES",
    "Demo",
    "DemoError",
    "NotRunningError",
    "ServerStartError",
    "Service",
    "StateError",
    "TrafficReport",
    "down",
    "find",
    "is_up",
    "traffic",
    "up",
]
