"""py-evm's Prague machine, which also notes what each call frame had cost its caller when it was made.

The estimation of user operations needs it: how much gas a frame must be given depends on what came before it.
"""

from __future__ import annotations

from typing import Any

from eth.abc import ComputationAPI, MessageAPI
from eth.vm.forks.prague.computation import PragueComputation


class Computation(PragueComputation):
    """One call frame."""

    spent_before: int = 0
    """What the caller had spent when it made this call, the call's own price included, in gas."""

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """As py-evm's, and notes what was spent."""
        spent = self.msg.gas - self._gas_meter.gas_remaining - child_msg.gas
        child: Any = super().apply_child_computation(child_msg)
        child.spent_before = spent
        made: ComputationAPI = child
        return made
