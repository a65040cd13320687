"""Fixtures: a client with an organisation of its own, on the chains of one server."""

from __future__ import annotations

from tests.org_sessions import conftest

client = conftest.client
