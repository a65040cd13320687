"""Replays golden scenarios on the embedded chain: `python -m tests.golden.scenarios DIR`.

DIR holds scenario files (see specs/scenarios/README.md). Everything but gas figures is compared. The contracts are
our own, or with `--contracts production` the published ones, read from `--deployments FILE`.
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
"""Where the published deployment records are looked for."""
_PRINTED_DIFFERENCES = 12
_EXECUTE_USER_OP = "0x8dd7712f"


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts that scenarios run on."""

    contracts: Genesis
    superseded_allowlist: Genesis | None = None
    """The same with the published AllowlistModule, which does not look inside executeUserOp."""

    def of(self, scenario: Json) -> Genesis:
        """The published records lack the AllowlistModule in use; theirs will do where nothing is wrapped."""
        if self.superseded_allowlist is None or any(map(_is_wrapped, scenario["steps"])):
            return self.contracts
        return self.superseded_allowlist


def _is_wrapped(step: Json) -> bool:
    operations = [step["op"]] if step["kind"] == "userop" else step.get("ops", [])
    return any(operation.get("callData", "").startswith(_EXECUTE_USER_OP) for operation in operations)


class Replayer:
    """Replays scenarios one after the other; makes the world once for each set of contracts."""

    def __init__(self, bed: Contracts, meta: Meta) -> None:
        self._bed = bed
        self._meta = meta
        self._worlds: dict[int, ScenarioWorld] = {}

    def differences(self, scenario: Json) -> list[str]:
        """The differences of one scenario."""
        contracts = self._bed.of(scenario)
        world = self._worlds.get(id(contracts))
        if world is None:
            world = self._worlds[id(contracts)] = ScenarioWorld(contracts, self._meta)
        return replay(world, expand(scenario, self._meta))


def our_contracts() -> Contracts:
    """Our own contracts. Raises: GenesisMissing."""
    return Contracts(load_genesis())


def production_contracts(deployments: Path) -> Contracts:
    """The published contracts where there are any, ours elsewhere. Raises FileNotFoundError, GenesisMissing."""
    ours = load_genesis()
    published = load_deployments(deployments)
    contracts = {**ours, **published}
    contracts.pop(SEMI_MODULAR_ACCOUNT_7702_V1_1)
    superseded = {**contracts, ALLOWLIST_MODULE: published[ALLOWLIST_MODULE_V2_0_0]}
    return Contracts(contracts, superseded)


def replay_family(bed: Contracts, family: Family) -> dict[str, list[str]]:
    """The differences of every scenario of a family, by scenario id."""
    replayer = Replayer(bed, family.meta)
    return {scenario["id"]: replayer.differences(scenario) for scenario in family.scenarios}


def replay_all(bed: Contracts, families: list[Family], *, processes: int) -> int:
    """Replay and print; how many scenarios failed."""
    passed = failed = 0
    with ProcessPoolExecutor(processes) as pool:
        runs = [(family, pool.submit(replay_family, bed, family)) for family in families]
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
    """The command line."""
    parser = argparse.ArgumentParser(description="Replay golden scenarios on the embedded chain.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with scenario files")
    parser.add_argument("--contracts", choices=("ours", "production"), default="ours")
    parser.add_argument("--deployments", type=Path, default=DEPLOYMENTS, help="published deployment records")
    parser.add_argument("--sample", type=int, metavar="N", help="replay only one scenario in N, chosen by --seed")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for --sample; random by default")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.contracts == "production" and not options.deployments.is_file():
        print(f"Skipped: {options.deployments.name} with the published contracts is not there (see --deployments)")
        return 0
    try:
        families = read_families(options.folder)
        bed = our_contracts() if options.contracts == "ours" else production_contracts(options.deployments)
    except (FileNotFoundError, GenesisMissing) as error:
        print(error, file=sys.stderr)
        return 2
    if options.sample:
        print(f"One scenario in {options.sample}, --seed {options.seed}")
        families = sample_families(families, one_in=options.sample, seed=options.seed)
    return 1 if replay_all(bed, families, processes=options.processes) else 0


if __name__ == "__main__":
    sys.exit(main())
