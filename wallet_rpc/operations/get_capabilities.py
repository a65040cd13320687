"""`wallet_getCapabilities`: what the server can do, for all its chains at once or for the chains asked about.

Without chains the answer stands under `0x0`, which means every chain (EIP-5792) and is where the official client looks.
With chains each one that is served here has its own entry, and one that is not has none.
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
"""The key of what holds on all chains. Source: EIP-5792."""


@shape
class GetCapabilities:
    """An account, and the chains to tell about (default: all that are served here)."""

    address: NonZeroAddress
    chain_ids: tuple[ChainId, ...] | None = None


@shape
class Atomic:
    """Calls of one request all happen or none does."""

    status: Literal["supported"] = "supported"


@shape
class Supported:
    """Whether a capability is there."""

    supported: bool = True


@shape
class PermissionKinds:
    """Which sessions there are."""

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
    """What is there on a chain."""

    atomic: Atomic = Atomic()
    paymaster_service: Supported
    eip7702_auth: Supported = Supported()
    gas_params_override: Supported = Supported()
    nonce_override: Supported = Supported()
    permissions: PermissionKinds = PermissionKinds()
    state_override: Supported = Supported()
    data_suffix: Annotated[Supported, Field(alias="experimental_dataSuffix")] = Supported()


CapabilitiesByChain: TypeAlias = dict[str, ChainCapabilities]
"""By chain id in hex, `0x0` standing for every chain."""


async def run(ports: Ports, request: GetCapabilities) -> CapabilitiesByChain:
    """The same for every address: nothing is decided by the account alone."""
    if request.chain_ids is None:
        return {EVERY_CHAIN: _build_capabilities(ports.chains.values())}
    asked = dict.fromkeys(request.chain_ids)
    return {
        hex(chain_id): _build_capabilities([ports.chains[chain_id]]) for chain_id in asked if chain_id in ports.chains
    }


def _build_capabilities(chains: Iterable[ChainPorts]) -> ChainCapabilities:
    """What all of the chains have."""
    sponsors = all(chain.paymaster is not None for chain in chains)
    return ChainCapabilities(paymaster_service=Supported(supported=sponsors))


OPERATION: Operation[Ports, GetCapabilities, CapabilitiesByChain] = Operation(
    "wallet_getCapabilities",
    GetCapabilities,
    CapabilitiesByChain,
    run,
    "Get what the server can do, on every chain or on the chains given.",
    positional=True,
    need=READ_ACCESS,
)
