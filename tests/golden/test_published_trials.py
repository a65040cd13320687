"""Trials of grants on the published contracts end as on the development contracts. Skipped where they are absent."""

from __future__ import annotations

import pytest

from tests.e2e.permissions import CASES
from tests.golden.published import published_contracts
from tests.golden.scenarios import our_contracts
from wallet_rpc import wire
from wallet_rpc.devchain.chain import Blockchain, ChainConfig
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall
from wallet_rpc.devchain.execution import Override
from wallet_rpc.devchain.genesis import Genesis, GenesisBuilder, genesis_values
from wallet_rpc.domain.account import PROXY_CODE, Call, execute_batch_call_data, semi_modular_deployment
from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.contracts import (
    ACCOUNT_FACTORY,
    ALLOWLIST_MODULE,
    ENTRY_POINT,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
)
from wallet_rpc.domain.installation_trial import (
    STAND_IN,
    STAND_IN_OVERRIDE,
    encode_stand_in_trial,
    encode_trial,
    explain_revert,
    find_obstacle,
)
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data

OWNER, KEY = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
GRANTS = [wire.decode(tuple[Permission, ...], list(case.permissions)) for case in CASES.values()]


def _open(contracts: Genesis) -> Blockchain:
    """Create a chain with one deployed account."""
    builder = GenesisBuilder(contracts)
    builder.call(ACCOUNT_FACTORY, semi_modular_deployment(OWNER).factory.data, sender=OWNER)
    return Blockchain(genesis_values(builder.accounts()), ChainConfig(timestamp=1_800_000_000))


@pytest.fixture(scope="module", params=["development", "published"])
def chain(request: pytest.FixtureRequest) -> Blockchain:
    if request.param == "development":
        return _open(our_contracts().contracts)
    return _open(published_contracts().contracts)


def _try_new(chain: Blockchain, grant: tuple[Permission, ...], changed: dict[bytes, Override]) -> ExecutionResult:
    override = Override(
        code=bytes.fromhex(STAND_IN_OVERRIDE["code"][2:]),
        state_diff={int.from_bytes(IMPLEMENTATION_SLOT): int.from_bytes(SEMI_MODULAR_ACCOUNT_BYTECODE)},
    )
    call = MessageCall(sender=STAND_IN, to=STAND_IN, data=encode_stand_in_trial(grant, has_expiry=True), gas=20_000_000)
    return chain.call(call, overrides={bytes(STAND_IN): override, **changed})


@pytest.mark.parametrize("grant", GRANTS)
def test_each_permission_passes_its_trial_on_a_new_and_on_a_deployed_account(
    chain: Blockchain, grant: tuple[Permission, ...]
) -> None:
    fresh = _try_new(chain, grant, {})
    assert fresh.success
    assert find_obstacle(fresh.output) is None
    account = semi_modular_deployment(OWNER).address
    assert chain.code(account).startswith(PROXY_CODE)
    terms = SessionTerms(account=account, key=KEY, entity_id=7, deadline=1_900_000_000, now=0)
    call = MessageCall(
        sender=account, to=account, data=encode_trial(account, compile_permissions(grant, terms)), gas=20_000_000
    )
    deployed = chain.call(call)
    assert deployed.success
    assert find_obstacle(deployed.output) is None


def test_an_absent_module_and_an_entity_id_in_use_are_obstacles(chain: Blockchain) -> None:
    grant = wire.decode(tuple[Permission, ...], list(CASES["contract-access"].permissions))
    without = _try_new(chain, grant, {bytes(ALLOWLIST_MODULE): Override(code=b"")})
    assert explain_revert(Data(without.output)).errors == ("InterfaceNotSupported",)
    account = semi_modular_deployment(OWNER).address
    terms = SessionTerms(account=account, key=KEY, entity_id=7, deadline=0, now=0)
    install = compile_permissions(grant, terms)
    twice = [install.call_data, install.call_data]
    again = chain.call(
        MessageCall(
            sender=ENTRY_POINT,
            to=account,
            data=execute_batch_call_data([Call(to=account, data=each) for each in twice]),
            gas=20_000_000,
        )
    )
    assert explain_revert(Data(again.output)).errors == ("ValidationAlreadySet",)
