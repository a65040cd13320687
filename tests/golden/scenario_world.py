"""The chain state of golden scenarios on the embedded chain, and the transactions that scenarios send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.address import to_canonical_address

from tests.golden.scenario_files import Json, Meta
from wallet_rpc.devchain.chain import Blockchain, ChainConfig
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall
from wallet_rpc.devchain.genesis import Genesis, GenesisAccount, genesis_values
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.primitives import Address, Data

_SETUP_SECONDS = 1000
"""The time between the creation of the chain and the first step, in seconds."""
_HANDLE_OPS = bytes.fromhex("765e827f")
_PACKED_OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"


class ScenarioWorld:
    """The chain after `meta.world`. `snapshot` and `revert` separate the scenarios from one another."""

    def __init__(self, contracts: Genesis, meta: Meta) -> None:
        world = meta.world
        self.meta = meta
        self.gas_limit: int = world["transactionGasLimit"]
        self.gas_price: int = world["baseFeePerGas"]
        self.beneficiary = address(meta.refs["BENEFICIARY"])
        self.bundler = address(meta.refs["bundler"])
        self._keys: dict[Address, str] = {address(meta.refs[name]): key for name, key in world["keys"].items()}
        genesis = {**contracts, **_preset(meta)}
        creation_time = world["timestamp"] - _SETUP_SECONDS
        config = ChainConfig(
            chain_id=world["chainId"],
            base_fee=world["baseFeePerGas"],
            gas_limit=world["blockGasLimit"],
            timestamp=creation_time,
        )
        self.chain = Blockchain(genesis_values(genesis), config, clock=lambda: float(creation_time))
        for item in world["setup"]:
            self.set_up(_resolve_refs({**meta.tx_defaults, **item}, meta))

    def snapshot(self) -> int:
        """Take a snapshot to revert to."""
        return self.chain.snapshot()

    def revert(self, mark: int) -> None:
        """Revert to a snapshot."""
        self.chain.revert(mark)

    def set_up(self, item: Json) -> None:
        """Send a setup transaction or authorization. Raises ValueError when it fails."""
        raw = self.transaction(item) if item.get("kind", "tx") == "tx" else self.authorization(item["authorization"])
        _, outcome = self.chain.send(raw)
        if not outcome.success:
            raise ValueError(f"setup failed: 0x{outcome.output.hex()}")

    def transaction(self, item: Json) -> bytes:
        """Sign a transaction with one of the named keys."""
        fields = {"to": Data.parse(item["to"]), "value": int(item["value"], 16), "data": Data.parse(item["data"])}
        return self._sign(address(item["from"]), fields)

    def authorization(self, authorization: Json) -> bytes:
        """Sign a transaction of the bundler that carries one authorization and does nothing else."""
        words = {name: int(authorization[name], 16) for name in ("chainId", "nonce", "yParity", "r", "s")}
        entry = {**words, "address": Data.parse(authorization["address"])}
        fields = {"to": address(self.meta.refs["R2"]), "value": 0, "data": b"", "authorizationList": [entry]}
        return self._sign(self.bundler, fields)

    def handle_ops(self, operations: list[Json]) -> bytes:
        """Sign a transaction of the bundler that submits operations to EntryPoint."""
        arguments = encode(
            [f"{_PACKED_OPERATION}[]", "address"], [[pack(operation) for operation in operations], self.beneficiary]
        )
        return self._sign(self.bundler, {"to": ENTRY_POINT, "value": 0, "data": _HANDLE_OPS + arguments})

    def look(self, to: Address, data: bytes, *, sender: Address | None = None) -> ExecutionResult:
        """Run a call in the next block, without storing anything."""
        return self.chain.call(MessageCall(sender=sender or self.beneficiary, to=to, data=data, gas=self.gas_limit))

    def _sign(self, sender: Address, fields: Mapping[str, Any]) -> bytes:
        signed = Account.sign_transaction(
            {
                "type": 4 if "authorizationList" in fields else 2,
                "chainId": self.chain.config.chain_id,
                "nonce": self.chain.nonce(sender),
                "gas": self.gas_limit,
                "maxFeePerGas": self.gas_price,
                "maxPriorityFeePerGas": 0,
                **fields,
            },
            self._keys[sender],
        )
        return bytes(signed.raw_transaction)


def address(text: str) -> Address:
    """Parse an address in any letter case."""
    return Address(to_canonical_address(text))


def pack(operation: Json) -> tuple[Any, ...]:
    """Pack the operation as EntryPoint's struct."""

    def number(name: str) -> int:
        return int(operation.get(name, "0x0"), 16)

    def data(name: str) -> bytes:
        return Data.parse(operation.get(name, "0x"))

    def pair(high: str, low: str) -> bytes:
        return number(high).to_bytes(16) + number(low).to_bytes(16)

    paymaster = b""
    if "paymaster" in operation:
        limits = pair("paymasterVerificationGasLimit", "paymasterPostOpGasLimit")
        paymaster = address(operation["paymaster"]) + limits + data("paymasterData")
    return (
        address(operation["sender"]),
        number("nonce"),
        data("factory") + data("factoryData"),
        data("callData"),
        pair("verificationGasLimit", "callGasLimit"),
        number("preVerificationGas"),
        pair("maxPriorityFeePerGas", "maxFeePerGas"),
        paymaster,
        data("signature"),
    )


def _preset(meta: Meta) -> Genesis:
    world, runtimes = meta.world, meta.world["runtimes"]
    contracts = {
        address(meta.refs[name]): GenesisAccount(code=Data.parse(runtimes[runtime]), nonce=1)
        for name, runtime in world["code"].items()
    }
    funded = {
        address(meta.refs[name]): GenesisAccount(balance=int(balance)) for name, balance in world["balances"].items()
    }
    return {**contracts, **funded}


def _resolve_refs(item: Json, meta: Meta) -> Json:
    return {key: meta.refs[text[1:]] if text.startswith("$") else text for key, text in item.items()}
