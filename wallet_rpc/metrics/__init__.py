"""Metrics of a server process in Prometheus's format, and the facts that all replicas share."""
