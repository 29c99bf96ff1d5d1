"""With the gate away, the engine and the process still reach nothing but the view files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.catalog import Limits
from serving.sandbox.process import Files, WorkerProcess

ESCAPES = [
    "copy agent_orders to '{dir}/out.csv'",
    "copy agent_orders to 'out.csv'",
    "export database '{dir}/out'",
    "attach '{dir}/secret.duckdb' as s",
    "attach '{dir}/new.duckdb' as s",
    "select * from read_csv('{dir}/secret.csv')",
    "select * from read_text('{dir}/secret.csv')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('{dir}/secret.csv')",
    "select * from read_parquet('{dir}/secret.parquet')",
    "select * from '{dir}/secret.csv'",
    "select * from read_duckdb('{dir}/secret.duckdb')",
    "select * from glob('{dir}/*')",
    "select * from sniff_csv('{dir}/secret.csv')",
    "select * from read_csv('http://127.0.0.1:9/x')",
    "install httpfs",
    "load httpfs",
    "load '{dir}/x.duckdb_extension'",
    "import database '{dir}'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set memory_limit = '64GB'",
    "set threads = 64",
    "set disabled_filesystems = ''",
    "set temp_directory = '{dir}'",
    "reset enable_external_access",
    "pragma enable_profiling = 'json'",
    "call enable_logging(storage = 'file', storage_path = '{dir}/log')",
    "create persistent secret s (type http)",
    "insert into agent_orders select * from agent_orders",
    "delete from v0.main.agent_orders",
    "create table v0.main.t as select 1",
    "drop table v0.main.agent_orders",
    "select * from files",
    "select getenv('PATH')",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.csv").write_text("id,email\n1,canary@example.com\n")
    return folder


@pytest.mark.parametrize("sql", ESCAPES)
def test_an_ungated_statement_reaches_no_file_network_or_setting(
    sql: str, files: dict[str, Path], folder: Path, ungated: WorkerProcess
) -> None:
    before = {path: path.read_bytes() for path in files.values()}
    request = {"op": "run", "sql": sql.replace("{dir}", str(folder)), "rows": 9, "characters": 999}
    reply = ungated.ask(request, 5)

    assert "error" in reply
    assert "canary" not in reply["text"]
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]
    assert {path: path.read_bytes() for path in files.values()} == before


@pytest.fixture(scope="module")
def ungated(files: dict[str, Path]) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(Files(files), Limits())
    yield worker
    worker.end()


def test_the_worker_has_no_environment_and_no_folder(ungated: WorkerProcess) -> None:
    ungated.columns()
    process = Path("/proc") / str(ungated.pid)

    assert (process / "environ").read_bytes() == b""
    assert (process / "cwd").readlink().name.endswith("(deleted)")


def test_the_worker_is_limited_by_the_system(ungated: WorkerProcess) -> None:
    ungated.columns()
    limits = (Path("/proc") / str(ungated.pid) / "limits").read_text()
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}

    assert soft["Max file size"] == soft["Max core file size"] == "0"
    assert int(soft["Max open files"]) < 64
    assert int(soft["Max address space"]) < 8 << 30
