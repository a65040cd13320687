"""What the server can do: one module an operation, each a request type, an answer type and a `run`."""
