"""Shared helpers of the token paymaster's tests: an account that pays for gas in the test token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.devchain.asking import send
from tests.devchain.sample import Actor, Node, mint
from tests.support.keys import sign_hash
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, ERC20_RATES, PAYMASTER_KEY, TEST_TOKEN
from wallet_rpc.domain import abi, token_charge
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.signature import contract_signature, replay_safe_digest
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.token_charge import Erc20Charge, SignedPermit
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.primitives import Address, Data

RATE = ERC20_RATES[TEST_TOKEN]
CHAIN_ID = 31337
PLENTY = 10**24


def word(node: Node, to: Address, signature_: str, *values: bytes) -> int:
    """Call a view function, and return its word."""
    data = Data(abi.selector_of(signature_) + b"".join(values)).hex0x()
    return int(node.rpc("eth_call", {"to": to.hex0x(), "data": data}), 16)


def balance(node: Node, holder: Address, token: Address = TEST_TOKEN) -> int:
    return word(node, token, "balanceOf(address)", abi.address(holder))


def allowance(node: Node, owner: Address) -> int:
    return word(node, TEST_TOKEN, "allowance(address,address)", abi.address(owner), abi.address(ERC20_PAYMASTER))


def approval(value: int, token: Address = TEST_TOKEN) -> Call:
    return Call(to=token, data=Data(abi.ERC20_APPROVE + abi.address(ERC20_PAYMASTER) + abi.uint(value)))


@dataclass
class Payer:
    """An account with tokens and no coins, and the paymaster's signature for any of its operations."""

    node: Node
    actor: Actor

    @classmethod
    def of(cls, node: Node, actor: Actor, *, tokens: int = PLENTY) -> Payer:
        actor.fund(0)
        node.send(**mint(TEST_TOKEN, actor.address, tokens))
        return cls(node, actor)

    def allow(self, value: int) -> None:
        """Set an allowance before the operation."""
        self.actor.fund(10**18)
        self.actor.send([approval(value)])
        self.actor.fund(0)

    def window(self) -> Window:
        return Window(valid_until=self.node.dev.chain.next_timestamp() + 60)

    def permit(self, value: int, *, deadline: int | None = None) -> SignedPermit:
        """Return a permit signed by the owner for the account."""
        deadline = self.node.dev.chain.next_timestamp() + 60 if deadline is None else deadline
        safe = replay_safe_digest(self.digest(value, deadline), account=self.actor.address, chain_id=CHAIN_ID)
        made = contract_signature(sign_hash(self.actor.owner, safe))
        return SignedPermit(value=value, deadline=deadline, signature=made)

    def digest(self, value: int, deadline: int) -> bytes:
        """Compute the permit's digest from the standard, independently of the package's code."""
        account = self.actor.address
        kind = abi.keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
        nonce = word(self.node, TEST_TOKEN, "nonces(address)", abi.address(account))
        inside = abi.keccak(
            kind
            + abi.address(account)
            + abi.address(ERC20_PAYMASTER)
            + abi.uint(value)
            + abi.uint(nonce)
            + abi.uint(deadline)
        )
        domain = word(self.node, TEST_TOKEN, "DOMAIN_SEPARATOR()").to_bytes(32)
        return abi.keccak(b"\x19\x01" + domain + inside)

    def charge(self, **given: Any) -> Erc20Charge:
        return replace(Erc20Charge(token=TEST_TOKEN, rate=RATE, max_amount=10**20), **given)

    def estimate(self, calls: list[Call], charge: Erc20Charge) -> UserOperation:
        """Return the operation with limits estimated under the charge, unsigned."""
        op = self.actor.operation(calls)
        stub = token_charge.build_erc20_charge_stub(ERC20_PAYMASTER, charge, window=self.window())
        op = self.actor.estimate(replace(op, paymaster=stub))
        assert op.paymaster is not None
        return replace(op, paymaster=replace(op.paymaster, post_op_gas_limit=token_charge.ERC20_POST_OP_GAS))

    def sponsor(self, op: UserOperation, charge: Erc20Charge, *, key: bytes = PAYMASTER_KEY) -> UserOperation:
        """Add the paymaster's signature, without the account's."""
        part = token_charge.sign_erc20_charge(op, charge, chain_id=CHAIN_ID, window=self.window(), key=key)
        return replace(op, paymaster=part)

    def send(self, op: UserOperation) -> Any:
        """Sign and send the operation; return its receipt."""
        return self.node.rpc("eth_getUserOperationReceipt", send(self.node, self.actor.sign(op)))

    def pay(self, calls: list[Call], charge: Erc20Charge) -> tuple[int, Any]:
        """Send the operation; return the tokens that the account paid, and the receipt."""
        before = balance(self.node, ERC20_PAYMASTER)
        receipt = self.send(self.sponsor(self.estimate(calls, charge), charge))
        return balance(self.node, ERC20_PAYMASTER) - before, receipt
