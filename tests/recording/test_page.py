"""The commands of specs/testing.md that record and replay."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.e2e.pages import ROOT, script
from tests.e2e.process import environment, run_command


def test_the_commands_of_the_page_record_and_replay(url: str, tmp_path: Path) -> None:
    variables = environment(tmp_path, {"LOG_LEVEL": "error"}) | {"URL": url, "PYTHONPATH": str(ROOT)}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    page = script((ROOT / "specs/testing.md").read_text("utf-8"))
    done = run_command("bash", "-c", page, folder=tmp_path, environment=variables)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "the replay ended with 1"
    assert '"reason":"not_recorded"' in done.stdout
    assert "answered from the recording: 1 " in done.stdout
    assert any(line.startswith("not recorded: wallet_getCallsStatus: ") for line in lines)
