"""Node, bundler and paymaster clients of a fake upstream with given responses."""

from __future__ import annotations

from typing import Any

from tests.contract.sample import ACCOUNT, CHAIN
from tests.contract.upstream import Upstream
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.ports import Bundler, Node, Paymaster
from wallet_rpc.primitives import Hash32

HASH = Hash32(b"\xaa" * 32)
OTHER_HASH = Hash32(b"\xbb" * 32)
ON_WIRE = {
    "sender": ACCOUNT.hex0x(),
    "nonce": "0x1",
    "callData": "0xb61d27f6",
    "callGasLimit": "0x0",
    "verificationGasLimit": "0x0",
    "preVerificationGas": "0x0",
    "maxFeePerGas": "0x2",
    "maxPriorityFeePerGas": "0x1",
    "signature": "0x" + "ff" * 65,
}
UNSIGNED = {key: value for key, value in ON_WIRE.items() if key != "signature"}


def node(answers: dict[str, Any]) -> tuple[Upstream, Node]:
    upstream = Upstream(answers)
    return upstream, NodeChain(upstream.client())


def bundler(answers: dict[str, Any]) -> tuple[Upstream, Bundler]:
    upstream = Upstream(answers)
    return upstream, HttpBundler(upstream.client(part="bundler"))


def paymaster(answers: dict[str, Any]) -> tuple[Upstream, Paymaster]:
    upstream = Upstream(answers)
    return upstream, HttpPaymaster(upstream.client(part="paymaster"), CHAIN)
