"""Configuration by the operator: settings from the environment, and chains."""
