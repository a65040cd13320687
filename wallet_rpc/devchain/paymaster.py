"""The development paymaster (ERC-7677): sponsors any operation under any policy id that is a UUID of version 4.

It signs for our VerifyingPaymaster with a key that everyone knows; what it spends is a deposit of the development
chain. paymasterData = validUntil(6) | validAfter(6) | signature(65).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from eth_keys.datatypes import PrivateKey

from wallet_rpc.devchain import known
from wallet_rpc.devchain.chain import Chain
from wallet_rpc.domain import abi
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, pack
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, Hash32, shown

VALID_SECONDS = 3600
"""How long a sponsorship holds, from the time of the next block."""
VERIFICATION_GAS = 60_000
"""What the paymaster's check costs, with room, in gas."""
POST_OP_GAS = 0
"""The paymaster has nothing to do afterwards."""
_POLICY_VERSION = 4
_STUB_SIGNATURE = b"\xff" * 31 + b"\xf0" + b"\x7a" * 32 + b"\x1c"
"""65 bytes of the form of a signature, none of them zero."""


@dataclass(frozen=True, slots=True)
class Paymaster:
    """Sponsors on one chain."""

    chain: Chain

    def stub(self, op: UserOperation, context: Mapping[str, Any]) -> PaymasterPart:
        """A sponsorship of the right size that is not signed. Raises: InvalidParams for an unknown policy."""
        check_policy(context)
        window = self._window()
        return PaymasterPart(known.PAYMASTER, VERIFICATION_GAS, POST_OP_GAS, Data(window + _STUB_SIGNATURE))

    def sponsor(self, op: UserOperation, context: Mapping[str, Any]) -> PaymasterPart:
        """A signed sponsorship of `op`, with the gas limits it has. Raises: InvalidParams for an unknown policy."""
        check_policy(context)
        given = op.paymaster
        part = PaymasterPart(
            known.PAYMASTER,
            VERIFICATION_GAS if given is None or given.verification_gas_limit == 0 else given.verification_gas_limit,
            POST_OP_GAS if given is None else given.post_op_gas_limit,
            Data(),
        )
        window = self._window()
        digest = personal_sign_digest(sponsorship_hash(replace(op, paymaster=part), self.chain.config.chain_id, window))
        signature = PrivateKey(known.PAYMASTER_KEY).sign_msg_hash(digest).to_bytes()
        return replace(part, data=Data(window + signature[:64] + bytes([27 + signature[64]])))

    def _window(self) -> bytes:
        return (self.chain.next_timestamp() + VALID_SECONDS).to_bytes(6) + bytes(6)


def check_policy(context: Mapping[str, Any]) -> None:
    """Raises: InvalidParams unless the context names a policy by a UUID of version 4."""
    given = context.get("policyId")
    try:
        known_policy = UUID(given).version == _POLICY_VERSION if isinstance(given, str) else False
    except ValueError:
        known_policy = False
    if not known_policy:
        text = f"context.policyId: expected a UUID of version 4, got {shown(given)}"
        raise InvalidParams(text, reason="unknown_policy", field="context.policyId")


def sponsorship_hash(op: UserOperation, chain_id: int, window: bytes) -> Hash32:
    """What VerifyingPaymaster hashes: everything about `op` but its signature and paymasterData, and the window."""
    packed = pack(op)
    return abi.keccak(
        abi.uint(chain_id)
        + abi.address(known.PAYMASTER)
        + abi.address(packed.sender)
        + abi.uint(packed.nonce)
        + abi.keccak(packed.init_code)
        + abi.keccak(packed.call_data)
        + packed.account_gas_limits
        + abi.uint(packed.pre_verification_gas)
        + packed.gas_fees
        + packed.paymaster_and_data[20:52]
        + abi.uint(int.from_bytes(window[:6]))
        + abi.uint(int.from_bytes(window[6:]))
    )
