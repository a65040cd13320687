"""The doors: bytes off the wire become typed requests here, and typed answers become bytes."""
