"""Mutation tests: each change of a line that decides about authority must make a test fail."""
