"""`wallet_getSupportedExecutionPermissions` of ERC-7715's newer drafts: the kinds of permission that can be granted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId
from wallet_rpc.services.granted_permissions import EXPIRY, PERMISSION_TYPES
from wallet_rpc.wire import shape


@shape
class GetSupportedExecutionPermissions:
    """A request without fields."""


@shape
class SupportedPermission:
    """The chains on which a kind of permission can be granted, and the rules that a grant can have."""

    chain_ids: tuple[ChainId, ...]
    """Chains of this server."""
    rule_types: tuple[str, ...]
    """Kinds of rule: `expiry`."""


async def run(ports: Ports, _: GetSupportedExecutionPermissions) -> dict[str, SupportedPermission]:
    """Return the kinds of permission that `wallet_requestExecutionPermissions` accepts, on every chain."""
    supported = SupportedPermission(chain_ids=tuple(ports.chains), rule_types=(EXPIRY,))
    return dict.fromkeys(PERMISSION_TYPES, supported)


OPERATION: Operation[Ports, GetSupportedExecutionPermissions, dict[str, SupportedPermission]] = Operation(
    "wallet_getSupportedExecutionPermissions",
    GetSupportedExecutionPermissions,
    Annotated[dict[str, SupportedPermission], Field(description="The supported kinds of permission, by name.")],
    run,
    "List the kinds of ERC-7715 permission that can be granted, with their chains and rules.",
    positional=True,
    need=READ_ACCESS,
    description="The result has one member for each kind of permission. All kinds can be granted on every chain.",
)
