"""Genesis accounts in geth's format, which anvil and other nodes read too."""

from __future__ import annotations

from typing import Any

from wallet_rpc.devchain.genesis import Genesis


def build_alloc(genesis: Genesis) -> dict[str, dict[str, Any]]:
    """Return the `alloc` of a geth genesis file: balance, nonce, code and storage by address."""
    return {
        address.hex0x(): {
            "balance": hex(account.balance),
            "nonce": hex(account.nonce),
            "code": f"0x{account.code.hex()}",
            "storage": {f"0x{slot:064x}": f"0x{word:064x}" for slot, word in sorted(account.storage.items())},
        }
        for address, account in sorted(genesis.items())
    }
