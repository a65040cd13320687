"""Bundler client for EntryPoint v0.7 (ERC-7769 JSON-RPC)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.log_entries import LogEntry, logs_of
from wallet_rpc.adapters.refusals import map_bundler_error
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.operation_events import revert_data_of
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams, MethodNotFound, OutcomeUnknown, Rejected, Unavailable, WalletError
from wallet_rpc.ports import OperationReceipt, PendingOperation
from wallet_rpc.primitives import Address, BlockNumber, ChainId, Data, Gas, Hash32
from wallet_rpc.wire import encode, shape
from wallet_rpc.worker_threads import compute

_SAMPLE_BALANCE = hex(10**24)
"""Balance override for a sender without funds, in wei: some bundlers do not estimate without it."""


@shape
class _Transaction:
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: BlockNumber


@shape
class _Receipt:
    success: bool
    reason: str | None = None
    logs: tuple[LogEntry, ...]
    receipt: _Transaction
    actual_gas_used: Gas


@shape
class _KnownOperation:
    user_operation: UserOperationJson
    transaction_hash: Hash32 | None = None
    block_number: BlockNumber | None = None


class HttpBundler:
    """`ports.Bundler` over a bundler's JSON-RPC."""

    def __init__(self, client: Rpc) -> None:
        self._client = client

    async def verify(self, chain_id: ChainId) -> None:
        """Check chain and entry point.

        Raises: Unavailable when the bundler serves another chain or does not support EntryPoint v0.7.
        """
        await self._client.check_chain(chain_id)
        served = await self._client.read("eth_supportedEntryPoints", [], map_error=_map_start_error)
        if ENTRY_POINT not in self._client.decode_result(tuple[Address, ...], served):
            raise Unavailable("the bundler does not support entry point v0.7", reason="no_entry_point", part="bundler")

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        """Estimate the gas limits of `operation`, even if its sender cannot pay yet.

        Raises: the error of the bundler's code (ERC-7769).
        """
        params: list[Any] = [_encode_operation(operation), ENTRY_POINT.hex0x()]
        changed = {address.hex0x(): dict(override) for address, override in (overrides or {}).items()}
        if overrides is not None:
            params.append(changed)
        try:
            answer = await self._request_estimate(params)
        except Rejected as error:
            if error.reason != "insufficient_funds" or operation.paymaster is not None:
                raise
            sender = {"balance": _SAMPLE_BALANCE, **changed.get(operation.sender.hex0x(), {})}
            answer = await self._request_estimate([*params[:2], {**changed, operation.sender.hex0x(): sender}])
        return self._client.decode_result(GasEstimate, answer)

    async def _request_estimate(self, params: list[Any]) -> Any:
        return await self._client.read(
            "eth_estimateUserOperationGas", params, map_error=map_bundler_error, unbatched=True
        )

    async def send(self, operation: UserOperation) -> Hash32:
        """Submit the operation once and return the user operation hash.

        Raises: the error of the bundler's code (ERC-7769); OutcomeUnknown when the bundler may have accepted it, also
        after an error that says nothing about the operation.
        """
        params = [_encode_operation(operation), ENTRY_POINT.hex0x()]
        answer = await self._client.write("eth_sendUserOperation", params, map_error=_map_send_error)
        try:
            return self._client.decode_result(Hash32, answer)
        except Unavailable as error:
            raise OutcomeUnknown(error.message, part="bundler") from error

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        """Return the operation's receipt; None until the operation is in a block."""
        answer = await self._client.read("eth_getUserOperationReceipt", [operation_hash.hex0x()])
        if answer is None:
            return None
        found = await compute(partial(self._client.decode_result, _Receipt, answer))  # it may have thousands of logs
        logs = logs_of(found.logs)
        return OperationReceipt(
            success=found.success,
            revert_reason=_parse_revert_data(found.reason) or revert_data_of(logs, operation_hash),
            logs=logs,
            transaction_hash=found.receipt.transaction_hash,
            block_hash=found.receipt.block_hash,
            block_number=found.receipt.block_number,
            gas_used=found.actual_gas_used,
        )

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        """Return the operation with this hash; None when the bundler does not know it, or no longer."""
        answer = await self._client.read("eth_getUserOperationByHash", [operation_hash.hex0x()])
        if answer is None:
            return None
        found = self._client.decode_result(_KnownOperation, answer)
        try:
            operation = found.user_operation.to_domain()
        except InvalidParams as error:
            raise Unavailable("the bundler returned a malformed response", part="bundler") from error
        return PendingOperation(
            operation=operation,
            transaction_hash=found.transaction_hash,
            block_number=found.block_number,
        )


def _map_start_error(error: ErrorObject) -> WalletError:
    if error.code == -32601:
        text = "the bundler does not serve eth_supportedEntryPoints; expected the URL of an ERC-4337 bundler"
        return Unavailable(text, reason="no_entry_point", part="bundler")
    return map_bundler_error(error)


def _map_send_error(error: ErrorObject) -> WalletError:
    """Map the error of a bundler that does not accept an operation; an unknown one leaves the outcome open."""
    mapped = map_bundler_error(error)
    if isinstance(mapped, Unavailable) and error.code != MethodNotFound.code:
        return OutcomeUnknown(mapped.message, part="bundler", upstreamCode=error.code)
    return mapped


def _encode_operation(operation: UserOperation) -> Any:
    return encode(UserOperationJson, UserOperationJson.from_domain(operation))


def _parse_revert_data(reason: str | None) -> bytes:
    """Return the revert data when the bundler reports it in hex; empty when it reports a decoded text."""
    try:
        return Data.parse(reason)
    except ValueError:
        return b""
