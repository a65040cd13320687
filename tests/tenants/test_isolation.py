"""What one organisation has does not exist for another.

Each question about something of organisation A, asked by B, is answered as the same question about something that was
never made. Two things are public and so left out: what is on the chain, and how many sessions were ever made for an
account, all organisations together.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from dataclasses import asdict, fields
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.client import FRIEND, Client, Wallet, new_key
from tests.tenants.acceptance import claims_of
from tests.tenants.isolation_queries import CHAIN, QUERIES, REST_QUERIES, Resources, grant, registration
from tests.tenants.tenant import Tenant
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.primitives import Address

ALL = [question for questions in (*QUERIES.values(), *REST_QUERIES.values()) for question in questions]
NAMES = tuple(field.name for field in fields(Resources))


def random_resources() -> Resources:
    """Things of the right form that nobody has."""
    owner, salt = new_key(), 0
    return Resources(
        organization=f"org_{secrets.token_hex(10)}",
        signer=owner.address,
        account=semi_modular_deployment(Address.parse(owner.address), salt).address.hex0x(),
        account_id=str(uuid.uuid4()),
        session_id="0x" + secrets.token_hex(16),
        signature="0x" + Account.unsafe_sign_hash(secrets.token_bytes(32), owner.key).signature.hex(),
        session_key=new_key().address,
        group_id="sgrp_" + "".join(secrets.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(26)),
        call_id="0x" + f"{int(CHAIN, 16):064x}" + secrets.token_hex(32),
        token_id=secrets.token_hex(16),
    )


def redact(answer: Any, things: Resources) -> str:
    """An answer with what it was asked about named, and chance and time taken out."""
    text = json.dumps(answer, sort_keys=True)
    for name in NAMES:
        text = re.sub(re.escape(str(getattr(things, name))), f"<{name}>", text, flags=re.IGNORECASE)
        text = re.sub(re.escape(str(getattr(things, name)).removeprefix("0x")), f"<{name}>", text, flags=re.IGNORECASE)
    text = re.sub(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{16,}", "<hex>", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", text)
    return re.sub(r"req_[0-9a-f]+|eyJ[\w.-]+|20\d\d-\d\d-\d\dT[\d:.]+Z|\b\d{9,}\b|<hex>[.…]*", "<chance>", text)


class PopulatedTenant(Tenant):
    """A tenant that has one of each thing."""

    def create_resources(self) -> Resources:
        owner, key = new_key(), new_key()
        account = self.result("wallet_requestAccount", {"signerAddress": owner.address})
        things = random_resources()
        created = self.result(
            "wallet_createSession", grant(_with(things, account=account["accountAddress"], session_key=key.address))
        )
        digest = created["signatureRequest"]["rawPayload"]
        signature = "0x" + Account.unsafe_sign_hash(digest, owner.key).signature.hex()
        things = _with(
            things,
            organization=self.organization,
            signer=owner.address,
            account=account["accountAddress"],
            account_id=account["id"],
            session_id=created["sessionId"],
            signature=signature,
            session_key=key.address,
            call_id=self._send_call(),
        )
        status, group = self.rest("POST", self.sessions, registration(things))
        assert status == 200, group
        status, token = self.rest("POST", "/v1/sessions", {"walletAddress": owner.address})
        assert status == 200, token
        return _with(things, group_id=group["sessionGroupId"], token_id=claims_of(token["token"])["jti"])

    def _send_call(self) -> str:
        """A call of another account, which is on the chain afterwards."""
        client = Client(f"{self.url}/v2/{self.key}", f"{self.url}/chain/{int(CHAIN, 16)}", http=self.http)
        sent: str = Wallet(client).fund(tokens=0).act(None, {"to": FRIEND})["id"]
        return sent


def _with(things: Resources, **more: str) -> Resources:
    return Resources(**{**asdict(things), **more})


@pytest.fixture
def first(tenant: Tenant) -> PopulatedTenant:
    return PopulatedTenant(tenant.url, tenant.organization, tenant.key, tenant.http)


def test_every_operation_is_asked_about() -> None:
    assert set(QUERIES) == {operation.name for operation in OPERATIONS}
    places = {(each.rest.verb, path) for each in REST_OPERATIONS if each.rest is not None for path in each.rest.paths}
    assert set(REST_QUERIES) <= places
    assert len(REST_QUERIES) == len(REST_OPERATIONS)


def test_what_another_organisation_has_does_not_exist(first: PopulatedTenant, other: Tenant) -> None:
    theirs, nothing = first.create_resources(), random_resources()

    for question in ALL:
        assert redact(question(other, theirs), theirs) == redact(question(other, nothing), nothing)


def test_the_questions_would_find_what_is_there(first: PopulatedTenant) -> None:
    theirs, nothing = first.create_resources(), random_resources()

    finds = [redact(question(first, theirs), theirs) != redact(question(first, nothing), nothing) for question in ALL]

    assert sum(finds) >= len(ALL) // 2


@settings(max_examples=40)
@given(data=st.data())
def test_no_mixture_of_anothers_things_exists_either(
    first: PopulatedTenant, other: Tenant, data: st.DataObject
) -> None:
    theirs, nothing = first.create_resources(), random_resources()
    mixed = _with(
        nothing, **{name: getattr(theirs, name) for name in data.draw(st.sets(st.sampled_from(NAMES), min_size=1))}
    )
    for question in data.draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=6)):
        assert redact(question(other, mixed), mixed) == redact(question(other, nothing), nothing)
