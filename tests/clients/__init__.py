"""The official clients from npm, unchanged, against this server."""
