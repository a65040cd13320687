"""Comparison of the decision engine with the contracts on an EVM."""
