"""Comparison of many generated pairs: `python -m tests.explain --pairs 10000`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.explain.comparison import Tally, compare_pairs
from tests.explain.evm import Laboratory
from tests.golden.scenario_files import read_families
from tests.golden.scenarios import DEPLOYMENTS, our_contracts, production_contracts

SCENARIOS = Path(__file__).parents[2] / "specs" / "scenarios"
_PRINTED = 5


def compare(contracts: str, seed: str, pairs: int) -> Tally:
    """Compare pairs on one set of contracts, in this process."""
    chosen = our_contracts() if contracts == "ours" else production_contracts(DEPLOYMENTS)
    tally = Tally()
    compare_pairs(Laboratory(chosen.contracts, read_families(SCENARIOS)[0].meta), seed, pairs, tally)
    return tally


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare the decision engine with the contracts.")
    parser.add_argument("--pairs", type=int, default=10_000, help="pairs of a grant and an operation")
    parser.add_argument("--seed", default=str(int(time.time())), help="random by default")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--contracts", choices=("ours", "production"), default="ours")
    options = parser.parse_args()
    if options.contracts == "production" and not DEPLOYMENTS.is_file():
        print(f"Skipped: {DEPLOYMENTS.name} with the published contracts is not on this machine")
        return 0
    share = -(-options.pairs // options.processes)
    print(f"{share * options.processes} pairs on {options.contracts} contracts, --seed {options.seed}", flush=True)
    with ProcessPoolExecutor(options.processes) as pool:
        seeds = [f"{options.seed} {number}" for number in range(options.processes)]
        tallies = list(pool.map(compare, [options.contracts] * len(seeds), seeds, [share] * len(seeds)))
    found = [line for tally in tallies for line in tally.disagreements]
    for name, count in sum((tally.decisions for tally in tallies), Counter()).most_common():
        print(f"{count:7} {name}")
    print("\n".join(found[:_PRINTED]))
    print(f"{sum(tally.pairs for tally in tallies)} pairs, {len(found)} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
