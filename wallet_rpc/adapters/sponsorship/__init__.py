"""Sponsorship by policy: a paymaster that checks policies, budgets and their outcomes."""
