"""The results of viem and ethers for typed data, from a Node.js process."""

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
    """The digests, None if a library rejects the data; and the signature of viem's local account, if requested."""

    viem: str | None
    ethers: str | None
    signature: str | None
    signer: str


@contextmanager
def run_judges(typed: Sequence[dict[str, Any]], folder: Path, *, signed_every: int) -> Iterator[list[Verdict]]:
    """Run the libraries in parallel with the block; the yielded list holds the verdicts, in order, after the block."""
    npm.prepare()
    requests = folder / "requests"
    responses = folder / "responses"
    verdicts: list[Verdict] = []
    with requests.open("w") as lines:
        for number, data in enumerate(typed):
            lines.write(json.dumps({"data": data, "signed": number % signed_every == 0}) + "\n")
    script = npm.HERE / "build" / "judges" / "typed_data.js"
    with requests.open() as source, responses.open("w") as sink:
        process = subprocess.Popen([find_node_js().node, script], stdin=source, stdout=sink)  # noqa: S603  # own script
        try:
            yield verdicts
            assert process.wait(LONGEST_SECONDS) == 0
        finally:
            process.kill()
            process.wait()
    verdicts += (Verdict(**json.loads(line)) for line in responses.read_text().splitlines())
