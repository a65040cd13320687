"""Allowances of a token: what the token is asked, the permit that raises one, and the call that does.

A permit is EIP-712 typed data in the token's domain. An account with code signs its digest as it signs any message, by
ReplaySafeHash, and the token asks the account (ERC-7597). Sources: ERC-20, EIP-2612, ERC-7597; USDC's FiatTokenV2_2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.signature import typed_digest
from wallet_rpc.primitives import Address, Data, Hash32

NAME_SELECTOR = abi.selector_of("name()")
VERSION_SELECTOR = abi.selector_of("version()")
DOMAIN_SEPARATOR_SELECTOR = abi.selector_of("DOMAIN_SEPARATOR()")
_BALANCE_OF = abi.selector_of("balanceOf(address)")
_ALLOWANCE = abi.selector_of("allowance(address,address)")
_NONCES = abi.selector_of("nonces(address)")
_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_PERMIT_TYPE = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
_FIELDS = {"owner": "address", "spender": "address", "value": "uint256", "nonce": "uint256", "deadline": "uint256"}


def encode_balance_of(holder: Address) -> Data:
    """`balanceOf(address)`; asked of the token."""
    return Data(_BALANCE_OF + abi.address(holder))


def encode_allowance(owner: Address, spender: Address) -> Data:
    """`allowance(address,address)`; asked of the token."""
    return Data(_ALLOWANCE + abi.address(owner) + abi.address(spender))


def encode_nonces(owner: Address) -> Data:
    """`nonces(address)`: which permit is the owner's next; asked of the token."""
    return Data(_NONCES + abi.address(owner))


def decode_uint(answer: bytes) -> int | None:
    """An answer that is a number; None for any other."""
    return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None


def decode_string(answer: bytes) -> str | None:
    """An answer that is a string; None for any other."""
    try:
        reader = Reader(answer)
        return reader.blob(reader.word(0)).decode()
    except (AbiDecodeError, UnicodeDecodeError):
        return None


def build_approval(token: Address, spender: Address, value: int) -> Call:
    """The call that sets an allowance, in the token's smallest unit."""
    return Call(to=token, data=Data(abi.ERC20_APPROVE + abi.address(spender) + abi.uint(value)))


def sum_transfers(calls: Iterable[Call], token: Address) -> int:
    """The units of `token` that the calls transfer by its own `transfer`; what other contracts move is not seen."""
    return sum(int.from_bytes(call.data[36:68]) for call in calls if _is_transfer(call, token))


def zero_out_transfers(calls: Iterable[Call], token: Address) -> tuple[Call, ...]:
    """The same calls, each `transfer` of `token` with the amount zero, which succeeds whatever the account has."""
    return tuple(
        replace(call, data=Data(call.data[:36] + bytes(32) + call.data[68:])) if _is_transfer(call, token) else call
        for call in calls
    )


def _is_transfer(call: Call, token: Address) -> bool:
    return call.to == token and call.data[:4] == abi.ERC20_TRANSFER and len(call.data) >= 68


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Domain:
    """A token's EIP-712 domain on one chain."""

    token: Address
    chain_id: int
    name: str
    version: str

    @property
    def separator(self) -> Hash32:
        """What the token answers as DOMAIN_SEPARATOR when its domain is made of these four."""
        texts = keccak(self.name.encode()) + keccak(self.version.encode())
        return keccak(_DOMAIN_TYPE + texts + abi.uint(self.chain_id) + abi.address(self.token))


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An allowance to be signed; `value` in the token's smallest unit, `deadline` in seconds since 1970."""

    owner: Address
    spender: Address
    value: int
    nonce: int
    deadline: int

    def digest(self, domain: Erc20Domain) -> Hash32:
        """The EIP-712 digest."""
        parties = abi.address(self.owner) + abi.address(self.spender)
        numbers = abi.uint(self.value) + abi.uint(self.nonce) + abi.uint(self.deadline)
        return typed_digest(domain.separator, keccak(_PERMIT_TYPE + parties + numbers))

    def typed_data(self, domain: Erc20Domain) -> dict[str, Any]:
        """The JSON that shows what is permitted."""
        return {
            "domain": {
                "name": domain.name,
                "version": domain.version,
                "chainId": domain.chain_id,
                "verifyingContract": domain.token.hex0x(),
            },
            "types": {"Permit": [{"name": name, "type": kind} for name, kind in _FIELDS.items()]},
            "primaryType": "Permit",
            "message": {
                "owner": self.owner.hex0x(),
                "spender": self.spender.hex0x(),
                "value": hex(self.value),
                "nonce": hex(self.nonce),
                "deadline": hex(self.deadline),
            },
        }
