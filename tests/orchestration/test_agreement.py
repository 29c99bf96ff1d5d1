"""The nightly comparison of keyed models with a build of everything."""

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.agreement import differing_rows
from orchestration.resources import Settings, prepare_environment, read_settings
from tests.orchestration.test_dbt_runner import CHANGED
from tests.transform import raw_tables

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NEW_ORDER = """
insert into shop.orders
select * replace (90001 as id, 'another' as _dlt_load_id) from shop.orders
where _deleted_at is null limit 1
"""


@pytest.fixture
def settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A home with raw tables and nothing built."""
    for name in CHANGED:
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("GROUNDED_PRIVACY_KEY", raising=False)
    settings = read_settings(tmp_path_factory.mktemp("home"))
    raw_tables.create(settings.home / "warehouse.duckdb")
    prepare_environment(settings)
    yield settings


def differing(settings: Settings) -> dict[str, int]:
    return differing_rows(settings, lambda message: None)


def change(settings: Settings, *statements: str) -> None:
    with duckdb.connect(str(settings.home / "warehouse.duckdb")) as warehouse:
        for statement in statements:
            warehouse.execute(statement)


def test_what_differs_from_a_build_of_everything_is_counted_and_mended(settings: Settings) -> None:
    assert differing(settings) == {}
    change(settings, NEW_ORDER)
    assert differing(settings) == {}, "what was loaded since is a change, and no difference"
    change(
        settings,
        "update marts.fct_orders set total = -1 where order_id in "
        "(select order_id from marts.fct_orders order by 1 limit 2)",
        "delete from agents.agent_products where product_id = "
        "(select min(product_id) from agents.agent_products)",
    )
    found = differing(settings)
    assert found["fct_orders"] == 2
    assert found["agent_products"] == 1
    assert differing(settings) == {}
