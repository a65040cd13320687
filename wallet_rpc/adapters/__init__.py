"""The outside world behind the ports: nodes, bundlers, paymasters, Redis, the clock."""
