"""The decision engine against the contracts on an EVM, on generated pairs; `make check-rules` compares 10,000."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from tests.explain.comparison import Tally, compare_pairs, find_disagreement, judge
from tests.explain.evm import Laboratory
from tests.explain.generator import Generator
from tests.golden.published import published_contracts
from tests.golden.scenario_files import read_families
from tests.golden.scenarios import our_contracts
from wallet_rpc.devchain.genesis import Genesis

SCENARIOS = Path(__file__).parents[2] / "specs" / "scenarios"
PAIRS = 300


def build_laboratory(contracts: Genesis) -> Laboratory:
    return Laboratory(contracts, read_families(SCENARIOS)[0].meta)


@pytest.fixture(scope="module")
def laboratory() -> Laboratory:
    return build_laboratory(our_contracts().contracts)


def assert_agreement(laboratory: Laboratory) -> Tally:
    seed, tally = secrets.token_hex(4), Tally()
    compare_pairs(laboratory, seed, PAIRS, tally)
    assert not tally.disagreements, f"seed {seed}: {tally.disagreements[0]}"
    return tally


def test_the_engine_agrees_with_the_contracts(laboratory: Laboratory) -> None:
    tally = assert_agreement(laboratory)

    assert tally.pairs == PAIRS
    assert tally.decisions["allowed"] > PAIRS // 50
    assert len(tally.decisions) > 8, tally.decisions


def test_the_engine_agrees_with_the_published_contracts() -> None:
    assert_agreement(build_laboratory(published_contracts().contracts))


def test_a_wrong_decision_is_a_disagreement(laboratory: Laboratory) -> None:
    generator = Generator("wrong", laboratory.addresses, laboratory.account)
    found = set()
    for _ in range(40):
        grant = generator.grant()
        mark = laboratory.install(grant.install)
        if mark is None:
            continue
        decision, outcome = judge(laboratory, grant, generator.attempt(grant))
        laboratory.undo(mark)
        assert find_disagreement(grant, decision, outcome) is None
        permissive = replace(decision, denials=(), factors=())
        if decision.denial is not None:
            found.add(find_disagreement(grant, permissive, outcome))
        elif outcome.success:
            spent = replace(decision, remaining=replace(decision.remaining, gas=7))
            found.add(find_disagreement(grant, spent, outcome))
    assert {"not denied, but rejected", "another remainder of the limits"} <= found
