"""The results of the last calls on the newest state, so that an equal call is not run again before the state changes.

The trial of a grant is such a call: equal permissions have equal trials, whatever the account.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.primitives import Data

_MOST = 256
"""The maximum number of results."""
_LONGEST = 8192
"""The maximum length of a result that is kept, in bytes."""


class RecentCalls:
    """Results of calls by the state that they ran on and by their parameters; the least recently used one goes."""

    def __init__(self) -> None:
        self._results: OrderedDict[bytes, Data] = OrderedDict()

    def get_or_run(self, chain: Blockchain, parameters: str, run: Callable[[], Data]) -> Data:
        """Return the result of an equal call on an equal newest state, or run the call. Errors are not kept."""
        key = sha256(b"".join((*chain.identity, parameters.encode()))).digest()
        found = self._results.get(key)
        if found is not None:
            self._results.move_to_end(key)
            return found
        result = run()
        if len(result) <= _LONGEST:
            self._results[key] = result
            if len(self._results) > _MOST:
                self._results.popitem(last=False)
        return result
