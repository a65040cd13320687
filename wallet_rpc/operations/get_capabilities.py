"""`wallet_getCapabilities`: the capabilities of the server, for all its chains together or for the requested chains.

Without chain ids the response has one entry, `0x0`, which means every chain (EIP-5792); the official client reads it.
With chain ids, each configured chain has its own entry, and other chains have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ChainId, NonZeroAddress
from wallet_rpc.wire import shape

EVERY_CHAIN = "0x0"
"""The key of capabilities that all chains have. Source: EIP-5792."""


@shape
class GetCapabilities:
    """An account, and the chains to report on (default: all configured chains)."""

    address: NonZeroAddress
    chain_ids: tuple[ChainId, ...] | None = None


@shape
class Atomic:
    """Atomic execution: all calls of one request succeed, or none takes effect."""

    status: Literal["supported"] = "supported"


@shape
class Supported:
    """A flag: true if the capability is supported."""

    supported: bool = True


@shape
class PermissionKinds:
    """Supported kinds of session keys, signers and permissions."""

    supported: Literal[True] = True
    key_types: tuple[str, ...] = ("secp256k1",)
    signer_types: tuple[str, ...] = ("keys",)
    permission_types: tuple[str, ...] = (
        "native-token-transfer",
        "erc20-token-transfer",
        "gas-limit",
        "contract-access",
        "account-functions",
        "functions-on-all-contracts",
        "functions-on-contract",
        "root",
    )


@shape
class ChainCapabilities:
    """The capabilities of one chain, or those that all chains have."""

    atomic: Atomic = Atomic()
    paymaster_service: Supported
    eip7702_auth: Supported = Supported()
    gas_params_override: Supported = Supported()
    nonce_override: Supported = Supported()
    permissions: PermissionKinds = PermissionKinds()
    state_override: Supported = Supported()
    data_suffix: Annotated[Supported, Field(alias="experimental_dataSuffix")] = Supported()


CapabilitiesByChain: TypeAlias = dict[str, ChainCapabilities]
"""Capabilities by chain id in hex; `0x0` means every chain."""


async def run(ports: Ports, request: GetCapabilities) -> CapabilitiesByChain:
    """Return the capabilities by chain; they do not depend on the account."""
    if request.chain_ids is None:
        return {EVERY_CHAIN: _build_capabilities(ports.chains.values())}
    unique_ids = dict.fromkeys(request.chain_ids)
    return {
        hex(chain_id): _build_capabilities([ports.chains[chain_id]])
        for chain_id in unique_ids
        if chain_id in ports.chains
    }


def _build_capabilities(chains: Iterable[ChainPorts]) -> ChainCapabilities:
    """Build the capabilities that every one of the chains has."""
    sponsors = all(chain.paymaster is not None for chain in chains)
    return ChainCapabilities(paymaster_service=Supported(supported=sponsors))


OPERATION: Operation[Ports, GetCapabilities, CapabilitiesByChain] = Operation(
    "wallet_getCapabilities",
    GetCapabilities,
    CapabilitiesByChain,
    run,
    "Get the capabilities of the server, on every chain or on the given chains.",
    positional=True,
    need=READ_ACCESS,
)
