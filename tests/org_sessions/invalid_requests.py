"""Registrations with one error each: the change, the expected reason, and the expected fields."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.keys import new_key, sign_digest
from tests.support.registration import timestamp_in
from wallet_rpc.domain.signature import HALF_ORDER

Body = dict[str, Any]
SECRET = "5ec2e7" * 10 + "beef"
ORDER = 2 * HALF_ORDER + 1


def installs(body: Body) -> list[Body]:
    items: list[Body] = body["installs"]
    return items


def change_serialized(change: Callable[[str], str]) -> Callable[[Body], None]:
    """Return a change of a body that replaces the text of its first grant."""

    def apply(body: Body) -> None:
        installs(body)[0]["serialized"] = change(installs(body)[0]["serialized"])

    return apply


def pack(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def serialize_as_json(**more: Any) -> Callable[[Body], None]:
    """Return a change of a body that writes its first grant in JSON, with extra members."""
    return change_serialized(
        lambda serialized: pack(
            {"v": 1, "sessionId": f"0x{serialized[4:36]}", "signature": f"0x{serialized[36:]}", **more}
        )
    )


def swap_chains(body: Body) -> None:
    one, two = installs(body)
    one["chainId"], two["chainId"] = two["chainId"], one["chainId"]


def mirror_signature(serialized: str) -> str:
    """Return the same signature with s in the upper half of the order, which lenient verifiers accept."""
    v = int(serialized[-2:], 16)
    s = int(serialized[-66:-2], 16)
    return f"{serialized[:-66]}{ORDER - s:064x}{27 + 28 - v:02x}"


def with_v(v: int) -> Callable[[str], str]:
    return lambda serialized: f"{serialized[:-2]}{v:02x}"


def wrap_wrongly(serialized: str) -> str:
    return f"{serialized[:36]}{'6492' * 16}"


FIRST = "installs[0].serialized"
INVALID: Mapping[str, tuple[Callable[[Body], Any], str, set[str]]] = {
    "nothing": (dict.clear, "missing", {"expiresAt", "installs", "policies", "sessionAddress", "walletId"}),
    "no install": (lambda body: body.update(installs=[]), "malformed", {"installs"}),
    "25 installs": (lambda body: body.update(installs=installs(body)[:1] * 25), "malformed", {"installs"}),
    "an address with a wrong checksum": (
        lambda body: body.update(sessionAddress="0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        "address_malformed",
        {"sessionAddress"},
    ),
    "the zero address": (
        lambda body: body.update(sessionAddress="0x" + "00" * 20),
        "address_malformed",
        {"sessionAddress"},
    ),
    "a Solana address": (
        lambda body: body.update(sessionAddress="DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"),
        "address_malformed",
        {"sessionAddress"},
    ),
    "no text as address": (lambda body: body.update(sessionAddress=1), "address_malformed", {"sessionAddress"}),
    "another chain": (lambda body: installs(body)[1].update(chainId=1), "chain_unsupported", {"installs[1].chainId"}),
    "the largest chain": (
        lambda body: installs(body)[1].update(chainId=2**53 - 1),
        "chain_unsupported",
        {"installs[1].chainId"},
    ),
    "too large a chain": (lambda body: installs(body)[1].update(chainId=2**53), "malformed", {"installs[1].chainId"}),
    "chain zero": (lambda body: installs(body)[1].update(chainId=0), "malformed", {"installs[1].chainId"}),
    "a chain as text": (lambda body: installs(body)[1].update(chainId="31337"), "malformed", {"installs[1].chainId"}),
    "a chain as a float": (
        lambda body: installs(body)[0].update(chainId=31337.5),
        "malformed",
        {"installs[0].chainId"},
    ),
    "a chain as a boolean": (lambda body: installs(body)[0].update(chainId=True), "malformed", {"installs[0].chainId"}),
    "one chain twice": (
        lambda body: installs(body)[1].update(chainId=CHAINS[0]),
        "duplicate_chain",
        {"installs[1].chainId"},
    ),
    "the past": (lambda body: body.update(expiresAt=timestamp_in(-1)), "expiry_out_of_range", {"expiresAt"}),
    "now": (lambda body: body.update(expiresAt=timestamp_in(0)), "expiry_out_of_range", {"expiresAt"}),
    "too far": (lambda body: body.update(expiresAt=timestamp_in(366 * 86_400)), "expiry_out_of_range", {"expiresAt"}),
    "no time": (lambda body: body.update(expiresAt="tomorrow"), "malformed", {"expiresAt"}),
    "a naive time": (lambda body: body.update(expiresAt="2030-01-01T00:00:00"), "malformed", {"expiresAt"}),
    "seconds": (lambda body: body.update(expiresAt=1893456000), "malformed", {"expiresAt"}),
    "policies as a list": (lambda body: body.update(policies=[]), "validation", {"policies"}),
    "too many policies": (lambda body: body.update(policies={"a": "b" * 65_529}), "validation", {"policies"}),
    "no wallet": (lambda body: body.update(walletId=""), "malformed", {"walletId"}),
    "a long wallet": (lambda body: body.update(walletId="w" * 129), "malformed", {"walletId"}),
    "a long workflow": (lambda body: body.update(workflowId="w" * 129), "malformed", {"workflowId"}),
    "other permissions": (
        lambda body: body.update(policies={"permissions": [ROOT, ROOT]}),
        "grant_disagrees",
        {"policies.permissions"},
    ),
    "a limit inside a permission": (
        lambda body: body.update(policies={"permissions": [{**ROOT, "maxValue": "0x1"}]}),
        "grant_disagrees",
        {"policies.permissions"},
    ),
    "an unknown limit": (lambda body: body.update(permissions=[ROOT]), "unknown_member", {"permissions"}),
    "an unknown limit of an install": (
        lambda body: installs(body)[1].update(expiresAt=timestamp_in(60)),
        "unknown_member",
        {"installs[1].expiresAt"},
    ),
    "an unknown limit in a grant": (serialize_as_json(expiresAt=1), "grant_undecodable", {FIRST}),
    "no permissions": (
        lambda body: body.update(policies={"permissions": None}),
        "grant_disagrees",
        {"policies.permissions"},
    ),
    "empty grant": (change_serialized(lambda serialized: ""), "malformed", {FIRST}),
    "long grant": (change_serialized(lambda serialized: "0" * 16_385), "malformed", {FIRST}),
    "garbled grant": (change_serialized(lambda serialized: serialized[:-1]), "grant_undecodable", {FIRST}),
    "a local context": (change_serialized(lambda serialized: "0x01" + serialized[4:]), "grant_undecodable", {FIRST}),
    "an installed context": (change_serialized(lambda serialized: "0x020100000001"), "grant_undecodable", {FIRST}),
    "a permission account": (
        change_serialized(lambda serialized: pack({"permissionParams": {}, "enableSignature": "0x"})),
        "grant_undecodable",
        {FIRST},
    ),
    "a private key": (
        change_serialized(
            lambda serialized: pack({"permissionParams": {}, "accountParams": [{"privateKey": f"0x{SECRET}"}]})
        ),
        "grant_has_private_key",
        {FIRST},
    ),
    "another session": (
        change_serialized(lambda serialized: f"0x00{'11' * 16}{serialized[36:]}"),
        "grant_disagrees",
        {FIRST},
    ),
    "another account": (serialize_as_json(account=FRIEND), "grant_disagrees", {FIRST}),
    "another chain in the grant": (serialize_as_json(chainId=CHAINS[1]), "grant_disagrees", {FIRST}),
    "another key": (
        lambda body: body.update(sessionAddress=new_key().address),
        "grant_disagrees",
        {FIRST, "installs[1].serialized"},
    ),
    "swapped chains": (swap_chains, "grant_disagrees", {FIRST, "installs[1].serialized"}),
    "no signature": (change_serialized(lambda serialized: serialized[:36]), "grant_signature_invalid", {FIRST}),
    "another signature": (
        change_serialized(lambda serialized: serialized[:36] + sign_digest(new_key(), bytes(32))[2:]),
        "grant_signature_invalid",
        {FIRST},
    ),
    "the other half of the curve": (change_serialized(mirror_signature), "grant_signature_invalid", {FIRST}),
    "an invalid v": (change_serialized(with_v(29)), "grant_signature_invalid", {FIRST}),
    "a broken wrapper": (change_serialized(wrap_wrongly), "grant_signature_invalid", {FIRST}),
}
