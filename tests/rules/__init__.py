"""Tests of the rules of sessions that the server keeps."""
