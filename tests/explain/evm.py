"""An account on an EVM, where grants are installed and user operations of their sessions run, one after the other.

Nothing is stored: every run is undone, so that each grant meets the same account.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import decode, encode
from eth_keys.datatypes import PrivateKey
from eth_typing import Address as EvmAddress

from tests.golden.scenario_files import Meta
from tests.golden.scenario_world import ScenarioWorld, address
from tests.support.keys import address_of, sign_hash
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall, run_call
from wallet_rpc.devchain.genesis import Genesis
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, ENTRY_POINT, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.decision.contract_rules import Limits
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.revert import Explanation, explain, find_revert_reason
from wallet_rpc.domain.signature import personal_sign_digest, user_operation_signature
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, handle_ops_call_data, user_operation_hash
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import HALF_ENTITY
from wallet_rpc.primitives import Address, Data

NOW = 1_800_010_000
"""The time of every operation."""
BALANCE = 10**18
"""The account's wei before every operation."""
TOKENS = 1000
"""The account's units of each token before every operation."""
_KEY = PrivateKey(abi.keccak(b"session key"))
SESSION_KEY = address_of(_KEY)
_OPERATION_EVENT = abi.keccak(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")


@dataclass(frozen=True)
class Outcome:
    """The outcome of an operation: rejected before the execution, or included, with success or without."""

    included: bool
    success: bool
    explanation: Explanation
    output: bytes
    remaining: Limits


class Laboratory:
    """One account with money, on one set of contracts."""

    def __init__(self, contracts: Genesis, meta: Meta) -> None:
        world = ScenarioWorld(contracts, meta)
        self.addresses = {name: address(text) for name, text in meta.refs.items() if len(text) == 42}
        self._chain_id: int = world.chain.config.chain_id
        self._journal = world.chain.journal()
        self._context = world.chain.next_context(world.chain.next_values(NOW))
        deployment = semi_modular_deployment(self.addresses["owner0"])
        self.account = deployment.address
        factory = deployment.factory
        assert self._run(self.addresses["bundler"], factory.address, factory.data).success
        self._journal.set_balance(EvmAddress(bytes(self.account)), BALANCE)
        for token in (self.addresses["TOKEN_A"], self.addresses["TOKEN_B"]):
            mint = abi.keccak(b"mint(address,uint256)")[:4] + encode(["address", "uint256"], [self.account, TOKENS])
            assert self._run(self.addresses["bundler"], token, mint).success

    def has_code(self, target: Address) -> bool:
        """Return True for a contract."""
        return bool(self._journal.get_code(EvmAddress(bytes(target))))

    def install(self, install: ValidationInstall) -> int | None:
        """Install a grant; return the mark to undo it, or None when the account rejects it."""
        mark: int = self._journal.checkpoint()
        if self._run(ENTRY_POINT, self.account, install.call_data).success:
            return mark
        self.undo(mark)
        return None

    def undo(self, mark: int) -> None:
        """Undo all changes since a mark."""
        self._journal.rollback_to(mark)

    def operate(
        self,
        install: ValidationInstall,
        call_data: bytes,
        *,
        fee: int,
        paymaster: Address | None,
        tokens: list[Address],
    ) -> Outcome:
        """Send an operation of an installed session through the entry point, and undo it."""
        mark = self._journal.checkpoint()
        try:
            return self._operate(install, _build(install, self.account, call_data, fee, paymaster), tokens)
        finally:
            self.undo(mark)

    def _operate(self, install: ValidationInstall, operation: UserOperation, tokens: list[Address]) -> Outcome:
        name = user_operation_hash(operation, self._chain_id, ENTRY_POINT)
        signature = user_operation_signature(sign_hash(_KEY, personal_sign_digest(name)))
        data = handle_ops_call_data([replace(operation, signature=signature)], self.addresses["BENEFICIARY"])
        result = self._run(self.addresses["bundler"], ENTRY_POINT, data)
        remaining = self._read_limits(install, tokens)
        if not result.success:
            return Outcome(False, False, explain(result.output), result.output, remaining)
        success, reason = False, b""
        for log in result.logs:
            reason = reason or find_revert_reason(log.topics, log.data, name)
            if log.topics[:2] == (_OPERATION_EVENT, name):
                success = decode(["uint256", "bool", "uint256", "uint256"], log.data)[1]
        return Outcome(True, success, explain(reason), reason, remaining)

    def _read_limits(self, install: ValidationInstall, tokens: list[Address]) -> Limits:
        entity = install.entity_id
        modules = {(hook.module, hook.entity_id) for hook in install.hooks}
        native, gas = (
            self._view(NATIVE_TOKEN_LIMIT_MODULE, "limits(uint256,address)", one, self.account)
            if (NATIVE_TOKEN_LIMIT_MODULE, one) in modules
            else None
            for one in (entity, entity + HALF_ENTITY)
        )
        view = "erc20SpendLimits(uint32,address,address)"
        left = {
            token: self._view(ALLOWLIST_MODULE, view, entity + HALF_ENTITY, token, self.account) for token in tokens
        }
        return Limits(native=native, gas=gas, tokens=left)

    def _view(self, module: Address, signature: str, *arguments: Any) -> int:
        types = signature[signature.index("(") + 1 : -1].split(",")
        data = abi.keccak(signature.encode())[:4] + encode(types, arguments)
        result = self._run(self.account, module, data)
        return int.from_bytes(result.output)

    def _run(self, sender: Address, to: Address, data: bytes) -> ExecutionResult:
        call = MessageCall(sender=sender, to=to, data=data, gas=15_000_000)
        return run_call(self._journal, self._context, call)


CALL_GAS, VERIFICATION_GAS, PRE_VERIFICATION_GAS = 2_000_000, 800_000, 60_000
GAS = CALL_GAS + VERIFICATION_GAS + PRE_VERIFICATION_GAS
"""The gas that the gas limit charges; the price of it varies."""


def _build(
    install: ValidationInstall, account: Address, call_data: bytes, fee: int, paymaster: Address | None
) -> UserOperation:
    key = NonceKey(entity_id=install.entity_id, is_global=install.is_global)
    return UserOperation(
        sender=account,
        nonce=key.nonce(0),
        call_data=Data(call_data),
        call_gas_limit=CALL_GAS,
        verification_gas_limit=VERIFICATION_GAS,
        pre_verification_gas=PRE_VERIFICATION_GAS,
        max_fee_per_gas=fee,
        max_priority_fee_per_gas=0,
        paymaster=None if paymaster is None else PaymasterPart(paymaster, 300_000, 100_000, Data()),
    )
