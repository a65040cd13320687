"""Client of a paymaster service (ERC-7677 JSON-RPC)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallet_rpc.adapters.refusals import map_paymaster_error
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.ports import Sponsorship
from wallet_rpc.primitives import Address, ChainId, Data, Gas, Hash32
from wallet_rpc.wire import encode, shape


@shape
class _SponsorshipAnswer:
    paymaster: Address
    paymaster_data: Data
    paymaster_verification_gas_limit: Gas | None = None
    paymaster_post_op_gas_limit: Gas | None = None
    is_final: bool = False
    token_payment: Erc20PaymentTerms | None = None


class HttpPaymaster:
    """`ports.Paymaster` over a service's JSON-RPC.

    Both calls are reads: a sponsorship costs nothing until its operation is included.
    """

    def __init__(self, client: Rpc, chain_id: ChainId) -> None:
        self._client = client
        self._chain_id = chain_id

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return stub paymaster data for gas estimation. Raises: PaymasterRejected, InvalidParams, Unavailable."""
        return await self._request("pm_getPaymasterStubData", operation, context)

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return paymaster data for the final gas limits. Raises: PaymasterRejected, InvalidParams, Unavailable."""
        return await self._request("pm_getPaymasterData", operation, context)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Do nothing: a paymaster service watches the chain itself."""

    async def _request(self, method: str, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        on_wire = encode(UserOperationJson, UserOperationJson.from_domain(operation, include_signature=False))
        params = [on_wire, ENTRY_POINT.hex0x(), hex(self._chain_id), dict(context)]
        answer = await self._client.read(method, params, map_error=map_paymaster_error, unbatched=True)
        found = self._client.decode_result(_SponsorshipAnswer, answer)
        return Sponsorship(
            paymaster=found.paymaster,
            data=found.paymaster_data,
            verification_gas_limit=found.paymaster_verification_gas_limit,
            post_op_gas_limit=found.paymaster_post_op_gas_limit,
            is_final=found.is_final,
            token=found.token_payment,
        )
