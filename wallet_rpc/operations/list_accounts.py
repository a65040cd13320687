"""`wallet_listAccounts`: the accounts of a signer, oldest first, page by page.

The cursor is the id of the last account shown: accounts are only ever added at the end, so a page never moves.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, NonZeroAddress, malformed_error
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.wire import shape

MAX_PER_PAGE = 100
"""The longest page, and the usual one. Source: the Wallet API."""


def _read_cursor(value: Any) -> UUID:
    """An account's id: 16 bytes of unpadded base64url."""
    expected = "a cursor that this method answered"
    if not isinstance(value, str) or len(value) != 22:
        raise malformed_error(expected, value)
    try:
        return UUID(bytes=base64.b64decode(value + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise malformed_error(expected, value) from None


def _write_cursor(cursor: bytes) -> str | None:
    return base64.urlsafe_b64encode(cursor).rstrip(b"=").decode() if cursor else None


GivenCursor: TypeAlias = Annotated[UUID, PlainValidator(_read_cursor), WithJsonSchema({"type": "string"})]
"""After which account to go on, as text that only we understand."""
NextCursor: TypeAlias = Annotated[
    bytes, PlainSerializer(_write_cursor), WithJsonSchema({"type": ["string", "null"]}, mode="serialization")
]
"""The same in an answer; nothing more to come is empty here and null on the wire, the only null there is."""


@shape
class ListAccounts:
    """Whose accounts, how many of them at most, and after which."""

    signer_address: NonZeroAddress
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_PER_PAGE), BeforeValidator(exact_integer)] = MAX_PER_PAGE
    after: GivenCursor | None = None


@shape
class AccountItem:
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

    accounts: tuple[AccountItem, ...]
    meta: PageMeta


async def run(ports: Ports, request: ListAccounts) -> AccountPage:
    """A signer who never asked for an account has none."""
    page = await ports.store.accounts.page(request.signer_address, after=request.after, limit=request.limit)
    if page is None:
        raise InvalidParams(
            "params.after: not a cursor of this signer's accounts", field="params.after", reason="cursor_unknown"
        )
    return AccountPage(
        accounts=tuple(AccountItem(account_address=account.address, id=account.id) for account in page.accounts),
        meta=PageMeta(total_count=page.total, after=b"" if page.is_last else page.accounts[-1].id.bytes),
    )


OPERATION: Operation[Ports, ListAccounts, AccountPage] = Operation(
    "wallet_listAccounts",
    ListAccounts,
    AccountPage,
    run,
    "List the accounts of a signer, oldest first.",
    need=READ_ACCESS,
)
