"""Helpers that several folders of tests share; they import `wallet_rpc` and each other, never a folder of tests."""
