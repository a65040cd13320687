"""Checks against files of known answers: scenarios and test vectors."""
