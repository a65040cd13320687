"""Strict JSON: ambiguous JSON is rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_samples import json_values
from wallet_rpc.edge import envelope
from wallet_rpc.edge.strict_json import MAX_BODY_LEVELS, parse_json_object
from wallet_rpc.errors import InvalidParams, ParseError
from wallet_rpc.wire import MAX_REQUEST_VALUES

PLAIN = "body: expected JSON in UTF-8 at line 1 column "


def nested_object(levels: int) -> bytes:
    """Build an object with this number of levels."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", PLAIN),
        (b"{", PLAIN),
        (b"{} {}", PLAIN),
        (b"{'a':1}", PLAIN),
        (b'{"a":01}', PLAIN),
        (b'{"a":"\x00"}', PLAIN),
        (b"\xff{}", PLAIN),
        (b"\xef\xbb\xbf{}", PLAIN),
        ('{"a":1}'.encode("utf-16"), PLAIN),
        (b'{"a":"\xed\xa0\x80"}', PLAIN),
        (b'{"a":"\\ud800"}', PLAIN),
        (b'{"\\udfff":1}', PLAIN),
        (b'{"a":["\\ud800\\ud800"]}', PLAIN),
        (b'{"a":' + b"1" * 4301 + b"}", PLAIN),
        (b"[" * 100_000, PLAIN),
        (b"[]", "body: expected a JSON object, got an array of 0"),
        (b'"{}"', 'body: expected a JSON object, got "{}"'),
        (b"null", "body: expected a JSON object, got null"),
        (b'{"a":1,"a":1}', "body: expected each key of an object once, got one twice"),
        (b'{"a":[{"b":1,"\\u0062":2}]}', "body: expected each key of an object once, got one twice"),
        (b'{"\\ud800":1,"\\ud800":1}', PLAIN),
        (b'{"a":NaN}', PLAIN),
        (b'{"a":-Infinity}', PLAIN),
        (b'{"a":1e999}', "body: expected numbers in the range of a double, got one beyond"),
        (nested_object(MAX_BODY_LEVELS + 1), "body: expected at most 64 levels"),
    ],
)
def test_ambiguous_json_is_rejected(body: bytes, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_json_object(body)

    assert caught.value.message.startswith(text)


@pytest.mark.parametrize("value", ["0", "[]", "{}"])
def test_the_error_of_too_many_values_names_the_body(value: str) -> None:
    most = ",".join([value] * (MAX_REQUEST_VALUES - 1))
    assert len(parse_json_object(f'{{"a":[{most}]}}'.encode())["a"]) == MAX_REQUEST_VALUES - 1

    with pytest.raises(InvalidParams, match="body: expected at most 10000 values") as error_info:
        parse_json_object(f'{{"a":[{most},{value}]}}'.encode())
    assert error_info.value.reason == "too_many_values"


def test_a_body_may_have_the_maximum_depth() -> None:
    assert parse_json_object(nested_object(MAX_BODY_LEVELS)) == json.loads(nested_object(MAX_BODY_LEVELS))


@given(st.dictionaries(st.text(), json_values))
def test_every_object_is_parsed_as_it_was_written(value: dict[str, Any]) -> None:
    assert parse_json_object(json.dumps(value).encode()) == value
    assert parse_json_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary() | st.text(st.sampled_from('{}[]":,\\ud8a01e.-NafI \n')).map(str.encode))
def test_strict_parsing_agrees_with_json_rpc_parsing(body: bytes) -> None:
    try:
        value = parse_json_object(body)
    except ParseError:
        return

    assert value == envelope.parse_body(body)
