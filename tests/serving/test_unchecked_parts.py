"""Answers whose parts were not checked are what checking would have made of them."""

from serving.agent import Agent
from serving.envelope import Answer


def test_an_answer_is_what_checking_its_json_gives(agent: Agent) -> None:
    for outcome in (
        agent.lookup("agent_orders", value=3),
        agent.lookup("agent_returns", value=3),
        agent.sql("select body, count(*) n from agent_tickets group by all order by all"),
        agent.search("printer"),
        agent.check_freshness(),
    ):
        assert isinstance(outcome, Answer), outcome
        parts = [outcome, outcome.data, outcome.meta, *outcome.meta.freshness]
        for part in parts:
            assert set(vars(part)) == set(type(part).model_fields)
            assert part.model_fields_set == set(type(part).model_fields)
        checked = Answer.model_validate_json(outcome.model_dump_json())
        assert checked == outcome
        assert checked.model_dump_json() == outcome.model_dump_json()
