"""Faults of a chain's bundler, paymaster and blocks that a test has requested."""

from __future__ import annotations

from wallet_rpc.domain.fault import FaultError, FaultKind
from wallet_rpc.domain.pending_faults import PendingFaults
from wallet_rpc.errors import WalletError


class ChainFaults(PendingFaults):
    """The faults of one chain that still occur."""

    @property
    def base_fee(self) -> int | None:
        """The base fee of the next block in wei per gas, of the newest fault that sets one; None without one."""
        fees = [one.base_fee for one in self.faults if one.kind is FaultKind.RAISE_GAS_PRICE]
        return fees[-1] if fees else None

    def count_block(self) -> None:
        """Count a block for each fault that sets the base fee."""
        if self.faults:
            self.count(lambda one: one.kind is FaultKind.RAISE_GAS_PRICE)

    def refuse_sponsorship(self) -> None:
        """Raise the error with which the paymaster is to refuse, if there is such a fault."""
        fault = self.take(lambda one: one.kind is FaultKind.REFUSE_SPONSORSHIP)
        if fault is not None and fault.error is not None:
            raise ChosenError(fault.error)


class ChosenError(WalletError):
    """An error with the code, text and data that a test has chosen."""

    def __init__(self, chosen: FaultError) -> None:
        super().__init__(chosen.message)
        self._chosen = chosen

    @property
    def code(self) -> int:  # type: ignore[override]  # the code of other errors is that of their class
        """The chosen code."""
        return self._chosen.code

    @property
    def data(self) -> dict[str, object]:
        """The chosen data."""
        return self._chosen.data  # type: ignore[no-any-return]  # any JSON value
