"""Shared helpers of the chain's tests: an in-process chain with JSON-RPC, and a smart account that sends operations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from eth_keys.datatypes import PrivateKey

from tests.support.keys import address_of, sign_hash
from wallet_rpc import wire
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.dispatch import DevChainDispatcher
from wallet_rpc.devchain.factory import open_devchain
from wallet_rpc.devchain.node import OPERATIONS
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_call_data, semi_modular_deployment, wrap_execute_user_op
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.contracts import ENTRY_POINT, SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction, encode_deferred_authorization
from wallet_rpc.domain.nonce import NonceKey, owner_nonce_key
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.signature import (
    dummy_user_operation_signature,
    personal_sign_digest,
    user_operation_signature,
)
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data, EntityId

GENESIS_TIME = 1_800_000_000
FEE = 2 * 10**9
ENTRY_POINT_TEXT = ENTRY_POINT.hex0x()
ALICE, BOB = ACCOUNTS[0], ACCOUNTS[1]
SINK = Address(b"\x99" * 20)


class RpcFailure(Exception):
    """A JSON-RPC error object as an exception."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


class Node:
    """An in-process chain that is called by JSON-RPC."""

    def __init__(self, config: DevChainConfig | None = None) -> None:
        self.dev: DevChain = open_devchain(config or DevChainConfig(timestamp=GENESIS_TIME))
        self.dispatcher = DevChainDispatcher(OPERATIONS, self.dev)

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        answer = json.loads(self.dispatcher.answer(body) or b"{}")
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def send(self, *, sender: Any = ALICE, **fields: Any) -> str:
        """Sign and send a transaction of a development account; return its hash."""
        return str(self.rpc("eth_sendRawTransaction", self.sign(sender=sender, **fields)))

    def sign(self, *, sender: Any = ALICE, **fields: Any) -> str:
        filled = {
            "chainId": self.dev.chain.config.chain_id,
            "nonce": self.dev.chain.nonce(sender.address),
            "gas": 1_000_000,
            "value": 0,
            "maxFeePerGas": FEE,
            "maxPriorityFeePerGas": 10**9,
            **fields,
        }
        if "gasPrice" in filled:
            del filled["maxFeePerGas"], filled["maxPriorityFeePerGas"]
        return Data(Account.sign_transaction(filled, sender.key).raw_transaction).hex0x()

    def receipt(self, identity: str) -> Any:
        return self.rpc("eth_getTransactionReceipt", identity)


def transfer(token: Address, to: Address, amount: int) -> Call:
    return Call(to=token, data=Data(abi.selector_of("transfer(address,uint256)") + abi.address(to) + abi.uint(amount)))


def mint(token: Address, to: Address, amount: int) -> dict[str, Any]:
    data = Data(abi.selector_of("mint(address,uint256)") + abi.address(to) + abi.uint(amount))
    return {"to": token.hex0x(), "data": data.hex0x()}


def key_of(number: int) -> PrivateKey:
    return PrivateKey(abi.keccak(number.to_bytes(32)))


