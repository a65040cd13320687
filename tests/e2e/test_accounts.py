"""Accounts of a signer: requests by address, salt and id, and the paged list."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.delegating import DELEGATE
from tests.e2e.stacks import on_both_stacks
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError

pytestmark = on_both_stacks
SIGNER_OF_DOCS = "0x7a3ccbFe9DA9b53228872dd7ef3dc3fDd13Cf8A0"


def request_account(client: Client, signer: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.rpc("wallet_requestAccount", {"signerAddress": signer, **more})
    return found


def list_accounts(client: Client, signer: str, **more: Any) -> dict[str, Any]:
    page: dict[str, Any] = client.rpc("wallet_listAccounts", {"signerAddress": signer, **more})
    return page


def test_a_delegated_account_is_the_signers_own_address(client: Client) -> None:
    signer = new_key().address
    hint = {"creationHint": {"accountType": "7702"}, "includeCounterfactualInfo": True}
    found = request_account(client, signer, **hint)
    assert found == {"accountAddress": signer, "id": found["id"], "delegation": DELEGATE}
    assert request_account(client, signer, **hint) == found
    assert client.rpc("wallet_requestAccount", {"accountAddress": signer}) == found


def test_the_account_type_can_be_chosen_either_way(client: Client) -> None:
    signer = new_key().address
    contract = request_account(client, signer)
    external = request_account(client, signer, creationHint={"accountType": "7702"})
    assert external["accountAddress"] == signer != contract["accountAddress"]
    assert request_account(client, signer) == contract
    assert request_account(client, signer, creationHint={}) == contract
    assert request_account(client, signer, creationHint={"accountType": "sma-b"}) == contract
    assert request_account(client, signer, id=external["id"]) == external
    assert [one["id"] for one in list_accounts(client, signer)["accounts"]] == [contract["id"], external["id"]]


def test_a_signer_has_one_delegated_account_whatever_id_is_requested(client: Client) -> None:
    signer, tag = new_key().address, str(uuid.uuid4())
    first = request_account(client, signer, id=tag, creationHint={"accountType": "7702"})
    assert first["id"] == tag
    assert request_account(client, signer, id=str(uuid.uuid4()), creationHint={"accountType": "7702"}) == first


def test_a_salt_finds_or_creates_an_account(client: Client) -> None:
    signer = new_key().address
    external = request_account(client, signer, creationHint={"accountType": "7702"})
    seven = request_account(
        client, signer, creationHint={"salt": "0x7", "createAdditional": True, "accountType": "sma-b"}
    )
    assert seven != external
    assert request_account(client, signer, creationHint={"salt": "0x07"}) == seven
    assert request_account(client, signer, creationHint={"salt": 7}) == seven
    largest = request_account(client, signer, creationHint={"salt": "0x" + "ff" * 32})
    assert list_accounts(client, signer)["meta"]["totalCount"] == 3
    assert largest["accountAddress"] != seven["accountAddress"]


def test_an_additional_account_takes_the_next_salt(client: Client) -> None:
    signer = new_key().address
    more = [request_account(client, signer, creationHint={"createAdditional": True}) for _ in range(3)]
    assert [request_account(client, signer, creationHint={"salt": hex(salt)}) for salt in range(3)] == more


def test_an_account_that_was_never_requested_is_not_found_by_address(client: Client) -> None:
    with pytest.raises(RpcError) as error_info:
        client.rpc("wallet_requestAccount", {"accountAddress": new_key().address})
    assert (error_info.value.code, error_info.value.reason) == (-32602, "unknown_account")


@pytest.mark.parametrize(
    "kind", ["la-v2", "la-v1.0.1", "la-v1.0.2", "la-v1.1.0", "la-v2-multi-owner", "ma-v1-multi-owner", "SMA-B", ""]
)
def test_other_account_types_are_rejected_by_name(client: Client, kind: str) -> None:
    with pytest.raises(RpcError) as error_info:
        request_account(client, new_key().address, creationHint={"accountType": kind})
    assert (error_info.value.code, error_info.value.reason) == (-32602, "account_type_not_supported")
    assert f'"{kind}"' in error_info.value.message


def test_a_signer_without_requests_has_no_accounts(client: Client) -> None:
    assert list_accounts(client, new_key().address) == {"accounts": [], "meta": {"totalCount": 0, "after": None}}


@settings(max_examples=15)
@given(total=st.integers(1, 9), limit=st.integers(1, 10))
def test_all_pages_together_are_the_whole_list(client: Client, total: int, limit: int) -> None:
    signer = new_key().address
    made = [request_account(client, signer, creationHint={"salt": hex(salt)}) for salt in range(total)]
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = list_accounts(client, signer, limit=limit, **cursor)
        assert page["meta"]["totalCount"] == total
        assert 1 <= len(page["accounts"]) <= limit
        found += page["accounts"]
        if page["meta"]["after"] is None:
            break
        cursor = {"after": page["meta"]["after"]}
    assert found == made


def test_an_account_added_between_two_pages_comes_last(client: Client) -> None:
    signer = new_key().address
    made = [request_account(client, signer, creationHint={"salt": hex(salt)}) for salt in range(2)]
    first = list_accounts(client, signer, limit=1)
    made.append(request_account(client, signer, creationHint={"accountType": "7702"}))
    rest = list_accounts(client, signer, after=first["meta"]["after"])
    assert [one["id"] for one in [*first["accounts"], *rest["accounts"]]] == [one["id"] for one in made]


@pytest.mark.parametrize("limit", [0, 101, -1, 1.5, "10", True])
def test_a_page_has_from_1_to_100_accounts(client: Client, limit: Any) -> None:
    with pytest.raises(RpcError, match=r"^params\.limit: ") as error_info:
        list_accounts(client, SIGNER_OF_DOCS, limit=limit)
    assert error_info.value.code == -32602


@pytest.mark.parametrize("cursor", ["", "!", "AAAA", "A" * 21 + "!", 7, base64.urlsafe_b64encode(bytes(16)).decode()])
def test_an_unknown_cursor_is_rejected(client: Client, cursor: Any) -> None:
    with pytest.raises(RpcError, match=r"^params\.after: ") as error_info:
        list_accounts(client, SIGNER_OF_DOCS, after=cursor)
    assert error_info.value.code == -32602


def test_a_cursor_is_valid_for_one_signer(client: Client) -> None:
    mine, other = new_key().address, new_key().address
    for salt in range(2):
        request_account(client, mine, creationHint={"salt": hex(salt)})
        request_account(client, other, creationHint={"salt": hex(salt)})
    cursor = list_accounts(client, mine, limit=1)["meta"]["after"]
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    with pytest.raises(RpcError) as error_info:
        list_accounts(client, other, after=cursor)
    assert error_info.value.reason == "cursor_unknown"
