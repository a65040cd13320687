"""The development contracts on a chain of their own, and encoding of calls to them."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from tests.support.keys import address_of
from wallet_rpc.devchain.chain import Blockchain, ChainConfig
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall
from wallet_rpc.devchain.genesis import Genesis, GenesisBuilder, genesis_values
from wallet_rpc.primitives import Address

CHAIN_ID = 31337
NOW = 1_800_000_000
KEY = PrivateKey(keccak(text="the owner"))
OWNER = address_of(KEY)
STRANGER = Address(b"\x05" * 20)


@dataclass
class World:
    """Genesis accounts that calls change directly, and a chain with a fixed id and time to read them."""

    genesis: Genesis

    def change(self, sender: Address, to: Address, data: bytes) -> None:
        """Run a call and store its changes. The chain id, 0 here, does not matter to it."""
        builder = GenesisBuilder(self.genesis)
        builder.call(to, data, sender=sender)
        self.genesis = builder.accounts()

    def look(self, sender: Address, to: Address, data: bytes) -> ExecutionResult:
        config = ChainConfig(chain_id=CHAIN_ID, timestamp=NOW)
        chain = Blockchain(genesis_values(self.genesis), config, clock=lambda: float(NOW))
        return chain.call(MessageCall(sender=sender, to=to, data=data, gas=10_000_000))


def call_data(name: str, types: list[str], *values: object) -> bytes:
    return keccak(text=f"{name}({','.join(types)})")[:4] + encode(types, values)


def error(name: str) -> bytes:
    return keccak(text=name)[:4]
