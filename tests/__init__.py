"""The tests: domain, doors, adapters, and the golden vectors and scenarios."""
