"""The test run itself: its output says why tests were skipped."""

from __future__ import annotations

import pytest


def test_the_run_prints_the_reasons_of_skipped_tests(pytestconfig: pytest.Config) -> None:
    assert "s" in pytestconfig.getoption("reportchars")
