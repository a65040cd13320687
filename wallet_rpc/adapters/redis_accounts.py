"""Accounts in Redis: for each signer a list with an index, and for each address and account id a hint at its signers.

The list is authoritative. Its index is in the same slot and is brought up to date before use. So the cost of a request
does not grow with the number of a signer's accounts. A hint is in another slot and is written first. It counts only if
the named signer's list contains the account, so a crash between the two writes does no harm.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.records import RECORD_VERSION, Account, AccountKind
from wallet_rpc.ports.storage import AccountsPage, SignerAccounts
from wallet_rpc.primitives import Address

_UPDATE_INDEX = """
local list, index = unpack(KEYS)
local count = redis.call('LLEN', list)
local done = tonumber(redis.call('HGET', index, 'done') or 0)
local free = tonumber(redis.call('HGET', index, 'free') or 0)
if done < count then
  for _, record in ipairs(redis.call('LRANGE', list, done, done + 499)) do
    local account = cjson.decode(record)
    redis.call('HSETNX', index, 'id:' .. account.id, done)
    redis.call('HSETNX', index, 'at:' .. string.lower(account.address), done)
    redis.call('HSETNX', index, 'kind:' .. account.kind, done)
    if account.kind == 'sma-b' then redis.call('HSETNX', index, 'salt:' .. account.salt, done) end
    done = done + 1
  end
  while redis.call('HEXISTS', index, string.format('salt:0x%x', free)) == 1 do free = free + 1 end
  redis.call('HSET', index, 'done', done, 'free', free)
  if done < count then return 'more' end
end
local function at(position) return position and redis.call('LINDEX', list, position) end
"""
"""Bring the index up to date, some accounts at a time; salts are never freed, so the lowest free one only rises."""

_KNOWN = (
    _UPDATE_INDEX
    + """
local function confirmed(which)
  local address = redis.call('HGET', KEYS[3], which)
  return address and at(redis.call('HGET', index, 'at:' .. address))
end
local positions = redis.call('HMGET', index, unpack(ARGV))
local found = {count, free, at(count > 0 and 0), confirmed('first'), confirmed('sma-b'), confirmed('7702')}
local head = #found
for i = 1, #ARGV do found[i + head] = at(positions[i]) end
return found
"""
)
"""Return the number of accounts, the lowest free salt, and some accounts; a missing account is false.

These are the first account, the confirmed ones (first overall and of each kind), and one per index field in the
arguments.
"""

_PAGE = (
    _UPDATE_INDEX
    + """
local start = 0
if ARGV[1] ~= '' then
  local position = redis.call('HGET', index, 'id:' .. ARGV[1])
  if not position then return false end
  start = position + 1
end
return {count, start, redis.call('LRANGE', list, start, start + ARGV[2] - 1)}
"""
)
"""Return the number of accounts and the accounts after a given one; false when the given one is not the signer's."""

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
"""Append an account if the list has the expected length, and return 1, also for a repeat of the same account; else 0.
"""

_CONFIRM = """
redis.call('HSETNX', KEYS[1], 'first', ARGV[2])
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
"""
"""Store an account as the first confirmed one, overall and of its kind, unless there is one already."""

_MAX_SIGNERS = 100
"""Maximum number of signers that a search by address or id looks at, in the order of their requests."""


