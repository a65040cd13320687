"""`wallet_getSession` and `wallet_listSessions`: their numbers are those of the chain, read here by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.module_reads import ALLOWLIST, NATIVE_LIMIT, SINGLE_SIGNER, TIME_RANGE, limits_by_hand, view
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.keys import new_key
from tests.support.wallet import Grant
from wallet_rpc.domain.access import Caller
from wallet_rpc.errors import InvalidParams, NotFound

OTHER = "0x00000000000000000000000000000000000000a1"
SELECTOR = "0xd09de08a"
EVERY_LIMIT = [
    {"type": "native-token-transfer", "data": {"allowance": hex(10**15)}},
    {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},
    {"type": "gas-limit", "data": {"limit": hex(10**18)}},
    {"type": "contract-access", "data": {"address": FRIEND}},
    {"type": "functions-on-contract", "data": {"address": OTHER, "functions": [SELECTOR]}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
    {"type": "account-functions", "data": {"functions": ["0x7e57ab1e"]}},
]
Json = dict[str, Any]


def remaining(session: Json) -> Json:
    return {each["type"]: int(each["remaining"], 16) for each in session["limits"]}


def reserved(session: Json) -> Json:
    return {each["type"]: int(each["reserved"], 16) for each in session["limits"]}


async def fund(wallet: WalletFixture) -> None:
    minter = (await wallet.control("eth_accounts"))[0]
    data = call_data("mint(address,uint256)", wallet.account, 1000)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    await wallet.control("eth_sendTransaction", {"from": minter, "to": TOKEN, "data": data})


async def act(wallet: WalletFixture, grant: Grant, *calls: Json, sponsored: bool = False, mine: bool = True) -> str:
    """Prepare, sign and send calls with the session key."""
    prepared = await wallet.prepare(*calls, sponsored=sponsored, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    if mine:
        await wallet.mempool.mine()
        assert await wallet.status(call_id) == 200
    return call_id


async def get(wallet: WalletFixture, grant: Grant, **fields: Any) -> Json:
    found: Json = await wallet.client.rpc("wallet_getSession", {"sessionId": grant.session_id, **fields})
    return found


async def test_the_limits_are_those_of_the_chain_before_and_after_spending(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)

    pending = await get(wallet, grant)
    assert (pending["state"], pending["isSigned"], pending["calls"]) == ("pending", False, [])
    assert remaining(pending) == {
        "native-token-transfer": 10**15,
        "erc20-token-transfer": 100,
        "gas-limit": 10**18,
    }

    await act(wallet, grant, {"to": FRIEND, "value": "0x7"}, transfer(30))
    installed = await get(wallet, grant)
    entity = installed["entityId"]
    by_hand = await limits_by_hand(wallet, entity)
    assert remaining(installed) == by_hand
    assert by_hand["native-token-transfer"] == 10**15 - 7
    assert by_hand["erc20-token-transfer"] == 70
    assert by_hand["gas-limit"] < 10**18
    assert reserved(installed) == dict.fromkeys(by_hand, 0)
    assert (installed["state"], installed["isSigned"], installed["differences"]) == ("installed", True, [])
    (signer,) = await view(wallet, SINGLE_SIGNER, "signers(uint32,address)", ["address"], entity, wallet.account)
    assert installed["signer"].lower() == signer
    until, after = await view(
        wallet, TIME_RANGE, "timeRanges(uint32,address)", ["uint48", "uint48"], entity, wallet.account
    )
    assert (installed["validUntil"], installed.get("validAfter", 0)) == (until, after)

    await act(wallet, grant, transfer(69), {"to": FRIEND, "value": "0x1"})
    spent = await get(wallet, grant)
    assert remaining(spent) == await limits_by_hand(wallet, entity)
    assert (remaining(spent)["erc20-token-transfer"], remaining(spent)["native-token-transfer"]) == (1, 10**15 - 8)


async def test_the_allowlist_is_that_of_the_chain(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    expected: list[Json] = [
        {"address": None, "functions": ["0x00000000"]},
        {"address": FRIEND, "functions": None},
        {"address": OTHER.lower(), "functions": [SELECTOR]},
        {"address": TOKEN.lower(), "functions": ["0x095ea7b3", "0xa9059cbb"]},
    ]

    found: Json = {}
    for state in ("pending", "installed"):
        found = await get(wallet, grant)
        assert found["state"] == state
        rows = [{"address": each.get("address"), "functions": each.get("functions")} for each in found["contracts"]]
        assert [(str(each["address"] or "").lower(), each["functions"]) for each in rows] == [
            (str(each["address"] or "").lower(), each["functions"]) for each in sorted_like(rows, expected)
        ]
        assert len(rows) == len(expected)
        await act(wallet, grant, {"to": FRIEND})

    (allowed,) = await view(
        wallet,
        ALLOWLIST,
        "selectorAllowlist(uint32,bytes4,address,address)",
        ["bool"],
        found["entityId"],
        bytes.fromhex(SELECTOR[2:]),
        OTHER,
        wallet.account,
    )
    assert allowed is True


def sorted_like(rows: list[Json], expected: list[Json]) -> list[Json]:
    """Return the expected rows in the order of the found ones."""
    places = [str(each["address"] or "").lower() for each in rows]
    return sorted(expected, key=lambda each: places.index(str(each["address"] or "").lower()))


async def test_calls_in_flight_are_reserved_until_the_chain_has_charged_them(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND})
    before = await get(wallet, grant)

    call_id = await act(wallet, grant, {"to": FRIEND, "value": "0x5"}, transfer(11), mine=False)
    waiting = await get(wallet, grant)
    assert remaining(waiting) == remaining(before)
    assert (reserved(waiting)["native-token-transfer"], reserved(waiting)["erc20-token-transfer"]) == (5, 11)
    assert waiting["callsInFlight"] == 1
    (operation,) = wallet.mempool.waiting.values()
    gas = operation.pre_verification_gas + operation.verification_gas_limit + operation.call_gas_limit
    assert reserved(waiting)["gas-limit"] == gas * operation.max_fee_per_gas

    await wallet.mempool.mine()  # the record does not know yet
    charged = await get(wallet, grant)
    assert set(reserved(charged).values()) == {0}
    assert remaining(charged) == {name: left - reserved(waiting)[name] for name, left in remaining(before).items()}
    assert charged["calls"][0]["status"] == 100

    assert await wallet.status(call_id) == 200
    assert (await get(wallet, grant))["calls"][0]["status"] == 200


async def test_gas_of_a_sponsored_call_is_not_reserved(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND, "value": "0x5"}, sponsored=True, mine=False)

    waiting = await get(wallet, grant)

    assert reserved(waiting) == {"native-token-transfer": 5, "erc20-token-transfer": 0, "gas-limit": 0}


async def test_the_calls_are_listed_in_pages_with_their_outcome(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    sent = []
    for value in range(5):
        sent.append(await act(wallet, grant, {"to": FRIEND, "value": hex(value)}))
        wallet.clock.ahead_seconds += 1
    listed: list[Json] = []
    cursor: Json = {}
    while True:
        page = await get(wallet, grant, callsLimit=2, **cursor)
        listed += page["calls"]
        if "callsCursor" not in page:
            break
        cursor = {"callsCursor": page["callsCursor"]}

    assert [each["callId"] for each in listed] == sent[::-1]
    assert [int(each["calls"][0]["value"], 16) for each in listed] == [4, 3, 2, 1, 0]
    assert {each["status"] for each in listed} == {200}


async def test_a_session_ends_by_the_chain(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND})
    found = await get(wallet, grant)
    reference = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": found["entityId"]}
    by_entity = await wallet.client.rpc("wallet_getSession", reference)
    assert by_entity == found

    uninstall = uninstall_data(found["entityId"])
    prepared = await wallet.prepare({"to": wallet.account, "data": uninstall}, sponsored=False)
    await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()

    removed = await get(wallet, grant)
    assert (removed["state"], removed["limits"], removed.get("signer")) == (
        "removed",
        [],
        grant.key.address,
    )


def uninstall_data(entity: int) -> str:
    """Encode an uninstallation without hook data."""
    validation = bytes.fromhex(SINGLE_SIGNER[2:]) + entity.to_bytes(4, "big")
    return call_data("uninstallValidation(bytes24,bytes,bytes[])", validation, b"", [])


async def test_another_signer_on_chain_is_a_change(wallet: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND})
    entity, thief = (await get(wallet, grant))["entityId"], new_key().address
    calls = [
        {"to": SINGLE_SIGNER, "data": call_data("transferSigner(uint32,address)", entity, thief)},
        {"to": NATIVE_LIMIT, "data": call_data("updateLimits(uint32,uint256)", entity, 10**17)},
    ]
    await wallet.send(await wallet.prepare(*calls, sponsored=False), wallet.owner)
    await wallet.mempool.mine()

    changed = await get(wallet, grant)

    assert (changed["state"], changed["signer"]) == ("changed", thief)
    assert {each["part"] for each in changed["differences"]} == {"signer", "limits"}
    assert remaining(changed)["native-token-transfer"] == 10**17


async def test_a_session_that_no_one_has_is_not_found(wallet: WalletFixture) -> None:
    with pytest.raises(NotFound) as error_info:
        await wallet.client.rpc("wallet_getSession", {"account": wallet.account, "chainId": hex(CHAIN), "entityId": 77})
    assert error_info.value.reason == "session_not_on_chain"
    with pytest.raises(NotFound) as error_info:
        await wallet.client.rpc("wallet_getSession", {"sessionId": "0x" + "ab" * 16})
    assert error_info.value.reason == "session_not_found"


async def test_sessions_are_listed_with_what_is_left_of_them(wallet: WalletFixture) -> None:
    await fund(wallet)
    first = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, first, transfer(1))
    second = await wallet.grant({"type": "root"}, expirySec=0)
    both = {"account": wallet.account}

    listed = (await wallet.client.rpc("wallet_listSessions", both))["sessions"]

    assert {each["sessionId"] for each in listed} == {first.session_id, second.session_id}
    by_id = {each["sessionId"]: each for each in listed}
    assert remaining(by_id[first.session_id]) == await limits_by_hand(wallet, by_id[first.session_id]["entityId"])
    for state, grant in (("installed", first), ("pending", second)):
        found = await wallet.client.rpc("wallet_listSessions", {**both, "state": state})
        assert [each["sessionId"] for each in found["sessions"]] == [grant.session_id]
    by_key = await wallet.client.rpc("wallet_listSessions", {"key": second.key.address, "limit": 1})
    assert [each["sessionId"] for each in by_key["sessions"]] == [second.session_id]
    assert "cursor" not in by_key


async def test_a_caller_without_a_key_lists_only_what_it_names(wallet: WalletFixture) -> None:
    with pytest.raises(InvalidParams) as error_info:
        await wallet.client.rpc("wallet_listSessions", {})
    assert error_info.value.reason == "session_filter"


async def test_a_caller_without_a_key_does_not_learn_who_created_a_session(wallet: WalletFixture) -> None:
    grant = await wallet.grant({"type": "root"})
    own = await get(wallet, grant)
    assert len(own["registration"]["holder"]) == 32

    wallet.ports = replace(wallet.ports, caller=Caller(name="192.0.2.7"))
    assert (await get(wallet, grant))["registration"] == {"organization": "org_open"}
