"""Ends that only one part of an operation enforces: of a session's first call, of gas terms, and of a permit.

Each is tested one second before, at the last valid second, and one second after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.devchain.asking import TOKEN_ACCESS, send
from tests.devchain.sample import SINK, Actor, Node, RpcFailure, Session, key_of, transfer
from tests.devchain.token_gas import CHAIN_ID, Payer
from tests.support.keys import address_of
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER_KEY, TEST_TOKEN
from wallet_rpc.domain import token_charge
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions

SETTLED = "settled"


def outcomes(node: Node, op: UserOperation, seconds: Sequence[int]) -> list[str]:
    """Send an operation in blocks at each of these times, and return the outcomes; each block is reverted."""
    found = []
    for second in seconds:
        before = node.rpc("evm_snapshot")
        node.rpc("evm_setNextBlockTimestamp", second)
        try:
            receipt = node.rpc("eth_getUserOperationReceipt", send(node, op))
            found.append(SETTLED if receipt["success"] else "reverted")
        except RpcFailure as rejection:
            found.append(str(rejection.data["entryPoint"]))
        node.rpc("evm_revert", before)
    return found


def around(second: int) -> list[int]:
    return [second - 1, second, second + 1]


def session_of(actor: Actor, *, installed_end: int, signed_end: int) -> Session:
    """Return a session with an end in the installation, in the signed deferred action, or in neither (0)."""
    signer = key_of(101)
    terms = SessionTerms(account=actor.address, key=address_of(signer), entity_id=1, deadline=installed_end, now=0)
    return Session(signer, compile_permissions([TOKEN_ACCESS], terms), 1, signed_end)


def by_session(actor: Actor, session: Session) -> UserOperation:
    op = actor.operation([transfer(TEST_TOKEN, SINK, 1)], session=session)
    return actor.sign(actor.estimate(op), session=session)


@pytest.mark.parametrize(("is_installed", "is_signed"), [(True, False), (False, True)])
def test_a_first_call_succeeds_until_the_last_second_of_either_end(
    node: Node, actor: Actor, is_installed: bool, is_signed: bool
) -> None:
    """The end is the installed time range, or the deadline of the deferred action that installs it."""
    end = node.dev.chain.next_timestamp() + 100
    op = by_session(actor, session_of(actor, installed_end=end * is_installed, signed_end=end * is_signed))

    assert outcomes(node, op, around(end)) == [SETTLED, SETTLED, "AA22"]


def test_erc20_gas_terms_are_valid_from_their_first_second_to_their_last(node: Node, actor: Actor) -> None:
    payer, now = Payer.of(node, actor), node.dev.chain.next_timestamp()
    payer.allow(10**20)
    window, charge = Window(valid_after=now + 50, valid_until=now + 100), payer.charge()
    op = payer.estimate([], charge)
    part = token_charge.sign_erc20_charge(op, charge, chain_id=CHAIN_ID, window=window, key=PAYMASTER_KEY)
    op = actor.sign(replace(op, paymaster=part))
    assert part.address == ERC20_PAYMASTER

    assert outcomes(node, op, around(window.valid_after)) == ["AA32", SETTLED, SETTLED]
    assert outcomes(node, op, around(window.valid_until)) == [SETTLED, SETTLED, "AA32"]


def test_a_permit_is_accepted_until_the_last_second_of_its_deadline(node: Node, actor: Actor) -> None:
    payer, end = Payer.of(node, actor), node.dev.chain.next_timestamp() + 30
    charge = payer.charge(is_prepaid=True, permit=payer.permit(10**20, deadline=end))
    op = actor.sign(payer.sponsor(payer.estimate([], charge), charge))

    assert outcomes(node, op, around(end)) == [SETTLED, SETTLED, "AA33"]
