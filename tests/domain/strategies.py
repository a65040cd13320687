"""Hypothesis strategies: addresses, amounts, and permissions that often share their targets and functions."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.domain.classed_functions import FORBIDDEN_AS_WILDCARD, FORBIDDEN_EVERYWHERE, SDK_MISTAKES
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT, TIME_RANGE_MODULE
from wallet_rpc.domain.permission import (
    AccountFunctions,
    ContractAccess,
    Erc20Allowance,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasAllowance,
    GasLimit,
    NativeAllowance,
    NativeTokenTransfer,
    Permission,
    Root,
    SelectedFunctions,
    Target,
    TargetFunctions,
)
from wallet_rpc.domain.validation_install import HALF_ENTITY, MAX_DEADLINE, SessionTerms
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Selector

ACCOUNT = Address(b"\xac" * 20)
KEY = Address(b"\x5e" * 20)
NOW = 1_760_000_000

uint256 = st.integers(0, 2**256 - 1)
uint128 = st.integers(0, 2**128 - 1)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
addresses = st.binary(min_size=20, max_size=20).map(Address)
blobs = st.binary(max_size=100).map(Data)

CONTRACTS = [Address(bytes([n]) * 20) for n in range(1, 5)]
FUNCTIONS = [Selector(bytes([n]) * 4) for n in range(0x10, 0x14)] + [
    abi.ERC20_TRANSFER,
    abi.ERC20_APPROVE,
    Selector(bytes(4)),
]
FORBIDDEN = [Selector(bytes.fromhex(one)) for one in (*FORBIDDEN_EVERYWHERE, *FORBIDDEN_AS_WILDCARD, *SDK_MISTAKES)]

harmless_targets = st.sampled_from(CONTRACTS)
any_targets = st.sampled_from([*CONTRACTS, ACCOUNT, ZERO_ADDRESS, ENTRY_POINT, TIME_RANGE_MODULE])
harmless_functions = st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=4, unique=True).map(tuple)
any_functions = st.lists(st.sampled_from([*FUNCTIONS, *FORBIDDEN]), min_size=1, max_size=4).map(tuple)


def permissions(
    targets: st.SearchStrategy[Address], functions: st.SearchStrategy[tuple[Selector, ...]]
) -> st.SearchStrategy[Permission]:
    return st.one_of(
        st.builds(
            lambda wei: NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=wei)), uint256
        ),
        st.builds(
            lambda to, units: Erc20TokenTransfer(
                type="erc20-token-transfer", data=Erc20Allowance(address=to, allowance=units)
            ),
            targets,
            uint256,
        ),
        st.builds(lambda wei: GasLimit(type="gas-limit", data=GasAllowance(limit=wei)), uint256),
        st.builds(lambda to: ContractAccess(type="contract-access", data=Target(address=to)), targets),
        st.builds(
            lambda some: AccountFunctions(type="account-functions", data=SelectedFunctions(functions=some)), functions
        ),
        st.builds(
            lambda some: FunctionsOnAllContracts(
                type="functions-on-all-contracts", data=SelectedFunctions(functions=some)
            ),
            functions,
        ),
        st.builds(
            lambda to, some: FunctionsOnContract(
                type="functions-on-contract", data=TargetFunctions(address=to, functions=some)
            ),
            targets,
            functions,
        ),
        st.just(Root(type="root")),
    )


harmless_permissions = permissions(harmless_targets, harmless_functions)
any_permissions = permissions(any_targets, any_functions)
deadlines = st.one_of(st.just(0), st.integers(NOW, MAX_DEADLINE))
terms = st.builds(
    lambda entity_id, deadline, account, key: SessionTerms(
        account=account, key=key, entity_id=entity_id, deadline=deadline, now=NOW
    ),
    st.integers(1, HALF_ENTITY - 1),
    deadlines,
    addresses,
    addresses,
)
TERMS = SessionTerms(account=ACCOUNT, key=KEY, entity_id=1, deadline=0, now=NOW)
