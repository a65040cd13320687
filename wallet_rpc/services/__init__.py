"""Steps that several operations share, between operations and ports."""
