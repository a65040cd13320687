"""HTTP edge: turns bytes into typed requests, and typed results into bytes."""
