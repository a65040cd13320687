"""Replay of golden scenarios on the embedded chain: `python -m tests.golden.scenarios DIR`.

DIR contains scenario files (see specs/scenarios/README.md). Everything except gas figures is compared. The contracts
are the development contracts, or with `--contracts production` the published ones of `--deployments FILE`.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.golden.scenario_files import Family, Json, Meta, expand, read_families, sample_families
from tests.golden.scenario_replay import replay
from tests.golden.scenario_world import ScenarioWorld
from wallet_rpc.devchain.genesis import Genesis, GenesisMissing, load_deployments, load_genesis
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    ALLOWLIST_MODULE_V2_0_0,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
)

DEPLOYMENTS = Path(__file__).parents[3] / "shared" / "contracts" / "modular-account-v2.broadcast.json"
"""The default path of the published deployment records."""
_PRINTED_DIFFERENCES = 12
_EXECUTE_USER_OP = "0x8dd7712f"


@dataclass(frozen=True, slots=True)
class Contracts:
    """A set of contracts that scenarios run on."""

    contracts: Genesis
    superseded_allowlist: Genesis | None = None
    """The same contracts with the published AllowlistModule, which does not look inside executeUserOp."""

    def of(self, scenario: Json) -> Genesis:
        """Return the contracts for a scenario.

        The published records lack the AllowlistModule in use. The superseded one is equivalent without executeUserOp.
        """
        if self.superseded_allowlist is None or any(map(_is_wrapped, scenario["steps"])):
            return self.contracts
        return self.superseded_allowlist


def _is_wrapped(step: Json) -> bool:
    operations = [step["op"]] if step["kind"] == "userop" else step.get("ops", [])
    return any(operation.get("callData", "").startswith(_EXECUTE_USER_OP) for operation in operations)


class Replayer:
    """Replayer of one family's scenarios; creates the chain once for each set of contracts."""

    def __init__(self, contract_set: Contracts, meta: Meta) -> None:
        self._contract_set = contract_set
        self._meta = meta
        self._worlds: dict[int, ScenarioWorld] = {}

    def differences(self, scenario: Json) -> list[str]:
        """Replay one scenario and return its differences."""
        contracts = self._contract_set.of(scenario)
        world = self._worlds.get(id(contracts))
        if world is None:
            world = self._worlds[id(contracts)] = ScenarioWorld(contracts, self._meta)
        return replay(world, expand(scenario, self._meta))


def our_contracts() -> Contracts:
    """Return the development contracts. Raises: GenesisMissing."""
    return Contracts(load_genesis())


def production_contracts(deployments: Path) -> Contracts:
    """Return the published contracts, with development contracts for the rest.

    Raises: FileNotFoundError; GenesisMissing.
    """
    development = load_genesis()
    published = load_deployments(deployments)
    contracts = {**development, **published}
    contracts.pop(SEMI_MODULAR_ACCOUNT_7702_V1_1)
    superseded = {**contracts, ALLOWLIST_MODULE: published[ALLOWLIST_MODULE_V2_0_0]}
    return Contracts(contracts, superseded)


def replay_family(contract_set: Contracts, family: Family) -> dict[str, list[str]]:
    """Replay every scenario of a family; return the differences by scenario id."""
    replayer = Replayer(contract_set, family.meta)
    return {scenario["id"]: replayer.differences(scenario) for scenario in family.scenarios}


def replay_all(contract_set: Contracts, families: list[Family], *, processes: int) -> int:
    """Replay all families and print the results; return the number of failed scenarios."""
    passed = 0
    failed = 0
    with ProcessPoolExecutor(processes) as pool:
        runs = [(family, pool.submit(replay_family, contract_set, family)) for family in families]
        for family, run in runs:
            results = run.result()
            bad = {name: lines for name, lines in results.items() if lines}
            passed += len(results) - len(bad)
            failed += len(bad)
            print(f"{family.name}: {len(results) - len(bad)} passed, {len(bad)} failed", flush=True)
            for name, lines in bad.items():
                print("\n".join(f"  {name} {line}" for line in lines[:_PRINTED_DIFFERENCES]))
    print(f"{passed} passed, {failed} failed")
    return failed


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Replay golden scenarios on the embedded chain.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with scenario files")
    parser.add_argument("--contracts", choices=("ours", "production"), default="ours")
    parser.add_argument("--deployments", type=Path, default=DEPLOYMENTS, help="published deployment records")
    parser.add_argument("--sample", type=int, metavar="N", help="replay only one scenario in N, chosen by --seed")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for --sample; random by default")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.contracts == "production" and not options.deployments.is_file():
        print(f"Skipped: {options.deployments.name} with the published contracts does not exist (see --deployments)")
        return 0
    try:
        families = read_families(options.folder)
        contract_set = our_contracts() if options.contracts == "ours" else production_contracts(options.deployments)
    except (FileNotFoundError, GenesisMissing) as error:
        print(error, file=sys.stderr)
        return 2
    if options.sample:
        print(f"One scenario in {options.sample}, --seed {options.seed}")
        families = sample_families(families, one_in=options.sample, seed=options.seed)
    return 1 if replay_all(contract_set, families, processes=options.processes) else 0


if __name__ == "__main__":
    sys.exit(main())
