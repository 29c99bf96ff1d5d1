"""Every mask of every agent model is needed: without any one of them publishing is refused."""

import re
from collections.abc import Iterator
from copy import deepcopy

from tests.privacy.conftest import Manifest, prove_manifest

CALL = re.compile(r"\bprivacy\.(\w+)\(")


def first_argument(sql: str, start: int) -> tuple[str, int]:
    """The first argument of the call whose bracket opens before ``start``, and the call's end."""
    depth, comma, position, quoted = 1, None, start, False
    while depth:
        letter = sql[position]
        quoted ^= letter == "'"
        if not quoted:
            depth += (letter in "([{") - (letter in ")]}")
            if letter == "," and depth == 1 and comma is None:
                comma = position
        position += 1
    return sql[start : comma if comma is not None else position - 1], position


def without_each_mask(manifest: Manifest) -> Iterator[tuple[str, str, Manifest]]:
    """For each mask call of each agent model: model, mask, and the manifest without that call."""
    for key, node in manifest["nodes"].items():
        if node["resource_type"] != "model" or node["schema"] != "agents":
            continue
        sql = node["compiled_code"]
        for call in CALL.finditer(sql):
            argument, end = first_argument(sql, call.end())
            changed = {**node, "compiled_code": sql[: call.start()] + argument + sql[end:]}
            yield node["name"], call[1], {**manifest, "nodes": {**manifest["nodes"], key: changed}}


def test_pulling_out_any_one_mask_is_refused_and_told(manifest: Manifest) -> None:
    pulled = list(without_each_mask(manifest))
    assert len(pulled) >= 13
    for model, mask, changed in pulled:
        proof = prove_manifest(changed)
        assert any(
            problem.startswith(f"{model}.") and "unmasked" in problem for problem in proof.problems
        ), (model, mask, proof.problems)


def test_the_message_shows_the_way_model_by_model_and_what_to_do(manifest: Manifest) -> None:
    changed = next(
        changed
        for model, mask, changed in without_each_mask(manifest)
        if (model, mask) == ("agent_customers", "email_key")
    )
    (problem,) = prove_manifest(changed).problems
    assert problem.startswith(
        "agent_customers.email_key shows shop.customers.email (class email) unmasked: "
        "shop.customers.email -> stg_shop__customers.email -> dim_customers.email -> "
        "agent_customers.email_key; pass it, as its first argument, through "
    )
    assert " email_key or " in problem and problem.endswith(", or leave the column out")


def test_a_mask_that_hides_less_than_it_did_is_refused(manifest: Manifest) -> None:
    changed = deepcopy(manifest)
    mask = changed["macros"]["macro.grounded.mask_phone"]
    mask["config"]["meta"] = mask["meta"] = {"mask": {"method": "partial", "hides": ["name"]}}
    assert any("phone_masked" in problem for problem in prove_manifest(changed).problems)


def test_a_new_class_of_a_column_is_refused_where_its_mask_does_not_hide_it(
    manifest: Manifest,
) -> None:
    changed = deepcopy(manifest)
    column = changed["sources"]["source.grounded.shop.customers"]["columns"]["country"]
    column["config"]["meta"] = column["meta"] = {"privacy": "address"}
    told = "agent_customers.country shows shop.customers.country (class address) unmasked: "
    assert any(problem.startswith(told) for problem in prove_manifest(changed).problems)


def test_a_declared_mask_is_the_one_that_is_passed(manifest: Manifest) -> None:
    changed = deepcopy(manifest)
    columns = changed["nodes"]["model.grounded.agent_customers"]["columns"]
    columns["city"]["config"]["meta"] = columns["city"]["meta"] = {"mask": "pseudonym"}
    columns["country"]["config"]["meta"] = columns["country"]["meta"] = {"mask": "partial"}
    problems = prove_manifest(changed).problems
    assert len(problems) == 2
    assert "agent_customers.city declares mask pseudonym but its masks are generalised" in str(
        problems
    )
