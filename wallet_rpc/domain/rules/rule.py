"""Rules of a session that this server keeps, in the form that callers send.

All rules have to pass, and a rule never allows what the session's permissions deny. An unknown member is rejected by
name, because the caller may have meant it as a limit.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from wallet_rpc.domain.rules.hours import HoursRule
from wallet_rpc.domain.rules.periods import Period
from wallet_rpc.primitives import NATIVE_TOKEN, Address, NonZeroAddress, UnixSeconds, Wei, validation_error
from wallet_rpc.wire import strict_shape

MAX_RULES = 32
"""Maximum number of rules of a session."""
MAX_LISTED = 100
"""Maximum number of addresses or values that a rule lists."""
LONGEST_VALUE = 1024
"""Maximum length of a value in a rule about an argument, in characters."""


def _refuse_constant(token: Address) -> Address:
    if token == NATIVE_TOKEN:
        raise validation_error(
            "expected the contract of an ERC-20 token, got the constant of the native token; leave token out for it",
            reason="token_is_native",
        )
    return token


TokenAddress: TypeAlias = Annotated[NonZeroAddress, AfterValidator(_refuse_constant)]
"""The contract of an ERC-20 token."""
Addresses: TypeAlias = Annotated[tuple[Address, ...], Field(min_length=1, max_length=MAX_LISTED)]
"""Up to 100 addresses."""
RuleValue: TypeAlias = Annotated[str, Field(max_length=LONGEST_VALUE)]
"""A value as text: a number in decimal or hex, an address or bytes in hex, `true` or `false`, or the text itself."""


@strict_shape
class AmountRule:
    """Amount of a token that the session's calls move or allow others to take, in each window of a period."""

    type: Literal["amount"]
    """Kind of rule, kept by this server."""
    token: TokenAddress | None = None
    """Contract of the ERC-20 token. Default: the chain's native token."""
    limit: Wei
    """Maximum amount in each window, in the token's smallest unit."""
    period: Period
    """Period after which the amount begins at zero again; `total`: never."""


@strict_shape
class CallsRule:
    """Number of calls in each window of a period."""

    type: Literal["calls"]
    """Kind of rule, kept by this server."""
    limit: Annotated[int, Field(strict=True, ge=0, le=10**9)]
    """Maximum number of calls; each call of a batch counts."""
    period: Period
    """Period after which the number begins at zero again; `total`: never."""


@strict_shape
class RateRule:
    """Number of operations in any span of seconds, which ends now."""

    type: Literal["rate"]
    """Kind of rule, kept by this server."""
    limit: Annotated[int, Field(strict=True, ge=1, le=1000)]
    """Maximum number of operations; a batch is one operation."""
    seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)]
    """Length of the span in seconds."""


@strict_shape
class RecipientsRule:
    """Addresses that may or may not receive tokens, native ones included, or the right to take them."""

    type: Literal["recipients"]
    """Kind of rule, kept by this server."""
    allow: Addresses | None = None
    """Only addresses that may receive. Exactly one of `allow` and `block` is required."""
    block: Addresses | None = None
    """Addresses that may not receive."""


@strict_shape
class ArgumentRule:
    """Condition on an argument of a function, for each call of the function."""

    type: Literal["argument"]
    """Kind of rule, kept by this server."""
    contract: NonZeroAddress | None = None
    """Contract whose function is meant. Default: any contract."""
    function: Annotated[str, Field(max_length=256)]
    """Signature of the function, such as `transfer(address,uint256)`."""
    path: Annotated[str, Field(pattern=r"^([0-9]{1,3}|\*)(\.([0-9]{1,3}|\*)){0,7}$")]
    """Index of the argument; after a dot, of the member of a tuple or the item of an array; `*`: each item."""
    equals: RuleValue | None = None
    """Only value that is allowed. Exactly one of `equals`, `atMost` and `oneOf` is required."""
    at_most: RuleValue | None = None
    """Largest number that is allowed."""
    one_of: Annotated[tuple[RuleValue, ...], Field(min_length=1, max_length=MAX_LISTED)] | None = None
    """Values that are allowed."""

    @property
    def steps(self) -> list[str]:
        """The steps of the path."""
        return self.path.split(".")


@strict_shape
class NotBeforeRule:
    """Time before which the session may not act."""

    type: Literal["not-before"]
    """Kind of rule, kept by this server."""
    time: UnixSeconds
    """First second in which calls are accepted, as Unix time."""


@strict_shape
class ApprovalRule:
    """Amount above which an operation waits for an approval."""

    type: Literal["approval"]
    """Kind of rule, kept by this server."""
    token: TokenAddress | None = None
    """Contract of the ERC-20 token. Default: the chain's native token."""
    above: Wei | None = None
    """Largest amount of one operation that needs no approval. Default: every operation needs one."""
    seconds: Annotated[int, Field(strict=True, ge=60, le=604_800)] = 86_400
    """Time after which an operation that waits expires, in seconds."""


SessionRule: TypeAlias = Annotated[
    AmountRule | CallsRule | RateRule | RecipientsRule | ArgumentRule | NotBeforeRule | HoursRule | ApprovalRule,
    Field(discriminator="type"),
]
"""A rule of a session, by its kind."""
RuleList: TypeAlias = Annotated[tuple[SessionRule, ...], Field(max_length=MAX_RULES)]
"""The rules of a session; all of them have to pass."""
