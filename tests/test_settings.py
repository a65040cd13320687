"""Tests of the settings: each is documented, and an error names the invalid one."""

import re
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings, load, table, variable
from wallet_rpc.domain.access import WalletNamespace

SECRET = "a secret of the tests: 32 bytes or more"
README = Path(__file__).parent.parent / "README.md"


def test_the_readme_has_the_table_of_settings() -> None:
    assert table() in README.read_text()


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load({"PATH": "/bin"}) == Settings()


def test_every_setting_can_be_set() -> None:
    chosen = load(
        {
            "WALLET_RPC_HOST": "0.0.0.0",  # noqa: S104  # a setting's text, nothing listens
            "WALLET_RPC_PORT": "0",
            "WALLET_RPC_DATA_DIR": "/var/lib/wallet",
            "WALLET_RPC_REDIS_URL": "redis://localhost:6379/1",
            "WALLET_RPC_CHAINS": "31337=http://127.0.0.1:8545 0x1=http://a,http://b,http://c",
            "WALLET_RPC_LOG": "json",
            "WALLET_RPC_DEADLINE_SECONDS": "2.5",
            "WALLET_RPC_OPEN": "no",
            "WALLET_RPC_TOKEN_SECRETS": f"{SECRET}, {'b' * 32}",
            "WALLET_RPC_TOKEN_WALLETS": "solana",
            "WALLET_RPC_SESSION_DAYS": "30",
            "WALLET_RPC_RELAYER_DAILY_WEI": f"{10**30}, 0",
            "WALLET_RPC_CORS_ORIGINS": "https://app.example.com, http://localhost:3000,http://[::1]:5173,"
            "chrome-extension://abcdefgh",
            "WALLET_RPC_ALLOWED_HOSTS": "Wallet.example.com, 10.0.0.7,[fd00::1],wallet",
        }
    )
    assert chosen.port == 0
    assert chosen.data_dir == Path("/var/lib/wallet")
    assert chosen.chains == (
        ChainSetting(chain_id=31337, node_urls=("http://127.0.0.1:8545",)),
        ChainSetting(chain_id=1, node_urls=("http://a",), bundler_urls=("http://b",), paymaster_url="http://c"),
    )
    assert chosen.deadline_seconds == 2.5
    assert chosen.open is False
    assert chosen.token_secrets == (SECRET.encode(), b"b" * 32)
    assert chosen.token_wallets == {WalletNamespace.SOLANA}
    assert chosen.session_days == 30
    assert chosen.relayer_daily_wei == (10**30, 0)
    assert chosen.rules.session_seconds == 30 * 86_400
    assert chosen.cors_origins == (
        "https://app.example.com",
        "http://localhost:3000",
        "http://[::1]:5173",
        "chrome-extension://abcdefgh",
    )
    assert chosen.allowed_hosts == ("wallet.example.com", "10.0.0.7", "[fd00::1]", "wallet")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOST", "a b"),
        ("HOST", ""),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "9" * 5000),
        ("DATA_DIR", ""),
        ("REDIS_URL", "localhost:6379"),
        ("CHAINS", "1"),
        ("CHAINS", "0=http://a"),
        ("CHAINS", "4294967296=http://a"),
        ("CHAINS", "x=http://a"),
        ("CHAINS", "1=ftp://a"),
        ("CHAINS", "1=http://a 1=http://b"),
        ("CHAINS", ""),
        ("LOG", "loud"),
        ("DEADLINE_SECONDS", "0"),
        ("DEADLINE_SECONDS", "soon"),
        ("DEADLINE_SECONDS", "nan"),
        ("OPEN", ""),
        ("OPEN", "true"),
        ("OPEN", "YES"),
        ("TOKEN_SECRETS", ""),
        ("TOKEN_SECRETS", "x" * 31),
        ("TOKEN_SECRETS", "x" * 32 + ","),
        ("TOKEN_SECRETS", ",".join(["x" * 32] * 3)),
        ("TOKEN_WALLETS", ""),
        ("TOKEN_WALLETS", "eip155,bitcoin"),
        ("SESSION_DAYS", "0"),
        ("SESSION_DAYS", "36501"),
        ("SESSION_DAYS", "1.5"),
        ("RELAYER_DAILY_WEI", ""),
        ("RELAYER_DAILY_WEI", "5"),
        ("RELAYER_DAILY_WEI", "5,4,3"),
        ("RELAYER_DAILY_WEI", "-1,4"),
        ("RELAYER_DAILY_WEI", f"{10**30 + 1},1"),
        ("CORS_ORIGINS", ""),
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("CORS_ORIGINS", "https://App.Example.com"),
        ("CORS_ORIGINS", "https://me@app.example.com"),
        ("CORS_ORIGINS", "*,https://app.example.com"),
        ("CORS_ORIGINS", "null"),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "wallet.example.com:443"),
        ("ALLOWED_HOSTS", "https://wallet.example.com"),
        ("ALLOWED_HOSTS", "wallet..com"),
        ("ALLOWED_HOSTS", "fd00::1"),
        ("ALLOWED_HOSTS", "a,,b"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"WALLET_RPC_{name}: expected "):
        load({f"WALLET_RPC_{name}": text})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("REDIS_URL", "redis://[bad", "a URL starting with redis://, rediss:// or unix://"),
        ("PORT", "9" * 5000, "a port from 0 to 65535 (0: any free one)"),
        ("SESSION_DAYS", "9" * 5000, "days from 1 to 36500"),
        ("CHAINS", "9" * 5000 + "=http://a", "ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]] entries"),
        ("DATA_DIR", "", "a path"),
        ("POLICIES", "", "a path"),
    ],
)
def test_the_error_of_an_invalid_setting_states_the_expected_value(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingError, match=rf"^WALLET_RPC_{name}: expected {re.escape(expected)}"):
        load({f"WALLET_RPC_{name}": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1=http://a 2=ftp://hunter2", "in entry 2, the node needs a URL starting with http:// or https://"),
        ("1=http://a,b", "in entry 1, the bundler needs a URL starting with"),
        ("1=http://a two=http://b", "entry 2 does not begin with a number from 1 to 4294967295 and ="),
        ("1=http://a,http://b,http://c,http://d", "entry 1 has 4 URLs, of at most 3"),
        ("1=http://a 0x1=http://b", "each id once; id 1 is in 2 entries"),
    ],
)
def test_the_invalid_entry_of_the_chains_is_named_without_its_url(text: str, expected: str) -> None:
    with pytest.raises(SettingError, match=re.escape(expected)) as error_info:
        load({"WALLET_RPC_CHAINS": text})
    assert PASSWORD not in str(error_info.value)


