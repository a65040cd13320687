"""Checks of the policies at the start of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import Node
from tests.support.policies import write_policies
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings, load
from wallet_rpc.config.values import Secret
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.policy import PolicyDenialReason
from wallet_rpc.domain.policy_file import read_policies
from wallet_rpc.server import open_server

ROOT = Path(__file__).parents[2]
ID = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"


@pytest.fixture(scope="module")
def node_url() -> Iterator[str]:
    with serve_rpc(Node().dispatcher.answer) as url:
        yield url


@pytest.fixture
def settings(node_url: str, redis_server: RedisServer, tmp_path: Path) -> Settings:
    file = write_policies(tmp_path, {"id": ID})
    chain = ChainSetting(
        chain_id=31337, node_urls=(node_url,), bundler_urls=(node_url,), verifying_paymaster=dev_constants.PAYMASTER
    )
    key = Secret(dev_constants.PAYMASTER_KEY)
    return Settings(
        redis_url=redis_server.url, chains=(chain,), policies=file, paymaster_key=key, open=True, allow_volatile=True
    )


async def test_a_server_with_policies_starts(settings: Settings) -> None:
    assert await is_ready(settings)


async def test_policies_with_services_only_need_no_key(settings: Settings) -> None:
    assert await is_ready(replace(with_service(without_paymaster(settings)), paymaster_key=None))


async def is_ready(settings: Settings) -> bool:
    """Return True when a server with these settings starts and `/ready` reports every part as ok."""
    async with open_server(settings) as app, httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        return (await http.get("http://server/ready")).status_code == 200


def with_service(settings: Settings) -> Settings:
    return replace(settings, chains=tuple(replace(one, paymaster_url=one.node_urls[0]) for one in settings.chains))


def without_paymaster(settings: Settings) -> Settings:
    return replace(settings, chains=tuple(replace(one, verifying_paymaster=None) for one in settings.chains))


def with_other_paymaster(settings: Settings) -> Settings:
    return replace(settings, chains=tuple(replace(one, verifying_paymaster=ENTRY_POINT) for one in settings.chains))


def with_text(text: bytes) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        assert settings.policies is not None
        settings.policies.write_bytes(text)
        return settings

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one: replace(one, paymaster_key=None), "WALLET_RPC_PAYMASTER_KEY: required by WALLET_RPC_POLICIES"),
        (
            lambda one: replace(with_service(one), paymaster_key=None),
            "WALLET_RPC_PAYMASTER_KEY: required by WALLET_RPC_POLICIES where a chain has a verifying_paymaster",
        ),
        (
            lambda one: replace(one, policies=Path("/nowhere")),
            "WALLET_RPC_POLICIES: cannot read /nowhere: ",
        ),
        (with_text(b"\xff"), "policies.toml: expected UTF-8 text"),
        (with_text(b"[[policy]]\n"), "policies.toml: policy 1: id: required, but absent"),
        (without_paymaster, "WALLET_RPC_POLICIES: no chain has a paymaster or a verifying_paymaster in"),
        (with_other_paymaster, f"chain 31337: verifying_paymaster: no VerifyingPaymaster at {ENTRY_POINT}"),
        (
            lambda one: replace(one, paymaster_key=Secret(b"\x01" * 32)),
            "the VerifyingPaymaster at",
        ),
    ],
)
async def test_an_invalid_setting_stops_the_start(
    settings: Settings, change: Callable[[Settings], Settings], expected: str
) -> None:
    with pytest.raises(SettingError) as error_info:
        async with open_server(change(settings)):
            pass
    assert expected in str(error_info.value)


@pytest.mark.parametrize("text", ["1234", "0x" + "00" * 32, "0x" + "ff" * 32, "http-secret"])
def test_a_wrong_key_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingError) as error_info:
        load({"WALLET_RPC_PAYMASTER_KEY": text})
    assert str(error_info.value) == "WALLET_RPC_PAYMASTER_KEY: expected a private key, 0x and 64 hex digits"


def test_settings_do_not_reveal_their_keys() -> None:
    settings = load({"WALLET_RPC_PAYMASTER_KEY": "0x" + "ab" * 32})
    assert settings.paymaster_key == b"\xab" * 32
    for text in (repr(settings), str(settings), f"{settings.paymaster_key}"):
        assert "ab" * 4 not in text
        assert "\\xab" not in text


def test_the_example_in_the_specification_is_valid() -> None:
    text = (ROOT / "specs" / "policies.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    (policy,) = read_policies(example)
    assert policy.webhook is not None
    assert policy.limits.window_seconds == 86_400


def test_every_reason_is_in_the_specification() -> None:
    text = (ROOT / "specs" / "policies.md").read_text()
    assert [reason for reason in PolicyDenialReason if f"`{reason}`" not in text] == []
