"""The page for back ends: its commands run unchanged, from top to bottom, with the results that it states."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.e2e.pages import BLOCK, ROOT, output_of, script
from tests.e2e.process import Server, environment
from wallet_rpc.devchain import dev_constants

TEXT = (ROOT / "specs/backends.md").read_text()


def test_every_block_is_in_a_tested_language() -> None:
    assert {language for language, _ in BLOCK.findall(TEXT)} == {"bash", "ts"}  # ts: tests/clients
    assert TEXT.count("```") == 2 * len(BLOCK.findall(TEXT))


def test_the_commands_print_the_results_in_the_text(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        printed = output_of("bash", "-c", script(TEXT), environment={**environment(tmp_path, {}), "URL": server.url})

    account, registered, session, status, revoked, error, scopes, again, mismatch, scope, intact = printed.splitlines()
    assert account == f"account: {again}"
    assert registered == revoked
    assert session == re.search(r"SESSION=(0x\w{40})", TEXT)[1]  # type: ignore[index]  # the page has it
    assert (status, error) == ("200", "Session revoked")
    assert scopes == '["wallet:read", "transactions:build"]'
    assert mismatch == "Wallet mismatch"
    assert scope == "Insufficient scope: transactions:submit required"
    assert intact == "true"


def test_the_key_of_the_page_is_the_public_development_key() -> None:
    assert f'"{dev_constants.API_KEY}"' in TEXT
    assert "WALLET_API_KEY" not in os.environ, "the page's TypeScript is tested with the development key"
