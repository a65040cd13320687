"""`wallet_listAccounts`: the accounts of a signer, oldest first, in pages.

The cursor is the id of the last account of a page. Pages are stable, because accounts are only added at the end.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, NonZeroAddress, malformed_error
from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.wire import shape

MAX_PER_PAGE = 100
"""Maximum and default page size. Source: the Wallet API."""


def _read_cursor(value: Any) -> UUID:
    """Decode a cursor: an account's id, 16 bytes as unpadded base64url."""
    expected = "a cursor that this method returned"
    if not isinstance(value, str) or len(value) != 22:
        raise malformed_error(expected, value)
    try:
        return UUID(bytes=decode_base64url(value))
    except ValueError:
        raise malformed_error(expected, value) from None


def _write_cursor(cursor: bytes) -> str | None:
    return encode_base64url(cursor) if cursor else None


def _read_next_cursor(value: Any) -> bytes:
    return b"" if value is None else _read_cursor(value).bytes


GivenCursor: TypeAlias = Annotated[
    UUID,
    PlainValidator(_read_cursor),
    PlainSerializer(lambda cursor: encode_base64url(cursor.bytes)),
    WithJsonSchema({"type": "string"}),
]
"""The account after which the page starts, as opaque text."""
NextCursor: TypeAlias = Annotated[
    bytes,
    PlainValidator(_read_next_cursor),
    PlainSerializer(_write_cursor),
    WithJsonSchema({"type": ["string", "null"]}, mode="serialization"),
]
"""The cursor in a response. The last page has empty bytes here and null on the wire, the only null in responses."""


@shape
class ListAccounts:
    """A list request: signer, maximum number of accounts, and the cursor to continue from."""

    signer_address: NonZeroAddress
    """Owner whose accounts are listed."""
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_PER_PAGE), BeforeValidator(exact_integer)] = MAX_PER_PAGE
    """Maximum number of accounts on the page."""
    after: GivenCursor | None = None
    """Cursor from `meta.after` of the previous page. Default: the first page."""


@shape
class AccountItem:
    """One account and its id."""

    account_address: Address
    """Address of one of the signer's accounts."""
    id: UUID
    """UUID with which `wallet_requestAccount` selects this account."""


@shape
class PageMeta:
    """The signer's number of accounts, and the cursor of the next page (null: no further page)."""

    total_count: int
    """Number of accounts of the signer on all pages."""
    after: NextCursor
    """Cursor of the next page; null on the last page."""


@shape
class AccountPage:
    """One page of a signer's accounts."""

    accounts: tuple[AccountItem, ...]
    """Accounts of this page, the oldest first."""
    meta: PageMeta
    """Number of all accounts, and the cursor of the next page."""


async def run(ports: Ports, request: ListAccounts) -> AccountPage:
    """Return one page; the list is empty for a signer without accounts."""
    page = await ports.store.accounts.page(request.signer_address, after=request.after, limit=request.limit)
    if page is None:
        raise InvalidParams(
            "expected a cursor of this signer's accounts, got another; leave it out for the first page",
            field="params.after",
            reason="cursor_unknown",
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
    reasons=("cursor_unknown",),
    description=(
        "The list has the accounts that were requested through this server. Pages are stable, because accounts are "
        "only added at the end."
    ),
)
