"""Check of every vector in a folder: `python -m tests.golden.vectors DIR`.

Each field of each vector is computed from the vector's inputs and compared as bytes. The output is one line a family
and a last line `N passed, M failed`. The exit code is 0 only when all passed and every family was known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.golden import vector_checks, vector_permissions, vector_signatures
from tests.golden.vector_reading import MismatchError, Vector

Check = Callable[[Vector], None]

CHECKS: dict[str, Check] = {
    "addresses": vector_checks.check_address,
    "authorizations": vector_checks.check_authorization,
    "calldatas": vector_checks.check_call_data,
    "contexts": vector_checks.check_context,
    "nonces": vector_checks.check_nonce,
    "permissions": vector_permissions.check_permission,
    "signatures": vector_signatures.check_signature,
    "uninstalls": vector_permissions.check_uninstall,
    "userops": vector_checks.check_user_operation,
}
LEFT_OUT = {"legacy": "older SDK releases, which are not supported"}


def failures(family: str, vectors: list[Vector]) -> Iterator[str]:
    """Yield one line for each vector that is not reproduced."""
    check = CHECKS[family]
    for vector in vectors:
        name = str(vector.get("id", "without id"))
        try:
            check(vector)
        except MismatchError as mismatch:
            yield f"{family} {name}: {mismatch}"
        except Exception as error:  # one broken vector must not hide the others
            yield f"{family} {name}: {type(error).__name__}: {error}"


def check_file(content: dict[str, Any]) -> tuple[int, list[str], str]:
    """Check a family; return the number of passed vectors, a line for each failure, and a summary line."""
    family = content.get("family")
    vectors = content.get("vectors", [])
    if family in LEFT_OUT:
        return 0, [], f"{family}: {len(vectors)} left out ({LEFT_OUT[family]})"
    if family not in CHECKS:
        return 0, [f"unknown family {family!r}"], f"{family}: unknown family"
    failed = list(failures(str(family), vectors))
    if content.get("count", len(vectors)) != len(vectors):
        failed.append(f"{family}: declares {content['count']} vectors, has {len(vectors)}")
    passed = len(vectors) - sum(" declares " not in line for line in failed)
    return passed, failed, f"{family}: {passed} passed, {len(failed)} failed"


def main(folder: Path) -> int:
    """Check the folder, print the results, and return the exit code."""
    files = sorted(folder.glob("*.json"))
    passed = 0
    failed = [] if files else [f"no vector files in {folder}"]
    for file in files:
        passed_in_file, failed_in_file, summary = check_file(json.loads(file.read_text("utf-8")))
        print(summary)
        passed += passed_in_file
        failed += failed_in_file
    for line in failed:
        print(f"  {line}", file=sys.stderr)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
