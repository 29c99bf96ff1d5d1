"""``grounded serve`` as it is run: several processes at one address, TLS, JSON logs."""

import json
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving import tokens
from serving.errors import ServingError
from serving.http_listen import Listening, serve
from tests.serving_process import process_serving

CANARY = "jane.roe"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of the loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@dataclass(frozen=True)
class Served:
    """A server of two processes that is ended, and what it left behind."""

    figures: str
    page: str
    version: str | None
    older: Exception
    log: list[dict]
    hasty: list[int]
    has_ended: bool


@pytest.fixture(scope="module")
def served(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What two processes answered over TLS to calls that each had a connection of its own.

    Then the process that had started them was killed.
    """
    folder = tmp_path_factory.mktemp("served")
    home = Path(shutil.copytree(published, folder / "home"))
    cert, key = certificate(folder)
    options = ["--workers", "2", "--certificate", str(cert), "--key", str(key)]
    token = tokens.issue(home, "catalog_agent")
    hasty = {"authorization": f"Bearer {tokens.issue(home, 'hasty_agent')}"}
    trusted = ssl.create_default_context(cafile=cert)
    old = ssl.create_default_context(cafile=cert)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    log = folder / "log"
    options += ["--log", "json", "--log-requests"]
    with process_serving(home, *options, log=log) as (process, port):
        url = f"https://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {token}", "x-grounded-purpose": CANARY}
        body = {"table": "agent_products", "value": 1}
        for _ in range(20):
            answer = httpx.post(
                f"{url}/v1/lookup", json=body, headers=headers, verify=trusted, timeout=60
            )
            assert answer.status_code == 200
        statuses = [
            httpx.get(f"{url}/v1/tables", headers=hasty, verify=trusted, timeout=60).status_code
            for _ in range(12)
        ]
        httpx.get(f"{url}/v1/tables/{CANARY}?x={CANARY}", verify=trusted, timeout=60)
        with pytest.raises(httpx.ConnectError) as refused:
            httpx.get(f"{url}/health", verify=old, timeout=60)
        with httpx.Client(verify=trusted, base_url=url, timeout=60) as client:
            figures = all_counted(client)
            with client.stream("GET", "/docs") as page:
                version = page.extensions["network_stream"].get_extra_info("ssl_object").version()
                text = page.read().decode()
        process.kill()
        has_ended = refuses_connections(port)
    yield Served(
        figures=figures,
        page=text,
        version=version,
        older=refused.value,
        log=[json.loads(line) for line in log.read_text().splitlines()],
        hasty=statuses,
        has_ended=has_ended,
    )


def refuses_connections(port: int) -> bool:
    """Whether nobody listens any more, or does not after half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                # Until it is closed by a process that ends.
                connection.recv(1)
        except ConnectionRefusedError:
            return True
        except (ConnectionResetError, TimeoutError):
            continue
    return False


def all_counted(client: httpx.Client) -> str:
    """The figures, once each process has told its own to the other."""
    while True:
        figures = client.get("/metrics").text
        counted = re.search(r'calls_total\{tool="lookup".*"answered"\} 20', figures)
        if counted and 'verdict="UNAUTHENTICATED"} 1' in figures:
            return figures


def test_the_figures_are_those_of_all_processes(served: Served) -> None:
    assert 'grounded_call_seconds_count{tool="lookup"} 20' in served.figures
    assert 'verdict="UNAUTHENTICATED"} 1' in served.figures


def test_an_agent_may_ask_as_often_as_declared_of_all_processes_together(served: Served) -> None:
    assert served.hasty == [200] * 3 + [429] * 9


def test_the_processes_end_with_the_one_that_started_them_even_if_it_is_killed(
    served: Served,
) -> None:
    assert served.has_ended


def test_only_tls_1_3_is_spoken(served: Served) -> None:
    assert served.version == "TLSv1.3"
    assert "SSL:" in str(served.older)


def test_a_log_line_is_json_and_tells_the_pattern_of_the_route_and_no_value(
    served: Served,
) -> None:
    requests = [line for line in served.log if "route" in line]
    lookups = [line for line in requests if line["route"] == "/v1/lookup"]
    assert len(lookups) == 20
    assert {line["agent"] for line in lookups} == {"catalog_agent"}
    assert {line["verdict"] for line in lookups} == {"answered"}
    assert len({line["query_id"] for line in lookups}) == 20
    (refused,) = [line for line in requests if line["route"] == "/v1/tables/{name}"]
    assert (refused["status"], refused["verdict"]) == (401, "UNAUTHENTICATED")
    assert CANARY not in json.dumps(served.log)


def test_the_page_of_routes_needs_nothing_from_elsewhere(served: Served) -> None:
    assert "POST /v1/lookup" in served.page
    assert "<script" not in served.page
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", served.page)


def test_tls_needs_a_certificate_and_the_key_that_belongs_to_it(
    published: Path, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    for listening in (
        Listening(certificate=cert),
        Listening(certificate=cert, key=other),
        Listening(certificate=cert, key=tmp_path / "none.pem"),
        Listening(certificate=key, key=key),
    ):
        with pytest.raises(ServingError, match="certificate"):
            serve(published, listening)
