"""Failure injection: real processes are killed, frozen, cut, slowed and made to lie while calls are sent."""
