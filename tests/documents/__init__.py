"""The documents for machines: examples of every method, and the official tools of their formats."""
