"""Conversion of EIP-7702 authorizations between py-evm's form and the domain's."""

from __future__ import annotations

from typing import Any

from eth.vm.forks.prague.transactions import Authorization as AuthorizationTuple
from eth_typing import Address as EvmAddress

from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.primitives import Address


def from_evm_authorization(one: Any) -> SignedAuthorization | None:
    """Convert py-evm's tuple; None when its y_parity is neither 0 nor 1, so that no key can have signed it."""
    if one.y_parity > 1:
        return None
    return SignedAuthorization(
        chain_id=one.chain_id,
        address=Address(one.address),
        nonce=one.nonce,
        r=one.r,
        s=one.s,
        y_parity=one.y_parity,
    )


def to_evm_authorization(signed: SignedAuthorization) -> AuthorizationTuple:
    """Convert to py-evm's tuple."""
    return AuthorizationTuple(
        signed.chain_id, EvmAddress(bytes(signed.address)), signed.nonce, signed.y_parity, signed.r, signed.s
    )
