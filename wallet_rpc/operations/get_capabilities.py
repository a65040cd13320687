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
    """Account whose capabilities are requested; all accounts have the same ones."""
    chain_ids: tuple[ChainId, ...] | None = None
    """Chains to report on. Default: one entry `0x0` for all chains together."""


@shape
class Atomic:
    """Atomic execution: all calls of one request succeed, or none takes effect."""

    status: Literal["supported"] = "supported"
    """Always `supported`."""


@shape
class Supported:
    """A flag: true if the capability is supported."""

    supported: bool = True
    """True if requests may use the capability on this chain."""


@shape
class PermissionKinds:
    """Supported kinds of session keys, signers and permissions."""

    supported: Literal[True] = True
    """Always true."""
    key_types: tuple[str, ...] = ("secp256k1",)
    """Kinds of key that can hold a session."""
    signer_types: tuple[str, ...] = ("keys",)
    """Kinds of signer in requests of ERC-7715."""
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
    """Kinds of permission that `wallet_createSession` accepts."""


@shape
class ChainCapabilities:
    """The capabilities of one chain, or those that all chains have."""

    atomic: Atomic = Atomic()
    """Atomic execution of batches (EIP-5792)."""
    paymaster_service: Supported
    """Sponsored gas, or gas paid in ERC-20 tokens (ERC-7677)."""
    eip7702_auth: Supported = Supported()
    """Delegation of externally owned accounts (EIP-7702)."""
    gas_params_override: Supported = Supported()
    """Gas limits and fees set by the caller."""
    nonce_override: Supported = Supported()
    """Nonce keys set by the caller."""
    permissions: PermissionKinds = PermissionKinds()
    """Session keys, and the kinds of permission that they can have."""
    state_override: Supported = Supported()
    """Changed state in gas estimates."""
    data_suffix: Annotated[Supported, Field(alias="experimental_dataSuffix")] = Supported()
    """Bytes appended to call data, for attribution (ERC-8021)."""


CapabilitiesByChain: TypeAlias = Annotated[
    dict[str, ChainCapabilities], Field(description="Capabilities by chain id in hex; `0x0` means every chain.")
]
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
    description=(
        "Without chain ids the result has one entry, `0x0`, for all chains together (EIP-5792). With chain ids each "
        "configured chain has an entry of its own; other chains have none."
    ),
)
