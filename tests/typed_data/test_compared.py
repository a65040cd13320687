"""Typed data is hashed as viem and ethers hash it, or refused; where they differ, as the page says."""

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
    """The page's table: by what is changed, the words for viem, for ethers and for this project."""
    return {what: (viem, ethers, here) for what, viem, ethers, here in ROW.findall(PAGE.read_text())}


def ours(sample: Sample) -> str | None:
    """The digest; None for what is refused, which must name a part of the typed data."""
    try:
        return typed_data_digest(sample.data).hex0x()
    except InvalidParams as error:
        refused = error
    assert refused.reason == "typed_data_malformed"
    assert re.match(r"(domain|types|primaryType|message)\b", refused.facts["field"])
    assert refused.message.startswith(f"{refused.facts['field']}: ")
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
    given = list(samples(SEED, CASES))
    folder = tmp_path_factory.mktemp("judged")
    with run_judges([sample.data for sample in given], folder, signed_every=SIGNED_EVERY) as said:
        found = [ours(sample) for sample in given]
    return list(zip(given, said, found, strict=True))


def test_every_digest_and_every_refusal_is_the_libraries_or_on_the_page(judged: Judged) -> None:
    assert len(judged) >= 5000
    wrong = [
        (sample, verdict, found) for sample, verdict, found in judged if found != expected_verdict(sample, verdict)
    ]
    assert wrong == []


def test_the_page_says_what_the_libraries_do(judged: Judged) -> None:
    """A row that no longer holds, since a library has changed, or that nothing tries, is not a row."""
    seen = defaultdict[str, set[tuple[str, str]]](set)
    for sample, verdict, _ in judged:
        viem = "refuses" if verdict.viem is None else "hashes"
        is_other = verdict.viem not in {None, verdict.ethers}
        ethers = "refuses" if verdict.ethers is None else "otherwise" if is_other else "hashes"
        seen[sample.change].add((viem, ethers))
    words = {
        what: tuple(said.pop() if len(said) == 1 else "sometimes" for said in map(set, zip(*each, strict=True)))
        for what, each in seen.items()
    }
    assert {what: words.get(what) for what in rows()} == {what: row[:2] for what, row in rows().items()}


def test_what_a_local_account_of_viem_signs_is_the_digest(judged: Judged) -> None:
    signed = [(verdict, found) for _, verdict, found in judged if verdict.signature and found == verdict.viem]
    assert len(signed) > 20
    for verdict, found in signed:
        signer = recover_signer(Data.parse(found), Data.parse(verdict.signature))
        assert signer is not None
        assert signer.hex0x() == verdict.signer


def test_the_samples_hold_valid_ones_and_every_kind_of_change(judged: Judged) -> None:
    changes = {sample.change for sample, _, _ in judged}
    assert changes >= {"", REFERS_TO_ITSELF, *rows()}
    assert sum(sample.change == "" for sample, _, _ in judged) > len(judged) / 4
