"""ERC-20 allowances: the call data of the token's views, the permit that sets an allowance, and the approval call.

A permit is EIP-712 typed data in the token's domain. An account with code signs its digest like any message, with
ReplaySafeHash, and the token checks the signature by ERC-1271 (ERC-7597).
Sources: ERC-20, EIP-2612, ERC-7597; USDC's FiatTokenV2_2.
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
    """Encode `balanceOf(address)`, a call to the token."""
    return Data(_BALANCE_OF + abi.address(holder))


def encode_allowance(owner: Address, spender: Address) -> Data:
    """Encode `allowance(address,address)`, a call to the token."""
    return Data(_ALLOWANCE + abi.address(owner) + abi.address(spender))


def encode_nonces(owner: Address) -> Data:
    """Encode `nonces(address)`, a call to the token that returns the nonce of the owner's next permit."""
    return Data(_NONCES + abi.address(owner))


def decode_uint(return_data: bytes) -> int | None:
    """Decode return data that begins with a uint256; None if it is shorter than a word."""
    return int.from_bytes(return_data[:32], "big") if len(return_data) >= 32 else None


def decode_string(return_data: bytes) -> str | None:
    """Decode return data that is a string; None for anything else."""
    try:
        reader = Reader(return_data)
        return reader.blob(reader.word(0)).decode()
    except (AbiDecodeError, UnicodeDecodeError):
        return None


def build_approval(token: Address, spender: Address, value: int) -> Call:
    """Build the call that approves `value` of the token's smallest unit for `spender`."""
    return Call(to=token, data=Data(abi.ERC20_APPROVE + abi.address(spender) + abi.uint(value)))


def sum_transfers(calls: Iterable[Call], token: Address) -> int:
    """Sum the units of `token` that the calls move by `transfer`; transfers within other contracts are not counted."""
    return sum(int.from_bytes(call.data[36:68]) for call in calls if _is_transfer(call, token))


def zero_out_transfers(calls: Iterable[Call], token: Address) -> tuple[Call, ...]:
    """Return the calls with the amount of each `transfer` of `token` set to 0.

    A transfer of 0 succeeds at any balance.
    """
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
        """The value of the token's DOMAIN_SEPARATOR if its domain consists of these four fields."""
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
        """Return the EIP-712 digest of the permit in `domain`."""
        parties = abi.address(self.owner) + abi.address(self.spender)
        numbers = abi.uint(self.value) + abi.uint(self.nonce) + abi.uint(self.deadline)
        return typed_digest(domain.separator, keccak(_PERMIT_TYPE + parties + numbers))

    def typed_data(self, domain: Erc20Domain) -> dict[str, Any]:
        """Return the permit as EIP-712 typed data in JSON."""
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
