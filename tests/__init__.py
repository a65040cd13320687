"""Tests of the domain, the endpoints, the adapters, and the golden vectors and scenarios."""
