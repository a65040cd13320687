"""Entity ids of new sessions: no session gets the module state of an earlier one."""

from __future__ import annotations

import pytest

from tests.e2e.elsewhere import local_grant
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet
from wallet_rpc.domain.permission import ContractAccess, Target
from wallet_rpc.primitives import Address

pytestmark = on_both_stacks
NARROW = {"type": "functions-on-contract", "data": {"address": FRIEND, "functions": ["0x12345678"]}}
UNKNOWN_FUNCTION = {"to": FRIEND, "data": "0x12345678"}
WIDE = ContractAccess(type="contract-access", data=Target(address=Address.parse(TOKEN)))
RANDOM_IDS = range(1 << 16, 1 << 30)
"""Range of the first entity id of an account that has code."""


def entity_of(grant: Grant) -> int:
    """Return the entity id of a grant's nonce, whose parallel key is 0."""
    return int(grant.created["signatureRequest"]["data"]["message"]["nonce"], 16) >> 72


@pytest.mark.parametrize("parallel_key", [0, 1_700_000_000_000])
def test_a_session_inherits_nothing_from_one_made_without_the_server(wallet: Wallet, parallel_key: int) -> None:
    earlier = local_grant(wallet, WIDE, parallel_key=parallel_key)
    assert earlier.use(wallet, transfer(1)) == 200
    earlier.uninstall(wallet)
    grant = wallet.grant(NARROW)
    assert entity_of(grant) in RANDOM_IDS
    assert wallet.act(grant, UNKNOWN_FUNCTION)["status"] == 200
    before = wallet.client.token_balance(FRIEND)
    with pytest.raises(RpcError, match="AddressNotAllowed"):
        wallet.act(grant, transfer(900))
    assert wallet.client.token_balance(FRIEND) == before


def test_an_entity_id_is_skipped_when_its_nonce_was_used(wallet: Wallet) -> None:
    assert wallet.act(None)["status"] == 200
    first = entity_of(wallet.grant(NARROW))
    burn = call_data("incrementNonce(uint192)", (first + 1) << 8 | 2)
    entry_point = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"
    assert wallet.act(None, {"to": entry_point, "data": burn})["status"] == 200
    assert entity_of(wallet.grant(NARROW)) == first + 2


def test_entity_ids_start_at_1_before_deployment_and_at_random_after_it(wallet: Wallet) -> None:
    before = [entity_of(wallet.grant(NARROW)) for _ in range(2)]
    assert wallet.act(None)["status"] == 200
    first, second = (entity_of(wallet.grant(NARROW)) for _ in range(2))
    assert before == [1, 2]
    assert first in RANDOM_IDS
    assert second == first + 1


def test_an_externally_owned_account_with_transactions_is_not_a_future_contract(client: Client) -> None:
    wallet = Wallet(client)
    wallet.account = client.chain("eth_accounts")[0]  # it mints the other tests' tokens
    Wallet(client).fund()
    with pytest.raises(RpcError) as error_info:
        wallet.create_session(NARROW, key=new_key())
    assert (error_info.value.code, error_info.value.reason) == (-32602, "account_not_delegated")
