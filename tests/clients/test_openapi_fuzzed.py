"""Schemathesis on the OpenAPI description of a running server."""

from tests.clients.conftest import PYTHON, Client, Served

# What a schema cannot say is refused as well: a table that there is not, a value beside values.
BUT = "positive_data_acceptance"


def test_no_request_that_the_description_allows_or_forbids_breaks_the_server(
    client: Client, served: Served
) -> None:
    done = client(
        *(PYTHON / "schemathesis", "run", f"{served.url}/openapi.json", "--seed", "5"),
        *("--header", f"Authorization: Bearer {served.token}", "--max-examples", "2"),
        *("--checks", "all", "--exclude-checks", BUT, "--phases", "coverage,fuzzing"),
    )
    assert done.returncode == 0, done.stdout[-6_000:]
    assert "Tested: 20" in done.stdout, done.stdout[-2_000:]
