"""What viem and ethers say of typed data, asked in a process of Node.js."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import npm
from wallet_rpc.devchain.build import find_node_js

LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class Verdict:
    """The digests, None for what a library refuses; and the signature of a local account of viem, where wanted."""

    viem: str | None
    ethers: str | None
    signature: str | None
    signer: str


@contextmanager
def run_judges(typed: Sequence[dict[str, Any]], folder: Path, *, signed_every: int) -> Iterator[list[Verdict]]:
    """The verdicts, in their order, when the block ends; it runs meanwhile."""
    npm.prepare()
    given, said, found = folder / "given", folder / "said", list[Verdict]()
    with given.open("w") as lines:
        for number, data in enumerate(typed):
            lines.write(json.dumps({"data": data, "signed": number % signed_every == 0}) + "\n")
    script = npm.HERE / "build" / "judges" / "typed_data.js"
    with given.open() as source, said.open("w") as sink:
        process = subprocess.Popen([find_node_js().node, script], stdin=source, stdout=sink)  # noqa: S603  # our own file
        try:
            yield found
            assert process.wait(LONGEST_SECONDS) == 0
        finally:
            process.kill()
            process.wait()
    found += (Verdict(**json.loads(line)) for line in said.read_text().splitlines())
