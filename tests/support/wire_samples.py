"""Sample wire shape with one field of each wire type, a Hypothesis strategy for it, and one example as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from hypothesis import strategies as st
from pydantic import UUID4, Field

from wallet_rpc.primitives import (
    Address,
    BlockNumber,
    ChainId,
    Data,
    Gas,
    Hash32,
    Nonce,
    Selector,
    SessionId,
    TransactionCount,
    Uint256,
    UnixSeconds,
    Wei,
    WeiPerGas,
)
from wallet_rpc.wire import shape, strict_shape


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@shape
class Cat:
    kind: Literal["cat"]
    lives: Wei = 9


@shape
class Dog:
    kind: Literal["dog"]
    name: str


@strict_shape
class Limits:
    """A strict object."""

    most_gas: Gas | None = None


@shape
class WireSample:
    """One field of each wire type."""

    data: Data
    address: Address
    hash: Hash32
    selector: Selector
    session_id: SessionId
    uint: Uint256
    wei: Wei
    wei_per_gas: WeiPerGas
    gas: Gas
    nonce: Nonce
    count: TransactionCount
    chain_id: ChainId
    block: BlockNumber
    at: UnixSeconds
    id: UUID4
    text: str
    yes: bool
    number: Annotated[int, Field(ge=1, lt=100)]
    factor: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    colour: Colour
    from_: Annotated[Address, Field(alias="from")]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    slots: dict[Hash32, Hash32]
    calls: Annotated[tuple[Limits, ...], Field(min_length=1, max_length=3)]
    status: Literal[100, 200]
    perhaps: Wei | None = None
    anything: Any = None


def sized_bytes(kind: type[Data], size: int) -> st.SearchStrategy[Data]:
    return st.binary(min_size=size, max_size=size).map(kind)


def uints(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
whole = st.builds(
    WireSample,
    data=st.binary(max_size=40).map(Data),
    address=sized_bytes(Address, 20),
    hash=sized_bytes(Hash32, 32),
    selector=sized_bytes(Selector, 4),
    session_id=sized_bytes(SessionId, 16),
    uint=uints(256),
    wei=uints(256),
    wei_per_gas=uints(128),
    gas=uints(128),
    nonce=uints(256),
    count=uints(64),
    chain_id=uints(32),
    block=uints(64),
    at=uints(48),
    id=st.uuids(version=4),
    text=st.text(),
    yes=st.booleans(),
    number=st.integers(1, 99),
    factor=st.floats(0, 1000, exclude_min=True),
    colour=st.sampled_from(Colour),
    from_=sized_bytes(Address, 20),
    pet=st.builds(Cat, kind=st.just("cat"), lives=uints(256)) | st.builds(Dog, kind=st.just("dog"), name=st.text()),
    slots=st.dictionaries(sized_bytes(Hash32, 32), sized_bytes(Hash32, 32), max_size=2),
    calls=st.lists(st.builds(Limits, most_gas=st.none() | uints(128)), min_size=1, max_size=3).map(tuple),
    status=st.sampled_from([100, 200]),
    perhaps=st.none() | uints(256),
    anything=st.none() | json_values,
)
WRITTEN: dict[str, Any] = {
    "data": "0x",
    "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "hash": "0x" + "11" * 32,
    "selector": "0x12345678",
    "sessionId": "0x" + "22" * 16,
    "uint": "0x0",
    "wei": "0xa",
    "weiPerGas": "0x1",
    "gas": "0x2",
    "nonce": "0x3",
    "count": "0x4",
    "chainId": "0x66eee",
    "block": "0x5",
    "at": 1747969653,
    "id": "26b375e3-c94a-4e98-b6b7-5a97121aa583",
    "text": "",
    "yes": False,
    "number": 7,
    "factor": 1.5,
    "colour": "red",
    "from": "0x0000000000000000000000000000000000000000",
    "pet": {"kind": "cat", "lives": "0x9"},
    "slots": {},
    "calls": [{}],
    "status": 100,
}
