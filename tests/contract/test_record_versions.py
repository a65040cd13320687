"""Versions of stored records: a record of a newer server is never read as one of this server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.access import Organization, OrganizationId
from wallet_rpc.errors import Unavailable

RECORD = Organization(id=OrganizationId("org_1"), name="Example", created_at=1)


def _text(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode_record(Organization, RECORD)), **changes}).encode()


def test_a_record_is_read_back() -> None:
    assert decode_record(Organization, _text(), version=1) == RECORD


@pytest.mark.parametrize("change", [{}, {"name": None}, {"added": 1}])
def test_a_record_of_a_newer_server_is_rejected_whether_it_can_be_read_or_not(change: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as raised:
        decode_record(Organization, _text(version=2, **change), version=1)
    assert raised.value.reason == "newer_record"


def test_a_malformed_record_is_an_error_of_the_server() -> None:
    with pytest.raises(ValueError, match="the stored Organization record is malformed"):
        decode_record(Organization, _text(name=None), version=1)
