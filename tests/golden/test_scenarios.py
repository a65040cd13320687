"""Golden scenarios on the embedded chain: a seeded tenth of them, or all with WALLET_RPC_TEST_ALL_SCENARIOS=1."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from tests.golden.published import published_contracts
from tests.golden.revert_names import revert_names
from tests.golden.scenario_files import Family, read_families, sample_families
from tests.golden.scenarios import Contracts, Replayer, our_contracts, replay_family

FOLDER = Path(__file__).parents[2] / "specs" / "scenarios"
SEED = 1126
ONE_IN = 1 if os.environ.get("WALLET_RPC_TEST_ALL_SCENARIOS") == "1" else 10
ONE_IN_PRODUCTION = 30

FAMILIES = read_families(FOLDER)


@pytest.fixture(scope="module")
def development() -> Contracts:
    return our_contracts()


@pytest.fixture(scope="module")
def production() -> Contracts:
    return published_contracts()


def failures(contract_set: Contracts, family: Family) -> dict[str, list[str]]:
    return {name: lines for name, lines in replay_family(contract_set, family).items() if lines}


@pytest.mark.parametrize("family", sample_families(FAMILIES, one_in=ONE_IN, seed=SEED), ids=lambda family: family.name)
def test_development_contracts_behave_like_production(development: Contracts, family: Family) -> None:
    assert failures(development, family) == {}


@pytest.mark.parametrize(
    "family", sample_families(FAMILIES, one_in=ONE_IN_PRODUCTION, seed=SEED), ids=lambda family: family.name
)
def test_published_contracts_behave_like_production(production: Contracts, family: Family) -> None:
    assert failures(production, family) == {}


def test_every_kind_of_wrong_expectation_is_noticed(development: Contracts) -> None:
    family = FAMILIES[0]
    replayer = Replayer(development, family.meta)
    first, second = family.scenarios[0]["steps"][:2]
    assert first["expect"]["validation"] == "ok"
    assert second["expect"]["validation"]["code"] == "AA23"
    for path, value in [
        (("before", "net(ACCOUNT)"), "1"),
        (("steps", 0, "expect", "validation"), {"code": "AA23"}),
        (("steps", 0, "expect", "execution", "success"), False),
        (("steps", 0, "expect", "logs"), []),
        (("steps", 0, "expect", "after", "signer(65536)"), "0"),
        (("steps", 0, "userOpHash"), "0x00"),
        (("steps", 1, "expect", "validation", "data"), "0x"),
        (("steps", 1, "expect", "validation", "errors"), ["FailedOp"]),
        (("steps", 1, "expect", "after"), {"COUNTER.n": "1"}),
    ]:
        scenario = copy.deepcopy(family.scenarios[0])
        parent = scenario
        for name in path[:-1]:
            parent = parent[name]  # type: ignore[index]  # JSON of mixed kinds
        parent[path[-1]] = value  # type: ignore[index]  # JSON
        assert replayer.differences(scenario) != [], path
    assert replayer.differences(family.scenarios[0]) == []


def test_gas_figures_are_not_compared(development: Contracts) -> None:
    family = FAMILIES[0]
    scenario = copy.deepcopy(family.scenarios[0])
    scenario["steps"][0]["expect"]["execution"]["actualGasUsed"] = 1
    assert Replayer(development, family.meta).differences(scenario) == []


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    one, again = (sample_families(FAMILIES, one_in=10, seed=7) for _ in range(2))
    assert one == again
    assert all(len(family.scenarios) >= 1 for family in one)
    assert one != sample_families(FAMILIES, one_in=10, seed=8)


def test_names_of_nested_errors_end_where_the_data_does() -> None:
    assert revert_names(b"") == []
    assert revert_names(bytes.fromhex("12345678")) == ["0x12345678"]
    assert revert_names(bytes.fromhex("4db96e31")) == ["PreUserOpValidationHookReverted"]
