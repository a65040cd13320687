"""The operations of the server, one module each: a request type, a response type and `run`."""
