"""Trials of grants on anvil and on the embedded chain: the same results, for new, deployed and delegated accounts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devchain.sample import ALICE
from tests.devchain.side_by_side import Pair, Refusal
from tests.e2e.permissions import CASES
from wallet_rpc import wire
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.domain.authorization import designator
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.installation_trial import (
    STAND_IN,
    STAND_IN_OVERRIDE,
    encode_stand_in_trial,
    encode_trial,
    find_obstacle,
)
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data

Json = dict[str, Any]
GRANTS = [wire.decode(tuple[Permission, ...], list(case.permissions)) for case in CASES.values()]
DELEGATED = Address(b"\xde" * 20)


def run_trial(chains: Pair, account: Address, data: Data, *override: Json) -> object:
    """Return the result of a trial, which is the same on both chains."""
    call = {"from": account.hex0x(), "to": account.hex0x(), "data": data.hex0x()}
    on_anvil, embedded = chains.both("eth_call", call, "latest", *override)
    assert on_anvil == embedded
    return on_anvil if isinstance(on_anvil, Refusal) else find_obstacle(bytes.fromhex(on_anvil[2:]))


def try_new(chains: Pair, grant: tuple[Permission, ...]) -> object:
    data = encode_stand_in_trial(grant, has_expiry=True)
    return run_trial(chains, STAND_IN, data, {STAND_IN.hex0x(): dict(STAND_IN_OVERRIDE)})


def try_on(chains: Pair, account: Address, grant: tuple[Permission, ...]) -> object:
    terms = SessionTerms(account=account, key=ALICE.address, entity_id=9, deadline=1_900_000_000, now=0)
    return run_trial(chains, account, encode_trial(account, compile_permissions(grant, terms)))


@pytest.mark.parametrize("grant", GRANTS)
def test_each_permission_can_be_installed(chains: Pair, grant: tuple[Permission, ...]) -> None:
    deployment = semi_modular_deployment(ALICE.address)
    creation = {
        "from": ALICE.address.hex0x(),
        "to": deployment.factory.address.hex0x(),
        "data": deployment.factory.data.hex0x(),
    }
    with chains.revert_changes():
        chains.mine(creation)
        chains.both("anvil_setCode", DELEGATED.hex0x(), designator(SEMI_MODULAR_ACCOUNT_7702).hex0x())
        assert try_new(chains, grant) is None
        assert try_on(chains, deployment.address, grant) is None
        assert try_on(chains, DELEGATED, grant) is None


def test_an_absent_module_reverts(chains: Pair) -> None:
    grant = wire.decode(tuple[Permission, ...], list(CASES["contract-access"].permissions))
    with chains.revert_changes():
        chains.both("anvil_setCode", ALLOWLIST_MODULE.hex0x(), "0x")
        assert try_new(chains, grant) == Refusal("reverted")
