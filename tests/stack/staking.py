"""Stakes in EntryPoint, like that of the account factory on public chains."""

from __future__ import annotations

import time

from tests.stack.parts import ask
from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address, Data

STAKE = 10**17
DELAY_SECONDS = 86_400


def stake(node: str, entity: Address) -> None:
    """Stake for `entity` as its owner; anvil impersonates the owner without its key."""
    owner = "0x" + ask(node, "eth_call", _build_call(entity, "owner()"), "latest")[-40:]
    ask(node, "anvil_setBalance", owner, hex(10 * STAKE))
    ask(node, "anvil_impersonateAccount", owner)
    data = Data(abi.ADD_STAKE + abi.uint(DELAY_SECONDS)).hex0x()
    sent = ask(node, "eth_sendTransaction", {"from": owner, "to": entity.hex0x(), "value": hex(STAKE), "data": data})
    ends = time.monotonic() + LONGEST_SECONDS
    while (receipt := ask(node, "eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < ends, sent
        time.sleep(0.02)
    assert receipt["status"] == "0x1"


def _build_call(to: Address, signature: str) -> dict[str, str]:
    return {"to": to.hex0x(), "data": Data(abi.selector_of(signature)).hex0x()}
