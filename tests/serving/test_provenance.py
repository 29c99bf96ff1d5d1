import pytest

from serving.provenance import output_origins
from serving.sandbox.statements import parse

VIEWS = {
    "agent_tickets": ["ticket_id", "customer_key", "body", "status"],
    "agent_orders": ["order_id", "customer_key", "status", "total"],
}
BODY = ("agent_tickets", "body")


def origins(sql: str) -> list[set[str]] | None:
    outputs = output_origins(parse(sql)["node"], VIEWS)
    if outputs is None:
        return None
    return [{f"{view[6]}.{column}" for view, column in output.origins} for output in outputs]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select body as status from agent_tickets", [{"t.body"}]),
        ("select status, count(*) n from agent_tickets group by all", [{"t.status"}, set()]),
        ("select t.body from agent_tickets t", [{"t.body"}]),
        (
            "select * exclude (ticket_id, customer_key) from agent_tickets",
            [{"t.body"}, {"t.status"}],
        ),
        (
            "select * replace (body as status) from agent_tickets",
            [{"t.ticket_id"}, {"t.customer_key"}, {"t.body"}, {"t.body"}],
        ),
        (
            "with x as (select body as b from agent_tickets) select upper(b) from x",
            [{"t.body"}],
        ),
        (
            "with x(a, b) as (select ticket_id, body from agent_tickets) select b, a from x",
            [{"t.body"}, {"t.ticket_id"}],
        ),
        ("select s.z from (select body as z from agent_tickets) s", [{"t.body"}]),
        ("select z from (select body from agent_tickets) s(z)", [{"t.body"}]),
        (
            "select status from agent_orders union all select body from agent_tickets",
            [{"o.status", "t.body"}],
        ),
        (
            "select customer_key, t.status from agent_orders join agent_tickets t "
            "using (customer_key)",
            [{"o.customer_key", "t.customer_key"}, {"t.status"}],
        ),
        (
            "select * from agent_orders o join agent_tickets t using (customer_key)",
            [
                {"o.order_id"},
                {"o.customer_key", "t.customer_key"},
                {"o.status"},
                {"o.total"},
                {"t.ticket_id"},
                {"t.body"},
                {"t.status"},
            ],
        ),
        ("select body as b, b || '!' as c from agent_tickets", [{"t.body"}, {"t.body"}]),
        (
            "select (select max(body) from agent_tickets) as m, order_id from agent_orders",
            [{"t.body"}, {"o.order_id"}],
        ),
        (
            "select list_transform([body], lambda x: x || status) from agent_tickets",
            [{"t.body", "t.status"}],
        ),
        (
            "select first_value(body) over (order by ticket_id) from agent_tickets",
            [{"t.body", "t.ticket_id"}],
        ),
        (
            "select t from agent_tickets t",
            [{"t.ticket_id", "t.customer_key", "t.body", "t.status"}],
        ),
        ("select t.* exclude (body) from agent_tickets t, agent_orders o", None),
        ("select case when total > 1 then 'a' else status end from agent_orders", None),
        ("from agent_tickets select body", [{"t.body"}]),
        ("select * from (values (1, 'x')) v(a, b)", [set(), set()]),
        (
            "select l.b from agent_orders o, lateral (select o.status as b) l",
            [{"o.status"}],
        ),
        ("select BODY from Agent_Tickets", [{"t.body"}]),
    ],
)
def test_an_outputs_columns_are_followed(sql: str, expected: list[set[str]] | None) -> None:
    found = origins(sql)
    if expected is None:
        assert found is not None
        assert all("t.body" not in one for one in found)
    else:
        assert found == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select columns(*) from agent_tickets",
        "pivot agent_tickets on status in ('open') using max(body)",
        "unpivot agent_tickets on body, status into name n value v",
        "with recursive x as (select 1 as a union all select a + 1 from x where a < 3) from x",
        "select unnest from unnest([1, 2])",
        "select * rename (body as status) from agent_tickets",
        "select #3 from agent_tickets",
        "select status from agent_orders union by name select body from agent_tickets",
        "select * from agent_orders natural join agent_tickets",
        "describe agent_tickets",
    ],
)
def test_what_is_not_followed_is_given_up(sql: str) -> None:
    assert origins(sql) is None
