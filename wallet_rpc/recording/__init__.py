"""Record and replay: a proxy that keeps the exchanges with a Wallet API server, and a server that answers from them.

A recording has one exchange a line, as JSON. It has placeholders instead of keys, tokens and signatures.
"""
