"""What an operator configures: settings from the environment, and chains."""
