"""`rules` of `wallet_explainCalls`: what would remain of a session's rules, as a call that is then sent uses it."""

from __future__ import annotations

import secrets
from typing import Any

from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.rules.ruled import (
    SET_RULES,
    act,
    denial,
    execute_batch,
    open_ruled,
    owner_signature,
    pay,
    prepare,
    usage,
)
from tests.rules.test_entries import hold_mempool
from tests.support.calls import call_data
from tests.support.constants import CHAINS, FRIEND, TOKEN
from wallet_rpc.domain.access import OrganizationId

CHAIN = CHAINS[0]
RULES: list[dict[str, Any]] = [
    {"type": "amount", "limit": "0xa", "period": "day"},
    {"type": "amount", "limit": "0x64", "period": "total", "token": TOKEN},
    {"type": "calls", "limit": 5, "period": "week"},
    {"type": "rate", "limit": 3, "seconds": 3600},
    {"type": "recipients", "allow": [FRIEND, TOKEN]},
]
SPENDING = pay(3), {"to": TOKEN, "data": call_data("transfer(address,uint256)", FRIEND, 40)}


async def explain(wallet: OrgWallet, *calls: dict[str, Any], client: OrgClient | None = None) -> Any:
    named = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": wallet.grants[0].entity_id}
    return await (client or wallet.client).ask("wallet_explainCalls", **named, calls=list(calls))


def rest_of(rules: list[dict[str, Any]], part: str) -> list[Any]:
    return [each[part]["remaining"] for each in rules]


async def test_the_rest_after_the_calls_is_that_of_the_calls_that_are_sent(client: OrgClient) -> None:
    wallet = await open_ruled(client, *RULES, tokens=100)
    assert await act(wallet, pay(1)) == 200

    explained = await explain(wallet, *SPENDING)

    rules = explained["rules"]
    assert [each["index"] for each in rules] == [0, 1, 2, 3], "recipients have no rest"
    assert rest_of(rules, "usage") == ["0x9", "0x64", 4, 2]
    assert rest_of(rules, "after") == ["0x6", "0x3c", 2, 1]
    assert [each["usage"] for each in rules] == [each["usage"] for each in await usage(wallet) if "usage" in each]
    assert await act(wallet, *SPENDING) == 200
    assert rest_of([each for each in await usage(wallet) if "usage" in each], "usage") == ["0x6", "0x3c", 2, 1]


async def test_calls_inside_calls_count_in_the_preview(client: OrgClient) -> None:
    wallet = await open_ruled(client, *RULES)
    inner = execute_batch((FRIEND, 2), (FRIEND, 4))

    explained = await explain(wallet, {"to": wallet.account, "data": inner})

    assert rest_of(explained["rules"], "after") == ["0x4", "0x64", 3, 2]


async def test_calls_take_the_place_of_those_in_flight_with_their_nonce(client: OrgClient) -> None:
    wallet = await open_ruled(client, *RULES[:1], *RULES[2:4])
    assert await act(wallet, pay(1)) == 200
    hold_mempool(wallet)
    await wallet.send(await prepare(wallet, pay(6)), wallet.key, wallet.grants[0].permissions)
    assert rest_of(await usage(wallet), "usage") == ["0x3", 3, 1]

    for wei, rest in ((6, "0x3"), (4, "0x3"), (9, "0x0")):
        explained = await explain(wallet, pay(wei))
        assert explained["decision"] != "denied", explained
        assert rest_of(explained["rules"], "usage") == ["0x3", 3, 1]
        assert rest_of(explained["rules"], "after") == [rest, 3, 1]
        assert await prepare(wallet, pay(wei))
    assert (await explain(wallet, pay(10)))["reason"] == "rule_amount_exceeded"
    assert (await denial(wallet, pay(10))).reason == "rule_amount_exceeded"


async def test_denied_calls_use_nothing(client: OrgClient) -> None:
    wallet = await open_ruled(client, *RULES)

    explained = await explain(wallet, pay(11))

    assert (explained["decision"], explained["reason"]) == ("denied", "rule_amount_exceeded")
    assert rest_of(explained["rules"], "after") == rest_of(explained["rules"], "usage") == ["0xa", "0x64", 5, 3]


async def test_rules_of_another_organization_are_not_shown(client: OrgClient) -> None:
    wallet = await open_ruled(client, RULES[0])
    assert await act(wallet, pay(1)) == 200
    other = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    named = {"account": wallet.account, "chainId": hex(CHAIN)}
    await other.ask(SET_RULES, **named, **wallet.grants[0].grant_context, rules=[RULES[2]])
    assert [each["rule"]["type"] for each in (await explain(wallet, pay(1)))["rules"]] == ["amount"]

    signature = await owner_signature(wallet, "setRules", rules=[])
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[], ownerSignature=signature)

    assert "rules" not in await explain(wallet, pay(1)), "the owner removed those of all"
