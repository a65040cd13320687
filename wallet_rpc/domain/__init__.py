"""The wallet's rules as pure functions: bytes in, bytes out, no clock, no network, no state."""