@dataclass
class Actor:
    """A semi-modular account with an owner key, which can grant sessions and send operations."""

    node: Node
    owner: PrivateKey = field(default_factory=lambda: key_of(1))
    is_delegated: bool = False
    """True for the owner's own address, delegated by EIP-7702."""

    @property
    def address(self) -> Address:
        return address_of(self.owner) if self.is_delegated else semi_modular_deployment(address_of(self.owner)).address

    def fund(self, wei: int = 10**18) -> None:
        self.node.rpc("anvil_setBalance", self.address.hex0x(), hex(wei))

    def nonce(self, key: NonceKey) -> int:
        call = abi.GET_NONCE + abi.address(self.address) + abi.uint(key.key)
        return int(self.node.rpc("eth_call", {"to": ENTRY_POINT_TEXT, "data": Data(call).hex0x()}), 16)

    def operation(self, calls: Sequence[Call], *, session: Session | None = None) -> UserOperation:
        """Build an operation with a dummy signature and without gas limits."""
        account, is_deployed = self.address, self.node.dev.chain.code(self.address) != b""
        deployment = semi_modular_deployment(address_of(self.owner))
        call_data = execute_call_data(account, calls)
        if session is not None and session.install.has_execution_hooks:
            call_data = wrap_execute_user_op(call_data)
        key = owner_nonce_key() if session is None else session.key(account)
        authorization = None
        if self.is_delegated and not is_deployed:
            chain = self.node.dev.chain
            unsigned = Authorization(chain.config.chain_id, SEMI_MODULAR_ACCOUNT_7702, chain.nonce(account))
            authorization = unsigned.add_signature(sign_hash(self.owner, unsigned.digest))
        return UserOperation(
            sender=account,
            nonce=self.nonce(key),
            factory=None if is_deployed or self.is_delegated else deployment.factory,
            call_data=call_data,
            call_gas_limit=0,
            verification_gas_limit=0,
            pre_verification_gas=0,
            max_fee_per_gas=FEE,
            max_priority_fee_per_gas=10**9,
            signature=dummy_user_operation_signature(deferred=self.sign_deferred_action(session)),
            authorization=authorization,
        )

    def sign_deferred_action(self, session: Session | None) -> bytes:
        """Return the owner's signed grant; empty when the session is already installed."""
        if session is None or session.is_installed:
            return b""
        action = DeferredAction(
            nonce=self.nonce(session.key(self.address)), deadline=session.deadline, call=session.install.call_data
        )
        digest = action.digest(account=self.address, chain_id=self.node.dev.chain.config.chain_id)
        grant = SignedDeferredAction(
            action=action,
            has_execution_hooks=session.install.has_execution_hooks,
            authorization=encode_deferred_authorization(sign_hash(self.owner, digest)),
        )
        return grant.signature_prefix

    def sign(self, op: UserOperation, *, session: Session | None = None, by: PrivateKey | None = None) -> UserOperation:
        signer = by or (self.owner if session is None else session.signer)
        digest = personal_sign_digest(user_operation_hash(op, self.node.dev.chain.config.chain_id, ENTRY_POINT))
        signed = user_operation_signature(sign_hash(signer, digest), deferred=self.sign_deferred_action(session))
        return replace(op, signature=signed)

    def estimate(self, op: UserOperation) -> UserOperation:
        limits = self.node.rpc("eth_estimateUserOperationGas", on_wire(op), ENTRY_POINT_TEXT)
        op = replace(
            op,
            call_gas_limit=int(limits["callGasLimit"], 16),
            verification_gas_limit=int(limits["verificationGasLimit"], 16),
            pre_verification_gas=int(limits["preVerificationGas"], 16),
        )
        if op.paymaster is not None:
            part = replace(
                op.paymaster,
                verification_gas_limit=int(limits["paymasterVerificationGasLimit"], 16),
                post_op_gas_limit=int(limits["paymasterPostOpGasLimit"], 16),
            )
            op = replace(op, paymaster=part)
        return op

    def send(self, calls: Sequence[Call], *, session: Session | None = None) -> Any:
        """Estimate, sign and send an operation; return its receipt."""
        op = self.sign(self.estimate(self.operation(calls, session=session)), session=session)
        identity = self.node.rpc("eth_sendUserOperation", on_wire(op), ENTRY_POINT_TEXT)
        if session is not None:
            session.is_installed = True
        return self.node.rpc("eth_getUserOperationReceipt", identity)


@dataclass
class Session:
    """A session key with permissions."""

    signer: PrivateKey
    install: ValidationInstall
    entity_id: int
    deadline: int
    is_installed: bool = False

    @classmethod
    def of(cls, actor: Actor, permissions: Sequence[Permission], *, entity_id: int = 1, seconds: int = 3600) -> Session:
        signer = key_of(100 + entity_id)
        now = actor.node.dev.chain.next_timestamp()
        terms = SessionTerms(
            account=actor.address, key=address_of(signer), entity_id=entity_id, deadline=now + seconds, now=now
        )
        return cls(signer, compile_permissions(permissions, terms), entity_id, now + seconds)

    def key(self, account: Address) -> NonceKey:
        return NonceKey(
            entity_id=EntityId(self.entity_id), is_global=self.install.is_global, is_deferred=not self.is_installed
        )


def on_wire(op: UserOperation) -> Any:
    return wire.encode(UserOperationJson, UserOperationJson.from_domain(op))
