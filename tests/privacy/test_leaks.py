"""The red-team corpus: ways to smuggle a personal column to an agent, and what catches each."""

import pytest

from tests.privacy.conftest import CORPUS, Leak, Manifest, prove_manifest, with_models

PROVABLE = [leak for leak in CORPUS if leak.caught_by == "proof"]


@pytest.mark.parametrize("leak", PROVABLE, ids=lambda leak: leak.name)
def test_the_proof_refuses_a_model_that_smuggles(leak: Leak, leaky: Manifest) -> None:
    proof = prove_manifest(with_models(leaky, leak.model))
    told = [problem for problem in proof.problems if leak.model in problem]
    assert any(leak.tells in problem for problem in told), (leak.how, proof.problems)
    assert not proof.holds


def test_without_the_corpus_the_same_project_is_proven(leaky: Manifest) -> None:
    assert prove_manifest(with_models(leaky)).problems == ()


def test_the_corpus_is_large_and_every_case_says_what_catches_it() -> None:
    assert len(CORPUS) >= 40
    assert {leak.caught_by for leak in CORPUS} == {"proof", "scan"}
    assert all(leak.how.endswith(".") and leak.tells and leak.sql for leak in CORPUS)
