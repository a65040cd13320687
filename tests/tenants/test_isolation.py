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
from tests.tenants.isolation_queries import CHAIN, QUESTIONS, REST_QUESTIONS, Things, grant, registration
from tests.tenants.tenant import Tenant
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.primitives import Address

ALL = [question for questions in (*QUESTIONS.values(), *REST_QUESTIONS.values()) for question in questions]
NAMES = tuple(field.name for field in fields(Things))


def made_up() -> Things:
    """Things of the right form that nobody has."""
    owner, salt = new_key(), 0
    return Things(
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


def told(answer: Any, things: Things) -> str:
    """An answer with what it was asked about named, and chance and time taken out."""
    text = json.dumps(answer, sort_keys=True)
    for name in NAMES:
        text = re.sub(re.escape(str(getattr(things, name))), f"<{name}>", text, flags=re.IGNORECASE)
        text = re.sub(re.escape(str(getattr(things, name)).removeprefix("0x")), f"<{name}>", text, flags=re.IGNORECASE)
    text = re.sub(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{16,}", "<hex>", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", text)
    return re.sub(r"req_[0-9a-f]+|eyJ[\w.-]+|20\d\d-\d\d-\d\dT[\d:.]+Z|\b\d{9,}\b|<hex>[.…]*", "<chance>", text)


class Kept(Tenant):
    """A tenant that has one of each thing."""

    def settled(self) -> Things:
        owner, key = new_key(), new_key()
        account = self.result("wallet_requestAccount", {"signerAddress": owner.address})
        things = made_up()
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
            call_id=self._sent(),
        )
        status, group = self.rest("POST", self.sessions, registration(things))
        assert status == 200, group
        status, token = self.rest("POST", "/v1/sessions", {"walletAddress": owner.address})
        assert status == 200, token
        return _with(things, group_id=group["sessionGroupId"], token_id=claims_of(token["token"])["jti"])

    def _sent(self) -> str:
        """A call of another account, which is on the chain afterwards."""
        client = Client(f"{self.url}/v2/{self.key}", f"{self.url}/chain/{int(CHAIN, 16)}", http=self.http)
        sent: str = Wallet(client).fund(tokens=0).act(None, {"to": FRIEND})["id"]
        return sent


def _with(things: Things, **more: str) -> Things:
    return Things(**{**asdict(things), **more})


@pytest.fixture
def first(tenant: Tenant) -> Kept:
    return Kept(tenant.url, tenant.organization, tenant.key, tenant.http)


def test_every_operation_is_asked_about() -> None:
    assert set(QUESTIONS) == {operation.name for operation in OPERATIONS}
    places = {(each.rest.verb, path) for each in REST_OPERATIONS if each.rest is not None for path in each.rest.paths}
    assert set(REST_QUESTIONS) <= places
    assert len(REST_QUESTIONS) == len(REST_OPERATIONS)


def test_what_another_organisation_has_does_not_exist(first: Kept, other: Tenant) -> None:
    theirs, nothing = first.settled(), made_up()

    for question in ALL:
        assert told(question(other, theirs), theirs) == told(question(other, nothing), nothing)


def test_the_questions_would_find_what_is_there(first: Kept) -> None:
    theirs, nothing = first.settled(), made_up()

    finds = [told(question(first, theirs), theirs) != told(question(first, nothing), nothing) for question in ALL]

    assert sum(finds) >= len(ALL) // 2


@settings(max_examples=40)
@given(data=st.data())
def test_no_mixture_of_anothers_things_exists_either(first: Kept, other: Tenant, data: st.DataObject) -> None:
    theirs, nothing = first.settled(), made_up()
    mixed = _with(
        nothing, **{name: getattr(theirs, name) for name in data.draw(st.sets(st.sampled_from(NAMES), min_size=1))}
    )
    for question in data.draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=6)):
        assert told(question(other, mixed), mixed) == told(question(other, nothing), nothing)
