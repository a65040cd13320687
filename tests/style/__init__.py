"""The measures of `make style`: how the package's language compares with the project's targets."""
