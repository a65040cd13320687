"""Isolation of organisations: the resources of one do not exist for another.

Each request of organisation B for a resource of A gets the same response as a request for a resource that never
existed. Two facts are public and so left out: the chain's state, and the number of sessions that were ever created for
an account, over all organisations.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import uuid
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.constants import FRIEND, ROOT
from tests.support.keys import new_key, sign_digest
from tests.support.wallet import Wallet
from tests.tenants.acceptance import claims_of
from tests.tenants.isolation_queries import CHAIN, QUERIES, Query, Resources
from tests.tenants.isolation_rest_queries import REST_QUERIES, registration
from tests.tenants.tenant import Tenant
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.primitives import Address

ALL = [query for queries in (*QUERIES.values(), *REST_QUERIES.values()) for query in queries]
NAMES = tuple(field.name for field in fields(Resources))


def random_resources() -> Resources:
    """Return identifiers of the right form without resources."""
    owner = new_key()
    salt = 0
    return Resources(
        organization=f"org_{secrets.token_hex(10)}",
        signer=owner.address,
        account=semi_modular_deployment(Address.parse(owner.address), salt).address.hex0x(),
        account_id=str(uuid.uuid4()),
        session_id="0x" + secrets.token_hex(16),
        signature=sign_digest(owner, secrets.token_bytes(32)),
        session_key=new_key().address,
        group_id="sgrp_" + "".join(secrets.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(26)),
        call_id="0x" + f"{int(CHAIN, 16):064x}" + secrets.token_hex(32),
        token_id=secrets.token_hex(16),
    )


def redact(answer: Any, *resources: Resources) -> str:
    """Return a response as text, with the resources' names for identifiers and without random values and times."""
    text = re.sub(r"eyJ[\w.-]+", "<random>", json.dumps(answer, sort_keys=True))  # first: "0x1" may occur in a token
    for name, each in itertools.product(NAMES, resources):
        identifier = str(getattr(each, name))
        for form in (identifier, identifier.removeprefix("0x")):
            text = re.sub(re.escape(form), f"<{name}>", text, flags=re.IGNORECASE)
    text = re.sub(
        r'"entityId": \d+', '"entityId": <number>', text
    )  # of all organisations, and random for some accounts
    text = re.sub(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{16,}", "<hex>", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", text)
    return re.sub(r"req_[0-9a-f]+|20\d\d-\d\d-\d\d[T ][\d:.]+(?:Z| UTC)|\b\d{9,}\b|<hex>[.…]*", "<random>", text)


class PopulatedTenant(Tenant):
    """A tenant with one resource of each kind."""

    def create_resources(self) -> Resources:
        wallet = Wallet(self.client())
        owner = wallet.owner
        grant = wallet.grant(ROOT)
        resources = _with(
            random_resources(),
            organization=self.organization,
            signer=owner.address,
            account=wallet.account,
            account_id=wallet.account_id,
            session_id=grant.session_id,
            signature=grant.signature,
            session_key=grant.key.address,
            call_id=self._send_call(),
        )
        status, group = self.rest("POST", self.sessions, registration(resources))
        assert status == 200, group
        status, token = self.rest("POST", "/v1/sessions", {"walletAddress": owner.address})
        assert status == 200, token
        return _with(resources, group_id=group["sessionGroupId"], token_id=claims_of(token["token"])["jti"])

    def _send_call(self) -> str:
        """Send a call of another account, which is included on chain, and return its id."""
        sent: str = Wallet(self.client()).fund(tokens=0).act(None, {"to": FRIEND})["id"]
        return sent


def _with(resources: Resources, **more: str) -> Resources:
    return Resources(**{**asdict(resources), **more})


@pytest.fixture
def first(tenant: Tenant) -> PopulatedTenant:
    return PopulatedTenant(tenant.url, tenant.organization, tenant.key, tenant.http)


def test_every_operation_has_queries() -> None:
    assert set(QUERIES) == {operation.name for operation in OPERATIONS}
    endpoints = {
        (each.rest.verb, path) for each in REST_OPERATIONS if each.rest is not None for path in each.rest.paths
    }
    assert set(REST_QUERIES) <= endpoints
    assert len(REST_QUERIES) == len(REST_OPERATIONS)


def test_resources_of_another_organisation_do_not_exist(first: PopulatedTenant, other: Tenant) -> None:
    theirs = first.create_resources()
    nothing = random_resources()

    for query in ALL:
        assert redact(query(other, theirs), theirs) == redact(query(other, nothing), nothing)


def test_the_queries_find_existing_resources(first: PopulatedTenant) -> None:
    theirs = first.create_resources()
    nothing = random_resources()

    is_different = [redact(query(first, theirs), theirs) != redact(query(first, nothing), nothing) for query in ALL]

    assert sum(is_different) >= len(ALL) // 2


def assert_same(query: Query, tenant: Tenant, mixed: Resources, nothing: Resources) -> None:
    """Check that a query finds the same with both resources; a list has what earlier queries created with either."""
    found = [redact(query(tenant, each), mixed, nothing) for each in (mixed, nothing)]
    assert found[0] == found[1]


def test_a_list_has_what_was_created_before(first: PopulatedTenant, other: Tenant) -> None:
    mixed, nothing = _with(random_resources(), organization=first.organization), random_resources()
    for query in (*QUERIES["wallet_createSession"], *QUERIES["wallet_listSessions"]):
        assert_same(query, other, mixed, nothing)


@settings(max_examples=40)
@given(data=st.data())
def test_no_mixture_of_anothers_resources_exists(first: PopulatedTenant, other: Tenant, data: st.DataObject) -> None:
    theirs = first.create_resources()
    nothing = random_resources()
    mixed = _with(  # with other random names than `nothing`, since a list by key has the sessions of both otherwise
        random_resources(),
        **{name: getattr(theirs, name) for name in data.draw(st.sets(st.sampled_from(NAMES), min_size=1))},
    )
    for query in data.draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=6)):
        assert_same(query, other, mixed, nothing)
