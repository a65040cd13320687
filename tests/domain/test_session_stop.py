"""Kill switches that hold for a session, and changes that owners sign, compared with plain models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_rpc.domain.session_change import ChangeAction, SessionChange, SignableChange
from wallet_rpc.domain.session_stop import (
    ORGANIZATION_SCOPE,
    ScopeKind,
    StopMode,
    StopRecord,
    StopScope,
    find_switches,
)
from wallet_rpc.primitives import Address, EntityId

ADDRESSES = [Address(bytes(19) + bytes([number])) for number in range(1, 5)]
TAGS = ["a", "a:b", "organization", "account:x", "ä ö"]
addresses = st.sampled_from(ADDRESSES)
scopes = st.one_of(
    st.just(ORGANIZATION_SCOPE),
    addresses.map(lambda value: StopScope(kind=ScopeKind.ACCOUNT, value=value.hex0x())),
    addresses.map(lambda value: StopScope(kind=ScopeKind.KEY, value=value.hex0x())),
    st.sampled_from(TAGS).map(lambda value: StopScope(kind=ScopeKind.TAG, value=value)),
)
records = st.sampled_from(StopMode).map(lambda mode: StopRecord(mode=mode, at=1, by="somebody"))


def holds(scope: StopScope, account: Address, key: Address | None, tags: tuple[str, ...]) -> bool:
    """Say of one switch if the session is in its scope."""
    match scope.kind:
        case ScopeKind.ORGANIZATION:
            return True
        case ScopeKind.ACCOUNT:
            return Address.parse(scope.value) == account
        case ScopeKind.KEY:
            return key is not None and Address.parse(scope.value) == key
        case ScopeKind.TAG:
            return scope.value in tags


@given(st.dictionaries(scopes, records), addresses, st.none() | addresses, st.sets(st.sampled_from(TAGS)))
def test_a_session_is_stopped_by_the_switches_that_it_is_in_and_no_others(
    switches: dict[StopScope, StopRecord], account: Address, key: Address | None, given_tags: set[str]
) -> None:
    tags = tuple(given_tags)
    found = find_switches(switches, account=account, key=key, tags=tags)

    assert set(found) == {scope for scope in switches if holds(scope, account, key, tags)}
    modes = [switches[scope].mode for scope in found]
    assert modes == sorted(modes, key=lambda mode: mode is not StopMode.REVOKE), "a revocation comes first"


@given(scopes)
def test_a_scope_is_read_from_its_name(scope: StopScope) -> None:
    assert StopScope.parse(scope.name) == scope


changes = st.builds(
    SessionChange,
    action=st.sampled_from(ChangeAction),
    account=addresses,
    chain_id=st.integers(1, 2**32 - 1),
    entity_id=st.integers(0, 2**32 - 2).map(EntityId),
    content=st.text(max_size=20),
)
signables = st.builds(
    SignableChange, change=changes, nonce=st.integers(0, 2**256 - 1), deadline=st.integers(1, 2**48 - 1)
)


@settings(max_examples=40)
@given(signables)
def test_the_digest_is_that_of_another_library(signable: SignableChange) -> None:
    message = encode_typed_data(full_message=signable.typed_data() | {"types": _with_domain(signable)})
    assert signable.digest == keccak(b"\x19\x01" + message.header + message.body)


def _with_domain(signable: SignableChange) -> dict[str, Any]:
    kinds = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    domain = [{"name": name, "type": kinds[name]} for name in signable.typed_data()["domain"]]
    return {**signable.typed_data()["types"], "EIP712Domain": domain}


@settings(max_examples=40)
@given(signables, signables)
def test_two_changes_never_share_a_digest(first: SignableChange, second: SignableChange) -> None:
    assert (first.digest == second.digest) == (first == second)


@settings(max_examples=40)
@given(signables, st.data())
def test_each_part_of_a_change_is_signed(signable: SignableChange, data: st.DataObject) -> None:
    change = signable.change
    changed = [
        replace(signable, nonce=signable.nonce ^ 1),
        replace(signable, deadline=signable.deadline ^ 1),
        *(
            replace(signable, change=replace(change, **part))
            for part in (
                {"chain_id": change.chain_id ^ 1},
                {"entity_id": EntityId(change.entity_id ^ 1)},
                {"content": change.content + "x"},
                {"account": data.draw(addresses.filter(lambda other: other != change.account))},
                {"action": data.draw(st.sampled_from(ChangeAction).filter(lambda other: other != change.action))},
            )
        ),
    ]
    assert signable.digest not in {each.digest for each in changed}
