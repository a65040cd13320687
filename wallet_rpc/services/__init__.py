"""Steps that several operations share: the layer between operations and ports."""
