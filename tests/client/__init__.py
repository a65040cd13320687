"""The Python client: its generated modules, and its behaviour against real servers."""
