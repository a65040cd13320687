"""Findings of `wallet-rpc doctor`: states of clocks, bugs of a check, and the table."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from wallet_rpc.cli.clock_checks import add_skew
from wallet_rpc.cli.findings import CheckState, Finding, Findings, format_table


@pytest.mark.parametrize(
    ("skew", "state"),
    [(0.0, "ok"), (-5.0, "ok"), (6.0, "warning"), (-60.0, "warning"), (61.0, "failed"), (-61.0, "failed")],
)
def test_a_skew_that_tokens_do_not_survive_is_a_failure(skew: float, state: str) -> None:
    findings = Findings()
    add_skew(findings, "clock", skew)
    assert [row.state for row in findings.rows] == [state]


def test_a_bug_of_one_check_does_not_hide_the_other_findings() -> None:
    async def broken() -> None:
        raise ZeroDivisionError("hunter2")

    findings = Findings()
    asyncio.run(findings.attempt("clock", broken, "nothing"))
    assert findings.have_failure
    assert findings.rows[0].seen == "the check itself failed: ZeroDivisionError"


def test_the_table_has_all_texts_and_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    row = Finding(part="redis", state=CheckState.FAILED, seen="one two " * 20, action="three " * 20)
    lines = format_table([row, replace(row, part="address", state=CheckState.OK)]).splitlines()

    assert lines[0].split("  ")[0] == "PART"
    assert max(map(len, lines)) <= 120
    text = " ".join(lines).split()
    assert [text.count(word) for word in ("one", "two", "three", "redis", "failed")] == [40, 40, 40, 1, 1]
