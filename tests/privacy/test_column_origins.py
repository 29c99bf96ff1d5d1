"""What the catalog tells of each agent column, and how ``get_lineage`` answers from it."""

from datetime import UTC, datetime

from serving.catalog import CatalogColumn, CatalogView, ColumnOrigin, SourceTable
from serving.column_lineage import lineage
from serving.lineage.flows import Flow
from serving.lineage.values import Passed
from serving.privacy.origins import column_origins
from serving.privacy.proof import ColumnProof, Proof
from tests.privacy.conftest import Manifest, prove_manifest

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
EMAIL = ColumnOrigin(
    table="shop.customers",
    column="email",
    privacy="email",
    masks=["email_key"],
    path=["stg_shop__customers.email", "dim_customers.email", "agent_customers.email_key"],
)


def view(column: CatalogColumn) -> CatalogView:
    """A view of one column, behind which are two raw tables."""
    return CatalogView(
        name="agent_customers",
        description="",
        columns=[column],
        key=column.name,
        data_as_of=MOMENT,
        sources=[
            SourceTable(table="shop.customers", watermark=MOMENT, load_id="7"),
            SourceTable(table="shop.orders", watermark=None, load_id=None),
        ],
    )


def test_a_column_is_followed_to_its_raw_column_through_mask_and_models(manifest: Manifest) -> None:
    origins = column_origins(prove_manifest(manifest))
    assert origins["agent_customers", "email_key"] == [EMAIL]
    bodies = origins["agent_tickets", "body"]
    assert ("helpdesk.tickets", "body", "free_text") in {
        (one.table, one.column, one.privacy) for one in bodies
    }
    assert all(one.masks for one in bodies if one.privacy != "public")


def test_a_column_of_every_agent_view_has_its_origins(manifest: Manifest) -> None:
    origins = column_origins(prove_manifest(manifest))
    assert {name for name, _ in origins} >= {"agent_sales", "agent_tickets", "agent_products"}
    assert not [
        step
        for (name, _), found in origins.items()
        for one in found
        for step in one.path
        if step.startswith("agent_") and step.partition(".")[0] != name
    ]


def test_another_agents_view_on_the_way_is_not_named() -> None:
    path = ("shop.orders.total", "fct_orders.total", "agent_secret.total", "agent_orders.total")
    flow = Flow("shop.orders", "total", path, frozenset({Passed("bucket_number")}))
    proof = Proof(
        columns=tuple(
            ColumnProof(name, "total", (flow,), "public", (), ())
            for name in ("agent_orders", "agent_secret")
        ),
        rows={},
        problems=(),
        unneeded=(),
        seconds=0.0,
        classes={"shop.orders.total": "public"},
    )
    (origin,) = column_origins(proof)["agent_orders", "total"]
    assert origin.path == ["fct_orders.total", "agent_orders.total"]
    assert origin.masks == ["bucket_number"]


def test_the_answer_joins_the_raw_column_with_its_load_and_watermark() -> None:
    column = CatalogColumn(
        name="email_key", type="VARCHAR", description="", mask="pseudonym", origins=[EMAIL]
    )
    assert lineage(view(column), column) == [
        {
            "column": "email_key",
            "mask": "pseudonym",
            "source_table": "shop.customers",
            "source_column": "email",
            "class": "email",
            "masks": ["email_key"],
            "path": EMAIL.path,
            "load_id": "7",
            "watermark": "2026-01-02T00:00:00Z",
        }
    ]


def test_what_no_raw_column_flows_into_says_so_and_an_unproven_one_names_the_tables() -> None:
    counted = CatalogColumn(name="n", type="BIGINT", description="", origins=[])
    (row,) = lineage(view(counted), counted)
    assert (row["source_table"], row["source_column"], row["load_id"]) == (None, None, None)
    unproven = CatalogColumn(name="n", type="BIGINT", description="")
    found = lineage(view(unproven), unproven)
    assert [row["source_table"] for row in found] == ["shop.customers", "shop.orders"]
