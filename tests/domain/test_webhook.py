"""Signatures of webhooks, the addresses that they may have, and the time of retries."""

from __future__ import annotations

import pytest

from wallet_rpc.domain.webhook import (
    LONGEST_RETRY_SECONDS,
    MAX_ATTEMPTS,
    find_url_error,
    format_secret,
    is_private_host,
    is_public_address,
    pause_after,
    sign_message,
)


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """Source: the test vector of the reference libraries of Standard Webhooks."""
    signature = sign_message(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_a_prefix_and_base64() -> None:
    assert format_secret(b"\x00" * 3) == "whsec_AAAA"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  # a host to refuse; no socket is bound
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fc00::1",
        "fe80::1",
        "fe80::1%1",
        "ff02::1",
        "2001:db8::1",
        "fec0::1",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "64:ff9b:1::7f00:1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_private(address: str) -> None:
    assert not is_public_address(address)
    assert is_private_host(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public_address(address)
    assert not is_private_host(address)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "1.2.3.0x4"]
)
def test_a_number_in_another_form_is_no_name(host: str) -> None:
    assert is_private_host(host)


def test_a_name_is_private_only_if_it_is_that_of_this_machine() -> None:
    assert is_private_host("localhost")
    assert is_private_host("api.LocalHost.")
    assert not is_private_host("localhost.example.com")
    assert is_private_host("LOCALHOST.")
    assert not is_private_host("example.com")


def test_the_pauses_double_up_to_an_hour_and_last_about_two_hours_in_all() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, MAX_ATTEMPTS)]

    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == LONGEST_RETRY_SECONDS
    assert 7000 < sum(pauses) < 8000


@pytest.mark.parametrize("host", ["127\u30020\u30020\u30021", "\uff11\uff12\uff17.0.0.1", "\u24d8ntra.example"])
def test_a_host_that_libraries_read_as_another_one_is_refused(host: str) -> None:
    error = find_url_error(f"https://{host}/", allows_private=False)
    assert error == f'expected a host in ASCII, got "{host}"; write an international name with xn--'
    assert find_url_error("https://xn--bcher-kva.example/", allows_private=False) is None


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("yes", 'expected an https URL of at most 2000 characters, got "yes"'),
        ("https://user:word@", "expected an https URL of at most 2000 characters, got 18 characters"),
        (
            "http://example.com/",
            "expected an https URL, got one of http, which is for private addresses that a setting",
        ),
        ("https://user:word@example.com/", "expected a URL without user, password and fragment, got one with them"),
        ("https://10.0.0.1/", 'expected a public address, since private ones are not allowed, got "10.0.0.1"'),
    ],
)
def test_an_error_of_a_url_has_what_was_given_but_no_password(url: str, text: str) -> None:
    error = find_url_error(url, allows_private=False)

    assert error is not None
    assert error.startswith(text)
    assert "word" not in error.replace("password", "")
