from __future__ import annotations

from eth_account import Account

from tests.devchain.asking import token_balance
from tests.devchain.sample import Node
from wallet_rpc.devchain.accounts import ACCOUNTS, BALANCE, BUNDLER, MNEMONIC, banner, derive
from wallet_rpc.devchain.dev_constants import TEST_TOKEN


def test_accounts_are_those_that_anvil_and_hardhat_print() -> None:
    assert ACCOUNTS[0].address.hex0x() == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert ACCOUNTS[0].key.hex() == "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert ACCOUNTS[9].address.hex0x() == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"
    assert ACCOUNTS[9].key.hex() == "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"


def test_derivation_agrees_with_another_implementation() -> None:
    Account.enable_unaudited_hdwallet_features()
    for index, account in enumerate(derive(MNEMONIC, 3)):
        expected = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
        assert (account.address.hex0x(), account.key) == (expected.address, bytes(expected.key))


def test_accounts_start_with_coins_and_tokens(node: Node) -> None:
    for account in ACCOUNTS:
        assert int(node.rpc("eth_getBalance", account.address.hex0x()), 16) == BALANCE
        assert token_balance(node, account.address) == BALANCE
    supply = node.rpc("eth_call", {"to": TEST_TOKEN.hex0x(), "data": "0x18160ddd"})
    assert int(supply, 16) == BALANCE * len(ACCOUNTS)
    assert int(node.rpc("eth_getBalance", BUNDLER.address.hex0x()), 16) > BALANCE


def test_banner_shows_every_address_and_key() -> None:
    text = "\n".join(banner(31337))
    for account in ACCOUNTS:
        assert account.address.hex0x() in text
        assert account.key.hex() in text
    assert TEST_TOKEN.hex0x() in text
    assert "31337" in text
