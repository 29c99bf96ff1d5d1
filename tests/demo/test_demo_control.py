"""Starting, stopping and finding the demo."""

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from ingestion import demo
from ingestion.demo import canary
from ingestion.demo.runbooks import BROKEN_NAME
from ingestion.demo.state import Layout, State, listener, load, save


def state_of(home: Path) -> State:
    found = load(Layout.of(home))
    assert found is not None
    return found


def change(home: Path, **values: object) -> None:
    save(Layout.of(home), state_of(home).model_copy(update=values))


def test_a_second_up_starts_nothing_and_changes_nothing(home: Path, scale: float) -> None:
    before, lines = state_of(home), list[str]()
    first = demo.find(home)
    assert demo.up(home, scale=scale, on_progress=lines.append) == first
    assert state_of(home) == before
    assert lines == []


def test_everything_is_up_and_none_of_it_is_our_child(home: Path) -> None:
    assert all(demo.is_up(home, service) for service in demo.SERVICES)
    for pid in (state_of(home).shop_pid, state_of(home).helpdesk_pid):
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)
        assert os.getpgid(pid) != os.getpgid(0)


def test_the_documents_are_there_and_one_is_not_utf_8(home: Path) -> None:
    found = demo.find(home)
    assert found is not None
    paths = sorted(found.runbooks_path.rglob("*.md"))
    assert 38 <= len(paths) <= 50
    broken = [path for path in paths if not _is_utf_8(path)]
    assert [path.relative_to(found.runbooks_path).as_posix() for path in broken] == [BROKEN_NAME]


def test_no_secret_shows_in_a_representation_or_to_other_users(home: Path) -> None:
    state = state_of(home)
    shown = f"{demo.find(home)!r} {state!r}"
    for secret in (state.reader_password, state.owner_password, state.helpdesk_token):
        assert secret not in shown
    assert stat.S_IMODE(Layout.of(home).state.stat().st_mode) == 0o600


def test_down_and_up_keep_data_and_ports(home: Path) -> None:
    before = demo.find(home)
    assert before is not None
    assert demo.down(home) == ["shop", "helpdesk"]
    assert not demo.is_up(home, "shop")
    assert not demo.is_up(home, "helpdesk")
    assert demo.down(home) == []
    assert demo.up(home) == before
    with psycopg.connect(before.shop_url) as connection:
        row = connection.execute("select full_name from customers where id = 1").fetchone()
    assert row == (canary.FULL_NAME,)
    assert httpx.get(f"{before.helpdesk_url}/health", trust_env=False).is_success


def test_a_server_that_was_killed_starts_again_beside_a_foreign_process_of_its_id(
    home: Path,
) -> None:
    found, shop_pid, helpdesk_pid = (
        demo.find(home),
        state_of(home).shop_pid,
        state_of(home).helpdesk_pid,
    )
    assert shop_pid is not None
    assert helpdesk_pid is not None
    for pid in (shop_pid, helpdesk_pid):
        os.kill(pid, signal.SIGKILL)
    pid_file = Layout.of(home).postgres / "data" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(shop_pid), str(os.getpid()), 1))
    change(home, helpdesk_pid=os.getpid())
    assert demo.up(home).runbooks_path == (found and found.runbooks_path)
    assert all(demo.is_up(home, service) for service in demo.SERVICES)


def test_traffic_says_what_to_do_when_the_shop_is_down(home: Path) -> None:
    demo.down(home, ["shop"])
    with pytest.raises(demo.NotRunningError, match="grounded demo up"):
        demo.traffic(home)
    demo.up(home)


def test_a_home_without_a_demo_has_nothing_to_find_or_stop(tmp_path: Path) -> None:
    assert demo.find(tmp_path) is None
    assert not demo.is_up(tmp_path, "shop")
    assert demo.down(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(demo.NotRunningError, match="grounded demo up"):
        demo.traffic(tmp_path)


def test_an_unknown_service_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(demo.DemoError, match="shop, helpdesk, runbooks"):
        demo.up(tmp_path, services=["mainframe"])


def test_a_damaged_state_file_is_named_without_its_contents(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.root.mkdir()
    layout.state.write_text('{"seed": "hunter2"}')
    with pytest.raises(demo.StateError, match="is damaged") as caught:
        demo.find(tmp_path)
    assert "hunter2" not in str(caught.value)


def test_two_callers_at_once_start_one_server(empty_home: Path) -> None:
    def start(_: int) -> demo.Demo:
        return demo.up(empty_home, scale=0.01, services=["helpdesk"])

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(start, range(2))
    assert one == other
    assert demo.down(empty_home) == ["helpdesk"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{one.helpdesk_url}/health", trust_env=False)


def test_a_foreign_process_in_the_state_file_is_not_ended(empty_home: Path) -> None:
    demo.up(empty_home, scale=0.01, services=["runbooks"])
    sleeper = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", sleeper, str(empty_home)]) as foreign:
        change(empty_home, helpdesk_pid=foreign.pid, shop_pid=foreign.pid)
        assert demo.down(empty_home) == []
        assert foreign.poll() is None
        foreign.kill()


def test_a_port_that_was_taken_meanwhile_is_replaced(empty_home: Path) -> None:
    first = demo.up(empty_home, scale=0.01, services=["helpdesk"])
    demo.down(empty_home)
    with listener(state_of(empty_home).helpdesk_port) as squatter:
        squatter.listen()
        second = demo.up(empty_home, services=["helpdesk"])
    assert second.helpdesk_url != first.helpdesk_url
    assert demo.is_up(empty_home, "helpdesk")


def test_seeding_that_was_interrupted_is_done_again(empty_home: Path) -> None:
    layout = Layout.of(empty_home)
    (layout.root / "runbooks.new").mkdir(parents=True)
    layout.helpdesk.with_suffix(".new").write_text("half a database")
    demo.up(empty_home, scale=0.01, services=["helpdesk", "runbooks"])
    assert demo.is_up(empty_home, "helpdesk")
    assert (layout.runbooks / "guides" / "warranty.md").exists()
    assert not (layout.root / "runbooks.new").exists()


def _is_utf_8(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True
