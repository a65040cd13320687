"""One development chain with its bundler and its paymaster."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.devchain.bundler import DevBundler
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.paymaster import DevPaymaster


@dataclass(frozen=True, slots=True)
class DevChain:
    """The context of every operation of a development chain."""

    chain: Blockchain
    bundler: DevBundler
    paymaster: DevPaymaster
