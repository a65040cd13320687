"""Decisions of the account's contracts on the calls of a session, made from data alone.

`contract_rules` has the rows that an installation writes, `account_call` reads call data as the contracts do, and
`engine` applies the one to the other. `diagnosis` names the denial behind revert data with the same reasons.
"""
