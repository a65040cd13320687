"""Tests of the chains file of `serve`: its properties, and the rejection of an invalid file with the position."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, load

ROOT = Path(__file__).parent.parent
WHOLE = """
[[chain]]
id = 8453
name = "Base"
node = ["https://one.example/secret", "https://two.example"]
bundler = ["https://one.example/secret", "https://three.example"]
paymaster = "https://four.example"
entry_point = "0x0000000071727de22e5e9d8baf0edac6f37da032"
confirmations = 3

[[chain]]
id = 1
node = "http://127.0.0.1:8545"
bundler = "http://127.0.0.1:4337"
"""
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
CHAIN = '[[chain]]\nid = 1\nnode = "http://a"\nbundler = "http://b"\n'


def read(text: str, folder: Path) -> tuple[ChainSetting, ...]:
    file = folder / "chains.toml"
    file.write_text(text)
    return load({"WALLET_RPC_CHAINS": str(file)}).chains


def test_a_file_describes_all_properties_of_a_chain(tmp_path: Path) -> None:
    assert read(WHOLE, tmp_path) == (
        ChainSetting(
            chain_id=8453,
            name="Base",
            node_urls=("https://one.example/secret", "https://two.example"),
            bundler_urls=("https://one.example/secret", "https://three.example"),
            paymaster_url="https://four.example",
            confirmations=3,
        ),
        ChainSetting(chain_id=1, node_urls=("http://127.0.0.1:8545",), bundler_urls=("http://127.0.0.1:4337",)),
    )


def test_the_file_of_the_production_page_can_be_used(tmp_path: Path) -> None:
    page = (ROOT / "specs" / "production.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    assert blocks
    assert all(read(block, tmp_path) for block in blocks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"expected \[\[chain\]\] tables, one for each chain"),
        ("chain = []", r"expected \[\[chain\]\] tables"),
        ("chain = [1]", r"expected \[\[chain\]\] tables"),
        ("[chain]\nid = 1", r"expected \[\[chain\]\] tables"),
        (f"port = 1\n{CHAIN}", r'expected \[\[chain\]\] tables, one for each chain, and nothing else, got "port"'),
        ("[[chain", "is not TOML at end of document"),
        ("x = { hunter2 = 1, hunter2 = 2 }", "is not TOML at line 1, column 31$"),
        ("[a.hunter2]\n[a.hunter2]", "is not TOML at line 2, column 11$"),
        ('"user:hunter2@host" = 1\n' + CHAIN, "one for each chain, and nothing else$"),
        (CHAIN + '"user:hunter2@host" = 1', "expected no keys but .*, confirmations$"),
        (CHAIN.replace("id = 1", 'id = "user:hunter2@host"'), "id: expected a number from 1 to 4294967295$"),
        (CHAIN + 'name = "user:hunter2@host\\n"', "name: expected a name of one or more printable characters$"),
        (
            CHAIN + f'verifying_paymaster = "0x{"51" * 32}"',
            r"verifying_paymaster: expected 0x and 20 hex bytes \(an address\)$",
        ),
        (
            CHAIN + f'verifying_paymaster = "{CHECKSUMMED.swapcase().replace("X", "x")}"',
            rf"checksum \({CHECKSUMMED}, if only the case of its letters is wrong\), got \"0x5AaEB6053f",
        ),
        (CHAIN + 'entry_point = "http:/user:hunter2@host"', r"\(EntryPoint v0\.7, the only supported version\)$"),
        (CHAIN + 'confirmations = "user:hunter2@host"', "confirmations: expected a number from 1 to 1000$"),
        (CHAIN + CHAIN, "expected each id once, got id 1 in 2 tables"),
        (CHAIN + "nodes = 1", r'\[\[chain\]\] 1: expected no keys but id, name, node, .*, got "nodes"'),
        ('[[chain]]\nid = 1\nbundler = "http://a"', r"\[\[chain\]\] 1: node: required"),
        (CHAIN.replace("id = 1", 'id = "1"'), r'id: expected a number from 1 to 4294967295, got "1"'),
        (CHAIN.replace("id = 1", "id = 4294967296"), "id: expected a number"),
        (CHAIN.replace("id = 1", "id = 0"), "id: expected a number from 1 to 4294967295, got 0"),
        (CHAIN.replace('"http://a"', '"ftp://a"'), "node: expected a URL starting with http"),
        (CHAIN.replace('"http://a"', '"http://"'), "node: expected a URL starting with http"),
        (CHAIN.replace('"http://a"', '"http://a:99999"'), "node: expected a URL .* a port from 1 to 65535"),
        (CHAIN + 'paymaster = "http://a:b"', "paymaster: expected a URL .* a port from 1 to 65535"),
        (CHAIN.replace('"http://a"', "[]"), "node: expected a URL"),
        (
            CHAIN.replace('"http://a"', '["http://a", "http://a"]'),
            "node: expected a URL .* or a list of different URLs",
        ),
        (CHAIN + "confirmations = 0", "confirmations: expected a number from 1 to 1000, got 0"),
        (CHAIN + "confirmations = true", "confirmations: expected a number"),
        (CHAIN + 'name = " "', 'name: expected a name of one or more printable characters, got " "'),
        (CHAIN + "paymaster = 1", "paymaster: expected a URL"),
        (
            CHAIN + 'entry_point = "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"',
            r"entry_point: expected 0x0000000071727De22E5E9d8BAf0edAc6f37da032 \(EntryPoint v0\.7, the only supported "
            r'version\), got "0x5FF',
        ),
        (CHAIN + 'entry_point = "v0.7"', "entry_point: expected 0x0000000071727De22E5E9d8BAf0edAc6f37da032"),
    ],
)
def test_an_invalid_file_is_rejected_with_its_position(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=rf"^WALLET_RPC_CHAINS: .*chains\.toml.*{said}"):
        read(text, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^WALLET_RPC_CHAINS: cannot read .*none\.toml: No such file"):
        load({"WALLET_RPC_CHAINS": str(tmp_path / "none.toml")})


def test_a_url_in_a_file_is_never_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as error_info:
        read(CHAIN.replace("http://a", "htp://user:secret@host"), tmp_path)
    assert "secret" not in str(error_info.value)
