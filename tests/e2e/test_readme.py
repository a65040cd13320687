"""The README: every code block runs, and every file and option in it exists."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages import BLOCK, ROOT, blocks, output_of, script
from tests.e2e.process import Server, run_command, run_wallet_rpc
from wallet_rpc.config.settings import Settings, variable

TEXT = (ROOT / "README.md").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
ACCOUNT = r"0x[0-9a-fA-F]{40}"
DENIED = "native-token-transfer"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a new server for this module, so that the balances are those in the text."""
    with Server("dev", "--ephemeral", folder=tmp_path_factory.mktemp("readme")) as server:
        yield server.url


def test_every_block_is_in_a_tested_language() -> None:
    assert {language for language, _ in BLOCK.findall(TEXT)} == {
        "sh",
        "bash",
        "python",
        "ts",
    }  # ts: tests/clients, tests/js
    assert TEXT.count("```") == 2 * len(BLOCK.findall(TEXT))


def test_the_walk_through_prints_the_results_in_the_text(url: str) -> None:
    assert shutil.which("curl"), "curl is missing: make setup installs it"
    assert (ROOT / ".venv/bin/wallet-rpc").is_file(), "the README's commands are those of make setup: .venv is missing"
    printed = output_of("bash", "-c", script(TEXT), environment={**os.environ, "URL": url}).splitlines()
    account, session, status, balance, denial, *live, scopes = printed

    assert re.fullmatch(f"account: {ACCOUNT}", account)
    assert re.fullmatch(r"session: 0x[0-9a-f]+", session)
    assert status == "200"
    assert balance == "0xe35fa931a0000"
    assert "The status is `200`" in TEXT
    assert f"`{balance}` (0.004 ETH)" in TEXT
    assert DENIED in denial
    _check_live_session(live)
    assert scopes == '["wallet:read", "transactions:build"]'


def _check_live_session(printed: list[str]) -> None:
    """Check what the section on live sessions prints: list, limit, explanation, bound, pause and revocation."""
    sentence, remaining, explanation, bound, paused, while_paused, resumed, revoked, after = printed
    assert "may, until" in sentence
    assert "send up to 0.01 of the native token" in sentence
    assert remaining == hex(6 * 10**15)
    assert f"denied by the session's permission {DENIED}" in explanation
    assert "denied by the session's rule 0, amount" in bound
    assert (paused, resumed, revoked) == ("paused", "active", "revoked")
    assert "the session is paused" in while_paused
    assert after == "Session revoked"


@pytest.mark.parametrize("page", ["README.md", "specs/backends.md"])
@pytest.mark.parametrize("answer", ['{"error":{"message":"no"}}', "[]", '"text"', "<html>", ""])
def test_an_answer_without_the_value_is_printed_unchanged(page: str, answer: str) -> None:
    found = re.search(r"^get\(\) \{.*?\}$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None

    process = run_command("/bin/bash", "-c", f"{found[0]}\nget result.accountAddress", folder=ROOT, given=answer)

    assert (process.returncode, process.stdout, process.stderr) == (1, "", f"{answer}\n")


def test_the_pytest_block_passes(tmp_path: Path) -> None:
    (text,) = blocks(TEXT, "python")
    (tmp_path / "test_payment.py").write_text(text)

    process = run_command(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)

    assert process.returncode == 0, process.stdout
    assert "1 passed" in process.stdout


def test_every_command_in_the_text_exists() -> None:
    settings = {variable(name) for name in Settings.__dataclass_fields__}
    lines = "".join(blocks(TEXT, "sh")).splitlines()
    assert lines
    for line in lines:
        match shlex.split(line, comments=True):
            case ["make", target]:
                assert target in TARGETS
            case ["export", setting]:
                assert setting.partition("=")[0] in settings
            case other:
                assert other == [".venv/bin/wallet-rpc", "serve"]


def test_make_clean_removes_all_build_outputs_of_the_clients() -> None:
    (recipe,) = re.findall(r"^clean:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    built = {
        line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split() if line.startswith("tests/clients/")
    }

    assert built
    assert built <= set(recipe.split())


def test_every_make_target_in_the_text_exists() -> None:
    assert set(re.findall(r"`make ([a-z-]+)", TEXT)) <= TARGETS


def test_every_option_in_the_text_exists(tmp_path: Path) -> None:
    commands = (["dev"], ["sign"], ["key", "create"])
    known = "".join(run_wallet_rpc(*command, "--help", folder=tmp_path).stdout for command in commands)
    assert [option for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT)) if option not in known] == []


def test_every_link_leads_to_a_file() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= 300  # every setting has a line, and back ends have their own page
