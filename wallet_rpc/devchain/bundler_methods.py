"""The bundler's and the paymaster's methods (ERC-7769, ERC-7677)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from wallet_rpc import wire
from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.bundler import MinedOperation
from wallet_rpc.devchain.call_request import Overrides, overrides_of
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.paymaster import SponsorshipResult
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.operation_events import execution_revert_data, operation_log_indexes
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SignatureInvalid,
    ValidationReverted,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import ZERO_ADDRESS, Address, ChainId, Data, Gas, Hash32, WeiPerGas
from wallet_rpc.wire import shape


def _zero_for_null(value: Any) -> Any:
    return 0 if value is None else value


_OR_NULL = BeforeValidator(_zero_for_null)
"""Accepts null for an absent amount."""


@shape
class PartialOperation(UserOperationJson):
    """A user operation that may lack gas limits and fees: absent or null."""

    call_gas_limit: Annotated[Gas, _OR_NULL] = 0
    verification_gas_limit: Annotated[Gas, _OR_NULL] = 0
    pre_verification_gas: Annotated[Gas, _OR_NULL] = 0
    max_fee_per_gas: Annotated[WeiPerGas, _OR_NULL] = 0
    max_priority_fee_per_gas: Annotated[WeiPerGas, _OR_NULL] = 0


@shape
class SendRequest:
    """A user operation and its entry point."""

    operation: UserOperationJson
    entry_point: Address


@shape
class EstimateRequest:
    """A user operation, its entry point, and state overrides."""

    operation: PartialOperation
    entry_point: Address
    overrides: Overrides | None = None


@shape
class OperationHash:
    """The hash of a user operation."""

    hash: Hash32


@shape
class SponsorRequest:
    """A user operation, its entry point, its chain id and the paymaster context."""

    operation: PartialOperation
    entry_point: Address
    chain_id: ChainId
    context: dict[str, Any] | None = None


@shape
class PaymasterDataResponse:
    """The paymaster fields of the operation, and the payment terms if the account pays for gas in ERC-20."""

    paymaster: Address
    paymaster_data: Data
    paymaster_verification_gas_limit: Gas
    paymaster_post_op_gas_limit: Gas
    is_final: bool = False
    token_payment: Erc20PaymentTerms | None = None


async def send_user_operation(context: DevChain, request: SendRequest) -> Hash32:
    """`eth_sendUserOperation`: with automatic mining the operation is mined before the response."""
    _check_entry_point(request.entry_point)
    return context.bundler.send(request.operation.to_domain())


async def estimate_user_operation_gas(context: DevChain, request: EstimateRequest) -> GasEstimate:
    """`eth_estimateUserOperationGas`."""
    _check_entry_point(request.entry_point)
    return context.bundler.estimate(request.operation.to_domain(), overrides_of(request.overrides))


async def get_user_operation_by_hash(context: DevChain, request: OperationHash) -> JsonValue:
    """`eth_getUserOperationByHash`."""
    mined = context.bundler.find(request.hash)
    op = context.bundler.find_pending(request.hash) if mined is None else context.bundler.read_operation(mined)
    if op is None:
        return None
    found: dict[str, JsonValue] = {
        "userOperation": wire.encode(UserOperationJson, UserOperationJson.from_domain(op)),
        "entryPoint": ENTRY_POINT.hex0x(),
    }
    if mined is None:
        return {**found, "transactionHash": None, "blockHash": None, "blockNumber": None}
    return {
        **found,
        "transactionHash": answers.format_data(mined.inclusion.hash),
        "blockHash": answers.format_data(mined.block.hash),
        "blockNumber": hex(mined.block.number),
    }


async def get_user_operation_receipt(context: DevChain, request: OperationHash) -> JsonValue:
    """`eth_getUserOperationReceipt`."""
    mined = context.bundler.find(request.hash)
    return None if mined is None else _format_receipt(mined)


async def get_supported_entry_points(context: DevChain, request: NoParams) -> tuple[Address, ...]:
    """`eth_supportedEntryPoints`."""
    return (ENTRY_POINT,)


async def get_paymaster_stub_data(context: DevChain, request: SponsorRequest) -> PaymasterDataResponse:
    """`pm_getPaymasterStubData`."""
    context.chain.faults.refuse_sponsorship()
    return _build_response(context.paymaster.stub(_parse_operation(context, request), request.context or {}))


async def get_paymaster_data(context: DevChain, request: SponsorRequest) -> PaymasterDataResponse:
    """`pm_getPaymasterData`."""
    context.chain.faults.refuse_sponsorship()
    return _build_response(context.paymaster.sponsor(_parse_operation(context, request), request.context or {}))


def _parse_operation(context: DevChain, request: SponsorRequest) -> UserOperation:
    _check_entry_point(request.entry_point)
    chain_id = context.chain.config.chain_id
    if request.chain_id != chain_id:
        raise InvalidParams(f"expected {chain_id:#x}, got {request.chain_id:#x}", field="params.chainId")
    return request.operation.to_domain()


def _build_response(sponsorship: SponsorshipResult) -> PaymasterDataResponse:
    part = sponsorship.part
    return PaymasterDataResponse(
        paymaster=part.address,
        paymaster_data=part.data,
        paymaster_verification_gas_limit=part.verification_gas_limit,
        paymaster_post_op_gas_limit=part.post_op_gas_limit,
        token_payment=sponsorship.payment,
    )


def _check_entry_point(entry_point: Address) -> None:
    if entry_point != ENTRY_POINT:
        text = f"expected {ENTRY_POINT}, got {entry_point}"
        raise InvalidParams(text, reason="unsupported_entry_point", field="params.entryPoint")


def _format_receipt(mined: MinedOperation) -> dict[str, JsonValue]:
    event, inclusion = mined.event, mined.inclusion
    is_direct = bytes(inclusion.transaction.to) == ENTRY_POINT
    reason = execution_revert_data(inclusion.logs, event.operation_hash)
    return {
        "userOpHash": answers.format_data(event.operation_hash),
        "entryPoint": ENTRY_POINT.hex0x(),
        "sender": event.sender.hex0x(),
        "nonce": hex(event.nonce),
        "paymaster": None if event.paymaster == ZERO_ADDRESS else event.paymaster.hex0x(),
        "actualGasCost": hex(event.cost),
        "actualGasUsed": hex(event.gas_used),
        "success": event.success,
        **({} if not reason else {"reason": answers.format_data(reason)}),
        "logs": [
            answers.format_log(mined.block, inclusion, at)
            for at in operation_log_indexes(inclusion.logs, event, is_direct=is_direct)
        ],
        "receipt": answers.format_receipt(mined.block, inclusion),
    }


_SIMULATION_ERRORS = (ValidationReverted, PaymasterRejected, OutOfTimeRange, SignatureInvalid, Rejected, InvalidParams)

READ_OPERATIONS = (
    Operation("eth_getUserOperationByHash", OperationHash, JsonValue, get_user_operation_by_hash, positional=True),
    Operation("eth_getUserOperationReceipt", OperationHash, JsonValue, get_user_operation_receipt, positional=True),
    Operation("eth_supportedEntryPoints", NoParams, tuple[Address, ...], get_supported_entry_points, positional=True),
)
"""The bundler's read methods."""
EXECUTING_OPERATIONS = (
    Operation(
        "eth_sendUserOperation", SendRequest, Hash32, send_user_operation, errors=_SIMULATION_ERRORS, positional=True
    ),
    Operation(
        "eth_estimateUserOperationGas",
        EstimateRequest,
        GasEstimate,
        estimate_user_operation_gas,
        errors=(*_SIMULATION_ERRORS, ExecutionReverted),
        positional=True,
    ),
    Operation(
        "pm_getPaymasterStubData",
        SponsorRequest,
        PaymasterDataResponse,
        get_paymaster_stub_data,
        errors=(InvalidParams,),
        positional=True,
    ),
    Operation(
        "pm_getPaymasterData",
        SponsorRequest,
        PaymasterDataResponse,
        get_paymaster_data,
        errors=(InvalidParams,),
        positional=True,
    ),
)
"""The methods of bundler and paymaster that run code."""
OPERATIONS = (*READ_OPERATIONS, *EXECUTING_OPERATIONS)
"""All methods of bundler and paymaster."""
