from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.web_url import is_local_url, is_web_url


@pytest.mark.parametrize("text", ["http://a", "https://a.example:1/x?y#z", "http://user:pass@a", "http://[::1]:8545"])
def test_a_scheme_and_a_host_make_one(text: str) -> None:
    assert is_web_url(text)


@pytest.mark.parametrize(
    "text", ["", "a.example", "ftp://a", "http://", "http://:80", "http:///x", "http://[x", 7, None]
)
def test_nothing_else_is_one(text: object) -> None:
    assert not is_web_url(text)


@pytest.mark.parametrize(
    "text", ["http://a:0", "http://a:b", "http://a:-1", "http://a b", "http://a\n", "\x01http://a"]
)
def test_an_unusable_url_is_rejected(text: str) -> None:
    assert not is_web_url(text)


@given(st.text(st.characters(categories=["Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1), st.integers(0, 10))
def test_no_space_or_control_character_is_accepted_anywhere(character: str, index: int) -> None:
    assert is_web_url("http://a/b")
    assert not is_web_url("http://a/b"[:index] + character + "http://a/b"[index:])


@given(st.integers(), st.sampled_from(["http", "https"]))
def test_a_port_is_from_1_to_65535(port: int, scheme: str) -> None:
    assert is_web_url(f"{scheme}://a:{port}/x") == (1 <= port <= 65535)


@given(st.text(), st.sampled_from(["ftp", "ws", "file", ""]))
def test_no_other_scheme_makes_one(text: str, scheme: str) -> None:
    assert not is_web_url(f"{scheme}://{text}")


@pytest.mark.parametrize(
    "text",
    ["http://localhost:4337", "http://127.0.0.1/v2/key", "http://127.9.9.9", "http://[::1]:1", "HTTP://LOCALHOST"],
)
def test_a_plain_url_of_this_machine_is_local(text: str) -> None:
    assert is_local_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.1",
        "http://localhost.example",
        "https://localhost",
        "http://127.0.0.1.example",
        "http://",
        "x",
        "http://[x",
    ],
)
def test_no_other_url_is_local(text: str) -> None:
    assert not is_local_url(text)
