"""Findings of `wallet-rpc doctor`, and their forms: a table, or JSON."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TypeVar

from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.errors import WalletError

_T = TypeVar("_T")
_NARROWEST = 100
_GAP = "  "


class CheckState(StrEnum):
    """Result of one check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row: the checked part, its state, the observation, and the advice."""

    part: str
    state: CheckState
    seen: str
    action: str


class Findings:
    """Findings in the order of their checks; no text of them contains a credential."""

    def __init__(self) -> None:
        self.rows: list[Finding] = []

    @property
    def have_failure(self) -> bool:
        """True if a check failed."""
        return any(one.state is CheckState.FAILED for one in self.rows)

    def add(self, part: str, state: CheckState, seen: str, action: str = "") -> None:
        """Add a row."""
        self.rows.append(Finding(part=part, state=state, seen=mask_credentials(seen), action=action))

    def add_ok(self, part: str, seen: str) -> None:
        """Add a row without advice."""
        self.add(part, CheckState.OK, seen)

    def skip(self, parts: Iterable[str], why: str, action: str = "") -> None:
        """Add a row for each part that was not checked."""
        for part in parts:
            self.add(part, CheckState.SKIPPED, why, action)

    async def attempt(
        self,
        part: str,
        check: Callable[[], Awaitable[_T]],
        action: str,
        *,
        state: CheckState = CheckState.FAILED,
        where: str = "",
    ) -> tuple[_T] | None:
        """Run a check and return its result in a tuple; after an error, add a row and return None.

        `where` is the URL of the checked server.
        """
        try:
            return (await check(),)
        except (SettingError, WalletError) as error:
            self.add(part, state, f"{error}, at {where}" if where else str(error), action)
        except Exception as error:  # a bug of one check must not hide the findings of the others
            self.add(
                part, CheckState.FAILED, f"the check itself failed: {type(error).__name__}", "report this as a bug"
            )
        return None


def format_json(rows: Iterable[Finding]) -> str:
    """Format the findings as one line of JSON."""
    return json.dumps({"checks": [asdict(one) for one in rows]})


def format_table(rows: Iterable[Finding]) -> str:
    """Format the findings as a table that fits the terminal."""
    heads = ("PART", "STATE", "SEEN", "WHAT TO DO")
    cells = [heads, *((one.part, str(one.state), one.seen, one.action) for one in rows)]
    first, second = (max(len(row[column]) for row in cells) for column in (0, 1))
    width = max(shutil.get_terminal_size((140, 24)).columns, _NARROWEST) - first - second - 3 * len(_GAP)
    widths = (first, second, width * 3 // 5, width - width * 3 // 5)
    lines = [line for row in cells for line in _format_row(row, widths)]
    return "\n".join(line.rstrip() for line in lines)


def _format_row(row: tuple[str, ...], widths: tuple[int, ...]) -> list[str]:
    wrapped = [
        textwrap.wrap(text, size, break_long_words=False) or [""] for text, size in zip(row, widths, strict=True)
    ]
    height = max(map(len, wrapped))
    columns = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [
        _GAP.join(text.ljust(size) for text, size in zip(line, widths, strict=True))
        for line in zip(*columns, strict=True)
    ]
