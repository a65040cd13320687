"""Makes, when it is imported, what every server makes at its start: the schemas of all requests and answers."""

from wallet_rpc.edge.api_documents import rest_with_document, rpc_with_document

rpc_with_document()
rest_with_document(has_tokens=True)
