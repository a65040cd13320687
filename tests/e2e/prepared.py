"""Schemas of all requests and responses, built on import, as `serve` builds them at its start."""

from wallet_rpc.edge.api_documents import build_documents

build_documents(has_tokens=True)
