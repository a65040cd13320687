"""`wallet_listAccounts`: the accounts of a signer, oldest first, page by page.

The cursor is the id of the last account shown: accounts are only ever added at the end, so a page never moves.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from wallet_rpc.domain.access import READS
from wallet_rpc.domain.records import Account
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, malformed
from wallet_rpc.wire import shape

MOST = 100
"""The longest page, and the usual one. Source: the Wallet API."""


def _read_cursor(value: Any) -> bytes:
    """16 bytes of unpadded base64url."""
    expected = "a cursor that this method answered"
    if not isinstance(value, str) or len(value) != 22:
        raise malformed(expected, value)
    try:
        return base64.b64decode(value + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise malformed(expected, value) from None


def _written_cursor(cursor: bytes) -> str | None:
    return base64.urlsafe_b64encode(cursor).rstrip(b"=").decode() if cursor else None


GivenCursor: TypeAlias = Annotated[bytes, BeforeValidator(_read_cursor), WithJsonSchema({"type": "string"})]
"""After which account to go on, as text that only we understand."""
NextCursor: TypeAlias = Annotated[
    bytes, PlainSerializer(_written_cursor), WithJsonSchema({"type": ["string", "null"]}, mode="serialization")
]
"""The same in an answer; nothing more to come is empty here and null on the wire, the only null there is."""


@shape
class ListAccounts:
    """Whose accounts, how many of them at most, and after which."""

    signer_address: Address
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST)] = MOST
    after: GivenCursor | None = None


@shape
class ListedAccount:
    """One account and its id."""

    account_address: Address
    id: UUID


@shape
class PageMeta:
    """How many accounts the signer has, and where the next page starts (null: there is none)."""

    total_count: int
    after: NextCursor


@shape
class AccountPage:
    """Some accounts of a signer."""

    accounts: tuple[ListedAccount, ...]
    meta: PageMeta


async def run(ports: Ports, request: ListAccounts) -> AccountPage:
    """A signer who never asked for an account has none."""
    known = await ports.store.accounts.of(request.signer_address)
    start = 0 if request.after is None else _place_after(known, request.after)
    shown = known[start : start + request.limit]
    is_more = start + len(shown) < len(known)
    return AccountPage(
        accounts=tuple(ListedAccount(account_address=account.address, id=account.id) for account in shown),
        meta=PageMeta(total_count=len(known), after=shown[-1].id.bytes if is_more else b""),
    )


def _place_after(known: tuple[Account, ...], cursor: bytes) -> int:
    for place, account in enumerate(known):
        if account.id.bytes == cursor:
            return place + 1
    raise InvalidParams(
        "params.after: not a cursor of this signer's accounts", field="params.after", reason="cursor_unknown"
    )


OPERATION: Operation[Ports, ListAccounts, AccountPage] = Operation(
    "wallet_listAccounts",
    ListAccounts,
    AccountPage,
    run,
    "List the accounts of a signer, oldest first.",
    need=READS,
)