class RedisAccounts:
    """`ports.storage.Accounts` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known = link.script(_KNOWN)
        self._page = link.script(_PAGE)
        self._add = link.script(_ADD)
        self._confirm = link.script(_CONFIRM)

    def list_key(self, signer: Address) -> str:
        """Return the key of the signer's accounts: a list of records, oldest first."""
        return self._link.key(f"signer:{signer.hex()}", "accounts")

    def index_key(self, signer: Address) -> str:
        """Return the key of the accounts' index: a hash of list positions by id, address, kind and salt."""
        return self._link.key(f"signer:{signer.hex()}", "index")

    def confirmed_key(self, signer: Address) -> str:
        """Return the key of the confirmed accounts: a hash of addresses, the first overall and of each kind."""
        return self._link.key(f"signer:{signer.hex()}", "confirmed")

    def hint_key(self, address: Address) -> str:
        """Return the key of the signers that requested an address: a sorted set of their addresses."""
        return self._link.key(f"address:{address.hex()}", "signers")

    def name_key(self, account_id: UUID) -> str:
        """Return the key of the signers with an account of this id: a sorted set of their addresses."""
        return self._link.key(f"account-id:{account_id}", "signers")

    async def find_by_signer(
        self,
        signer: Address,
        *,
        account_id: UUID | None = None,
        salt: int | None = None,
        address: Address | None = None,
    ) -> SignerAccounts:
        """Return a summary of a signer's accounts, with those that have the given id, salt and address."""
        count, free, *found = await self._run_indexed(
            self._known,
            signer,
            f"kind:{AccountKind.SEMI_MODULAR.value}",
            f"kind:{AccountKind.DELEGATED.value}",
            "" if account_id is None else f"id:{account_id}",
            "" if salt is None else f"salt:{salt:#x}",
            "" if address is None else f"at:0x{address.hex()}",
        )
        accounts = [None if text is None else _decode_account(text) for text in found]
        first, confirmed, confirmed_contract, confirmed_delegated, *named = accounts
        contract, delegated, by_id, by_salt, by_address = named
        return SignerAccounts(
            count=count,
            free_salt=free,
            first=first,
            first_contract=contract,
            confirmed=confirmed,
            confirmed_contract=confirmed_contract,
            confirmed_delegated=confirmed_delegated,
            delegated=delegated,
            by_id=by_id,
            by_salt=by_salt,
            by_address=by_address,
        )

    async def page(self, signer: Address, *, after: UUID | None, limit: int) -> AccountsPage | None:
        """Return a page of the signer's accounts, oldest first; None when `after` is not an account of the signer."""
        found = await self._run_indexed(self._page, signer, "" if after is None else str(after), limit)
        if found is None:
            return None
        count, start, texts = found
        return AccountsPage(
            accounts=tuple(map(_decode_account, texts)), total=count, is_last=start + len(texts) >= count
        )

    async def add(self, account: Account, *, after: int) -> bool:
        """Add the account if the signer has exactly `after` accounts now; otherwise write nothing and return False."""
        await self._link.add_once(self.hint_key(account.address), account.signer.hex())
        await self._link.add_once(self.name_key(account.id), account.signer.hex())
        added = await self._link.run(self._add, self.list_key(account.signer), encode_record(Account, account), after)
        return bool(added)

    async def find_by_address(self, address: Address) -> Account | None:
        """Return the account at this address: the contract account, else the externally owned one.

        A contract account's address is derived from its signer, so its record is correct for any caller. An externally
        owned account can be requested for any address, including that of another signer's contract.
        """
        summaries = [
            await self.find_by_signer(signer, address=address)
            for signer in await self._read_signers(self.hint_key(address))
        ]
        accounts = [summary.by_address for summary in summaries if summary.by_address is not None]
        contracts = (account for account in accounts if account.kind is AccountKind.SEMI_MODULAR)
        return next(contracts, next(iter(accounts), None))

    async def confirm(self, account: Account) -> None:
        """Store that the signer, or a caller authorized by the signer, chose this account."""
        kind = account.kind.value
        address = f"0x{account.address.hex()}"
        await self._link.run(self._confirm, self.confirmed_key(account.signer), kind, address)

    async def find_by_id(self, account_id: UUID) -> tuple[Account, ...]:
        """Return the accounts with this id, in the order of their requests; several signers may have chosen it."""
        signers = await self._read_signers(self.name_key(account_id))
        summaries = [await self.find_by_signer(signer, account_id=account_id) for signer in signers]
        return tuple(summary.by_id for summary in summaries if summary.by_id is not None)

    async def _read_signers(self, hint: str) -> list[Address]:
        members = await self._link.command("ZRANGE", hint, 0, _MAX_SIGNERS - 1)
        return [Address.parse("0x" + member.decode()) for member in members]

    async def _run_indexed(self, script: Any, signer: Address, *arguments: str | int) -> Any:
        """Run a script until the index covers the whole list, and return the script's result."""
        keys = [self.list_key(signer), self.index_key(signer), self.confirmed_key(signer)]
        while (answer := await self._link.run(script, keys, *arguments)) == b"more":
            pass
        return answer


def _decode_account(text: bytes) -> Account:
    return decode_record(Account, text, version=RECORD_VERSION)
