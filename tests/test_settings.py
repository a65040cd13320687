"""Settings: each named once, documented, and a wrong one says which it is."""

from pathlib import Path

import pytest

from wallet_rpc.chains import ChainSetting
from wallet_rpc.settings import Settings, WrongSetting, load, table

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
        }
    )
    assert chosen.port == 0
    assert chosen.data_dir == Path("/var/lib/wallet")
    assert chosen.chains == (
        ChainSetting(chain_id=31337, node_urls=("http://127.0.0.1:8545",), bundler_urls=("http://127.0.0.1:8545",)),
        ChainSetting(chain_id=1, node_urls=("http://a",), bundler_urls=("http://b",), paymaster_url="http://c"),
    )
    assert chosen.deadline_seconds == 2.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOST", "a b"),
        ("HOST", ""),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("DATA_DIR", ""),
        ("REDIS_URL", "localhost:6379"),
        ("CHAINS", "1"),
        ("CHAINS", "x=http://a"),
        ("CHAINS", "1=ftp://a"),
        ("CHAINS", "1=http://a 1=http://b"),
        ("CHAINS", ""),
        ("LOG", "loud"),
        ("DEADLINE_SECONDS", "0"),
        ("DEADLINE_SECONDS", "soon"),
        ("DEADLINE_SECONDS", "nan"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(WrongSetting, match=f"WALLET_RPC_{name}: expected "):
        load({f"WALLET_RPC_{name}": text})


def test_a_misspelled_setting_is_named() -> None:
    with pytest.raises(WrongSetting, match="WALLET_RPC_PROT: no such setting; known: WALLET_RPC_HOST"):
        load({"WALLET_RPC_PROT": "1"})


def test_a_url_is_never_repeated_since_it_may_hold_a_password() -> None:
    with pytest.raises(WrongSetting) as wrong:
        load({"WALLET_RPC_REDIS_URL": "http://user:secret@host"})
    assert "secret" not in str(wrong.value)
