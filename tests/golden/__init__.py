"""What is checked against files of known answers."""
