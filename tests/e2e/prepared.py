"""Schemas of all requests and responses, built on import, as every server builds them at its start."""

from wallet_rpc.edge.api_documents import rest_with_document, rpc_with_document

rpc_with_document()
rest_with_document(has_tokens=True)
