"""The nightly comparison of keyed models with a build of everything."""

import duckdb
import pytest

from orchestration.agreement import differing_rows
from orchestration.resources import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NEW_ORDER = """
insert into shop.orders
select * replace (90001 as id, 'another' as _dlt_load_id) from shop.orders
where _deleted_at is null and customer_id is not null limit 1
"""


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


def test_masks_that_are_as_they_were_made_are_not_made_again(settings: Settings) -> None:
    differing(settings)
    change(settings, "comment on macro privacy.pseudonym is 'as it was'")
    differing(settings)
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as warehouse:
        query = "select comment from duckdb_functions() where function_name = 'pseudonym'"
        assert warehouse.execute(query).fetchall() == [("as it was",)]


def test_a_mask_that_somebody_made_anew_in_the_warehouse_hides_again_before_anything_is_built(
    settings: Settings,
) -> None:
    differing(settings)
    before = customer_keys(settings)
    change(
        settings,
        "create or replace function privacy.pseudonym(value, class, prefix) as (value::varchar)",
        NEW_ORDER.replace("90001", "90002"),
    )
    differing(settings)
    after = customer_keys(settings)
    assert before.items() < after.items()
    assert after[90002].startswith("cus_")


def customer_keys(settings: Settings) -> dict[int, str]:
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as warehouse:
        query = "select order_id, customer_key from agents.agent_orders where customer_key > ''"
        return dict(warehouse.execute(query).fetchall())