def test_a_misspelled_setting_is_named() -> None:
    with pytest.raises(SettingError, match="WALLET_RPC_PROT: no such setting; known: WALLET_RPC_HOST"):
        load({"WALLET_RPC_PROT": "1"})


PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@host",
        "redis:/user:hunter2@host:6379",
        "redis:user:hunter2@host",
        "user:hunter2@host",
        ":hunter2@host",
        "1=http:/user:hunter2@host",
        "1=http:user:hunter2@host",
        "1=htp://host/hunter2.toml",
        "/nowhere/user:hunter2@host.toml",
        "wrk_hunter2",
        "hunter2" * 3,
        "eyJhbGciOiJIUzI1NiJ9.hunter2",
        "0x" + "11" * 25 + b"hunter2".hex(),
    ],
)
@pytest.mark.parametrize(
    "name", [each for each in Settings.__dataclass_fields__ if each not in {"data_dir", "policies"}]
)
def test_a_possible_credential_is_never_repeated(name: str, text: str) -> None:
    message = ""
    try:
        load({variable(name): text})

    except SettingError as error:
        message = str(error)
    assert PASSWORD not in message
    assert PASSWORD.encode().hex() not in message


@pytest.mark.parametrize("name", ["redis_url", "chains", "quote_url", "token_secrets", "relayer_key"])
def test_nothing_is_repeated_of_a_setting_that_may_hold_a_credential(name: str) -> None:
    with pytest.raises(SettingError) as error_info:
        load({variable(name): PASSWORD})
    assert PASSWORD not in str(error_info.value)


@pytest.mark.parametrize(("name", "text"), [("port", "http"), ("open", "YES"), ("log", ""), ("session_days", "1.5")])
def test_a_value_that_can_be_no_credential_is_repeated(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=f'got "{re.escape(text)}"'):
        load({variable(name): text})


@pytest.mark.parametrize("name", ["TOKEN_SECRETS", "PAYMASTER_KEY"])
@given(text=st.text("0123456789abcdefghij,+/=", min_size=12).filter(lambda text: len(set(text)) > 4))
def test_a_secret_is_never_repeated(name: str, text: str) -> None:
    try:
        message = repr(load({f"WALLET_RPC_{name}": text}))

    except SettingError as error:
        message = str(error)
    assert text not in message


def test_settings_that_are_shown_keep_their_secrets() -> None:
    chosen = load({"WALLET_RPC_TOKEN_SECRETS": SECRET, "WALLET_RPC_PAYMASTER_KEY": "0x" + "51" * 32})
    urls = {"REDIS_URL": "redis://:hunter2@h", "QUOTE_URL": "http://h/hunter2", "CHAINS": "1=http://h/hunter2"}
    assert PASSWORD not in repr(load({f"WALLET_RPC_{name}": text for name, text in urls.items()}))
    for shown in (repr(chosen), f"{chosen}", f"{chosen.token_secrets} {chosen.token_secrets[0]}"):
        assert SECRET not in shown
        assert "51515151" not in shown
        assert "QQQQ" not in shown


LOOPBACK = ip_network("127.0.0.0/8")


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=4, network="127.0.0.0/8")))
def test_only_127_is_loopback_of_ipv4(address: IPv4Address) -> None:
    assert Settings(host=str(address)).is_on_loopback == (address in LOOPBACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_dev_requires_no_key_on_loopback_by_default(host: str) -> None:
    assert Settings(host=host).is_dev_open
    assert not Settings(host=host, open=False).is_dev_open


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "fe80::1", "localhost.example.com", "127.0.0.1.example.com"],  # noqa: S104  # as above
)
def test_dev_requires_a_key_over_the_network_by_default(host: str) -> None:
    assert not Settings(host=host).is_dev_open
    assert Settings(host=host, open=True).is_dev_open


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "10.0.0.1"])
def test_serve_requires_a_key_everywhere_by_default(host: str) -> None:
    assert [Settings(host=host, open=chosen).is_serve_open for chosen in (None, False, True)] == [False, False, True]
