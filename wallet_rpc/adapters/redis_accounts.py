"""Accounts in Redis: one list a signer, and for every address a hint at its signers.

The rule: the list is the truth. The hint lives in another slot, is written first and believed only when the list of
the signer it names agrees, so a crash between the two leaves nothing wrong.
"""

from __future__ import annotations

from wallet_rpc.adapters.redis_link import Link, read, written
from wallet_rpc.domain.records import VERSION, Account
from wallet_rpc.primitives import Address

_ADD = """
local count = redis.call('LLEN', KEYS[1])
local after = tonumber(ARGV[2])
if count == after then
  redis.call('RPUSH', KEYS[1], ARGV[1])
  return 1
end
if redis.call('LINDEX', KEYS[1], after) == ARGV[1] then return 1 end
return 0
"""
"""Append unless others did; a repeat of the call that did it says yes again."""

_HINT = """
return redis.call('ZADD', KEYS[1], 'NX', redis.call('ZCARD', KEYS[1]), ARGV[1])
"""
"""Remember a signer once, in the order of asking."""


class RedisAccounts:
    """`ports.Accounts` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._add = link.script(_ADD)
        self._hint = link.script(_HINT)

    def list_key(self, signer: Address) -> str:
        """Where the signer's accounts are: a list of records, oldest first."""
        return self._link.key(f"signer:{signer.hex()}", "accounts")

    def hint_key(self, address: Address) -> str:
        """Where the signers are that asked for an address: a sorted set of their addresses."""
        return self._link.key(f"address:{address.hex()}", "signers")

    async def of(self, signer: Address) -> tuple[Account, ...]:
        """The signer's accounts, oldest first."""
        texts = await self._link.command("LRANGE", self.list_key(signer), 0, -1)
        return tuple(read(Account, text, version=VERSION) for text in texts)

    async def add(self, account: Account, *, after: int) -> bool:
        """Add as the signer's next account; False (and nothing written) unless the signer has `after` accounts now."""
        await self._link.run(self._hint, self.hint_key(account.address), account.signer.hex())
        added = await self._link.run(self._add, self.list_key(account.signer), written(Account, account), after)
        return bool(added)

    async def at(self, address: Address) -> Account | None:
        """The account of an address; of several signers, the one that asked first."""
        for signer in await self._link.command("ZRANGE", self.hint_key(address), 0, -1):
            for account in await self.of(Address.parse("0x" + signer.decode())):
                if account.address == address:
                    return account
        return None
