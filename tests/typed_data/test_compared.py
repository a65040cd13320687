"""Comparison of typed data digests with viem and ethers; specs/typed-data.md decides where they differ."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.typed_data.judged import Verdict, run_judges
from tests.typed_data.samples import REFERS_TO_ITSELF, Sample, samples
from wallet_rpc.domain.signature import recover_signer
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data

CASES = int(os.environ.get("TYPED_DATA_CASES", "5000"))
SEED = int(os.environ.get("TYPED_DATA_SEED", "1"))
SIGNED_EVERY = 50
PAGE = Path(__file__).parents[2] / "specs" / "typed-data.md"
ROW = re.compile(r"^\| (.+) \| (hashes|refuses|otherwise|sometimes) \| (\w+) \| (as viem|as ethers|refused) \|$", re.M)


def rows() -> dict[str, tuple[str, str, str]]:
    """Read the page's table: the name of a change, then the results of viem, of ethers and of this project."""
    return {change: (viem, ethers, here) for change, viem, ethers, here in ROW.findall(PAGE.read_text())}


def own_digest(sample: Sample) -> str | None:
    """Return this project's digest; None for rejected data, whose error must name a part of the typed data."""
    try:
        return typed_data_digest(sample.data).hex0x()
    except InvalidParams as error:
        rejection = error
    assert rejection.reason == "typed_data_malformed"
    assert re.match(r"(domain|types|primaryType|message)\b", rejection.field or "")
    assert rejection.message.startswith(f"{rejection.field}: ")
    return None


def expected_verdict(sample: Sample, verdict: Verdict) -> str | None:
    match rows().get(sample.change):
        case None:
            assert verdict.viem is None or verdict.viem == verdict.ethers, f"not on the page: {sample}, {verdict}"
            return verdict.viem
        case (_, _, "as viem"):
            return verdict.viem
        case (_, _, "as ethers"):
            return verdict.ethers
        case _:
            return None


Judged = list[tuple[Sample, Verdict, str | None]]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    cases = list(samples(SEED, CASES))
    folder = tmp_path_factory.mktemp("judged")
    with run_judges([sample.data for sample in cases], folder, signed_every=SIGNED_EVERY) as verdicts:
        digests = [own_digest(sample) for sample in cases]
    return list(zip(cases, verdicts, digests, strict=True))


def test_every_digest_and_every_refusal_is_the_libraries_or_on_the_page(judged: Judged) -> None:
    assert len(judged) >= 5000
    different = [
        (sample, verdict, digest) for sample, verdict, digest in judged if digest != expected_verdict(sample, verdict)
    ]
    assert different == []


def test_the_page_matches_the_libraries(judged: Judged) -> None:
    """Each row must have samples, and match the present versions of the libraries."""
    seen = defaultdict[str, set[tuple[str, str]]](set)
    for sample, verdict, _ in judged:
        viem = "refuses" if verdict.viem is None else "hashes"
        is_other = verdict.viem not in {None, verdict.ethers}
        ethers = "refuses" if verdict.ethers is None else "otherwise" if is_other else "hashes"
        seen[sample.change].add((viem, ethers))
    results = {
        change: tuple(words.pop() if len(words) == 1 else "sometimes" for words in map(set, zip(*pairs, strict=True)))
        for change, pairs in seen.items()
    }
    assert {change: results.get(change) for change in rows()} == {change: row[:2] for change, row in rows().items()}


def test_a_local_account_of_viem_signs_the_digest(judged: Judged) -> None:
    signed = [(verdict, digest) for _, verdict, digest in judged if verdict.signature and digest == verdict.viem]
    assert len(signed) > 20
    for verdict, digest in signed:
        signer = recover_signer(Data.parse(digest), Data.parse(verdict.signature))
        assert signer is not None
        assert signer.hex0x() == verdict.signer


def test_the_samples_hold_valid_ones_and_every_kind_of_change(judged: Judged) -> None:
    changes = {sample.change for sample, _, _ in judged}
    assert changes >= {"", REFERS_TO_ITSELF, *rows()}
    assert sum(sample.change == "" for sample, _, _ in judged) > len(judged) / 4
