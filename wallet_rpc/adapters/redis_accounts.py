"""Accounts in Redis: one list a signer, and for every address and every id a hint at its signers.

The rule: the list is the truth. A hint lives in another slot, is written first and believed only when the list of the
signer it names agrees, so a crash between the two leaves nothing wrong.
"""

from __future__ import annotations

from uuid import UUID

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


class RedisAccounts:
    """`memory.Accounts` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._add = link.script(_ADD)

    def list_key(self, signer: Address) -> str:
        """Where the signer's accounts are: a list of records, oldest first."""
        return self._link.key(f"signer:{signer.hex()}", "accounts")

    def hint_key(self, address: Address) -> str:
        """Where the signers are that asked for an address: a sorted set of their addresses."""
        return self._link.key(f"address:{address.hex()}", "signers")

    def name_key(self, account_id: UUID) -> str:
        """Where the signers are that gave an account this id: a sorted set of their addresses."""
        return self._link.key(f"account-id:{account_id}", "signers")

    async def of(self, signer: Address) -> tuple[Account, ...]:
        """The signer's accounts, oldest first."""
        texts = await self._link.command("LRANGE", self.list_key(signer), 0, -1)
        return tuple(read(Account, text, version=VERSION) for text in texts)

    async def add(self, account: Account, *, after: int) -> bool:
        """Add as the signer's next account; False (and nothing written) unless the signer has `after` accounts now."""
        await self._link.add_once(self.hint_key(account.address), account.signer.hex())
        await self._link.add_once(self.name_key(account.id), account.signer.hex())
        added = await self._link.run(self._add, self.list_key(account.signer), written(Account, account), after)
        return bool(added)

    async def at(self, address: Address) -> Account | None:
        """The account of an address; of several signers, the one that asked first."""
        asked = await self._asked_by(self.hint_key(address))
        return next((account for account in asked if account.address == address), None)

    async def named(self, account_id: UUID) -> tuple[Account, ...]:
        """The accounts of an id, which several signers may have chosen; those of the signer that asked first, first."""
        asked = await self._asked_by(self.name_key(account_id))
        return tuple(account for account in asked if account.id == account_id)

    async def _asked_by(self, hint: str) -> list[Account]:
        """All accounts of the signers that a hint names."""
        signers = [Address.parse("0x" + signer) for signer in await self._link.members(hint)]
        return [account for signer in signers for account in await self.of(signer)]
