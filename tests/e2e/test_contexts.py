"""Grants that a client stores: the server checks the contents of a context before it uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.e2e.elsewhere import LocalGrant, local_grant
from tests.support.constants import FRIEND
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet
from wallet_rpc.domain import abi
from wallet_rpc.domain.permission import Root
from wallet_rpc.primitives import Address, Data

ROOT = Root(type="root")
KEY = abi.address(Address(b"\x5e" * 20))


def with_options(options: int) -> Callable[[LocalGrant], LocalGrant]:
    return lambda grant: replace(grant, nonce=(1 << 8 | options) << 64)


def with_install_data(data: bytes) -> Callable[[LocalGrant], LocalGrant]:
    return lambda grant: replace(grant, install=replace(grant.install, install_data=Data(data)))


MALFORMED = {
    "not deferred": with_options(0),
    "not global": with_options(2),
    "a direct call": with_options(4),
    "a direct call, deferred": with_options(6),
    "unknown options": with_options(0xFF),
    "the nonce of another id": lambda grant: replace(grant, nonce=(2 << 8 | 3) << 64),
    "no install data": with_install_data(b""),
    "short install data": with_install_data(bytes(63)),
    "long install data": with_install_data(abi.uint(1) + KEY + bytes(32)),
    "a signer of another id": with_install_data(abi.uint(2) + KEY),
    "a dirty signer": with_install_data(abi.uint(1) + b"\1" + KEY[1:]),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_grant_is_rejected_by_name(wallet: Wallet, change: Callable[[LocalGrant], LocalGrant]) -> None:
    grant = change(local_grant(wallet, ROOT))
    with pytest.raises(RpcError) as error_info:
        wallet.prepare({"to": FRIEND}, permissions=grant.permissions(wallet))
    assert (error_info.value.code, error_info.value.reason) == (-32602, "context_malformed")
    assert error_info.value.data["field"] == "params.capabilities.permissions"


def test_a_well_formed_grant_is_installed(wallet: Wallet) -> None:
    assert local_grant(wallet, ROOT).use(wallet, {"to": FRIEND}) == 200
