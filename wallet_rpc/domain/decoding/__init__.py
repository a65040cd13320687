"""Decoding of calls for people: function, arguments and token amounts, by bundled and given ABIs.

`functions` parses ABIs, `values` decodes arguments, `table` has the bundled functions, and `calls` combines them.
"""
