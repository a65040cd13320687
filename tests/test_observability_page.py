"""The page about logs, traces and incidents: its events are those of the code, and its commands can be parsed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.sources import list_sources
from wallet_rpc.__main__ import _parse_options
from wallet_rpc.config.settings import load, variable

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "specs" / "observability.md").read_text("utf-8")
_LOGGED = re.compile(r'\b_?log\.(?:debug|info|warning|error|exception)\(\s*"(\w+)"|\bevent(?:"?: |: str = |=)"(\w+)"')


def first_column(heading: str) -> list[str]:
    """Return the words in code of the first column of the table whose first heading this is."""
    rows = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_page_describes_every_event_of_the_log() -> None:
    code = [path.read_text("utf-8") for path in list_sources(ROOT / "wallet_rpc", ".py")]
    logged = {name for text in code for pair in _LOGGED.findall(text) for name in pair if name}

    assert set(first_column("event")) == logged


def test_the_levels_of_the_page_are_those_of_the_setting() -> None:
    levels = first_column("`WALLET_RPC_LOG_LEVEL`")

    assert levels == ["error", "warning", "info", "debug"]
    assert [load({variable("log_level"): level}).log_level for level in levels] == levels


@pytest.mark.parametrize("command", first_column("command"))
def test_the_commands_of_the_page_are_accepted(command: str) -> None:
    for options in ([], ["--json"]):
        parsed = _parse_options([*command.split()[1:], *options])
        assert (parsed.command, parsed.json) == ("incidents", options == ["--json"])
