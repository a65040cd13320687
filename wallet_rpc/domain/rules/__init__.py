"""Rules of a session that this server keeps: their form, the effects of calls that they bound, and the decision."""
