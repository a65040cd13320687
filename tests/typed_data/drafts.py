"""Random valid typed data: every kind of type, and every JSON form of a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from eth_utils.address import to_checksum_address

DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
STRUCTS = ("Person", "Mail", "_order", "Order2", "tuple", "Permit", "aBc", "a_b", "Bytes32", "Uint", "String", "_")
MEMBERS = ("from", "to", "value", "a", "b", "data", "name", "_", "$x", "wallet name", "ключ", "type", "domain", "x[1]")
TEXTS = ("", "a", "Hello, Bob!", "0x1234", "nul\0", "ü", "漢字", "🙂", "\u2028", " ", "1", "null", "x" * 200)


@dataclass(frozen=True)
class Slot:
    """The position of a value, and its type."""

    inside: Any
    at: Any
    type: str

    def put(self, value: Any) -> None:
        self.inside[self.at] = value


@dataclass
class Draft:
    """Typed data, with the slots of its values and the declared members that have a value."""

    data: dict[str, Any]
    slots: list[Slot] = field(default_factory=list)
    members: list[Slot] = field(default_factory=list)
    """Slots with the declaration as `inside`, and the slot of a value as `at`."""
    refers_to_itself: bool = False


class Drafter:
    """A maker of drafts from one random generator."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def draft(self) -> Draft:
        names = self.random.sample(STRUCTS, self.random.choice((1, 1, 2, 2, 3)))
        primary = names[0] if self.random.random() < 0.9 else "intent"
        names[0] = primary
        types = {name: self._members(names[index + 1 :]) for index, name in enumerate(names)}
        draft = Draft({"domain": self.domain(), "types": types, "primaryType": primary, "message": {}})
        if self.random.random() < 0.15:
            user = self.random.choice(names)
            types[user] = [*types[user], {"name": "again", "type": f"{self.random.choice(names)}[]"}]
            draft.refers_to_itself = _has_circle(types)
        draft.data["message"] = self._struct(draft, primary, 0)
        self._decorate(draft)
        return draft

    def _decorate(self, draft: Draft) -> None:
        """Add parts that both libraries ignore, and the domain's type as the official client writes it."""
        if self.random.random() < 0.2:
            unused: Any = self.random.choice(([{"name": "x", "type": "Mail[]"}], [], "text", None))
            draft.data["types"] = {"Unused": unused, **draft.data["types"]}
        if self.random.random() < 0.2:
            draft.data["message"]["more"] = self.random.choice((None, 1, "text", {"a": []}))
        if self.random.random() < 0.5:
            declare_domain(draft.data)
        if self.random.random() < 0.05:
            del draft.data["domain"]
            draft.data["types"].pop("EIP712Domain", None)

    def domain(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, type_ in DOMAIN_FIELDS.items():
            if self.random.random() < 0.4:
                found[name] = self.random.choice((1, 31337, 0, 2**32)) if name == "chainId" else self._value(type_)
            elif self.random.random() < 0.2:
                found[name] = None
        if found.get("version") == "":
            found["version"] = "1"
        return found

    def _members(self, later: list[str]) -> list[dict[str, str]]:
        names = self.random.sample(MEMBERS, self.random.choice((0, 1, 1, 2, 2, 3)))
        return [{"name": name, "type": self._type(later)} for name in names]

    def _type(self, later: list[str]) -> str:
        base = self.random.choice(later) if later and self.random.random() < 0.4 else self._elementary()
        dimensions = self.random.choices((0, 1, 2), (6, 3, 1))[0]
        return base + "".join(self.random.choice(("[]", "[]", "[1]", "[2]", "[0]", "[01]")) for _ in range(dimensions))

    def _elementary(self) -> str:
        kind = self.random.choice(("int", "uint", "uint", "bytesN", "bytes", "string", "string", "bool", "address"))
        if kind in {"int", "uint"}:
            return f"{kind}{self.random.choice((8, 16, 24, 48, 64, 96, 128, 160, 248, 256, 256))}"
        return f"bytes{self.random.choice((1, 4, 20, 31, 32, 32))}" if kind == "bytesN" else kind

    def _struct(self, draft: Draft, name: str, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for member in draft.data["types"][name]:
            value[member["name"]] = self._typed_value(draft, member["type"], depth + 1)
            slot = Slot(value, member["name"], member["type"])
            draft.slots.append(slot)
            draft.members.append(Slot(member, slot, member["type"]))
        return value

    def _typed_value(self, draft: Draft, type_: str, depth: int) -> Any:
        if type_ in draft.data["types"]:
            return self._struct(draft, type_, depth)
        if not type_.endswith("]"):
            return self._value(type_)
        item, _, length = type_[:-1].rpartition("[")
        again = item.split("[")[0] in draft.data["types"] and depth > 3
        count = int(length) if length else 0 if again else self.random.choice((0, 1, 1, 2, 3))
        found: list[Any] = []
        for index in range(count):
            found.append(self._typed_value(draft, item, depth + 1))
            draft.slots.append(Slot(found, index, item))
        return found

    def _value(self, type_: str) -> Any:
        if type_ == "string":
            return self.random.choice(TEXTS)
        if type_ == "bool":
            return self.random.random() < 0.5
        if type_ == "address":
            return self.address()
        if type_.startswith("bytes"):
            size = int(type_[5:] or self.random.choice((0, 1, 31, 32, 33, 100)))
            return self._hex(self.random.randbytes(size))
        return self._integer(type_)

    def address(self) -> str:
        raw = "0x" + self.random.randbytes(20).hex()
        return to_checksum_address(raw) if self.random.random() < 0.7 else raw

    def _hex(self, raw: bytes) -> str:
        return "0x" + (raw.hex() if self.random.random() < 0.8 else raw.hex().upper())

    def _integer(self, type_: str) -> Any:
        bits = int(type_.lstrip("uint"))
        low, high = (0, 2**bits - 1) if type_.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        number = self.random.choice((low, high, 0, 1, high // 3, self.random.randint(low, high)))
        forms: list[Any] = [str(number), f"-{-number:03}" if number < 0 else f"{number:03}"]
        forms += [hex(number), f"0x{number:064X}"] * (number >= 0)
        forms += [number, float(number)] * (abs(number) < 2**53)
        return self.random.choice(forms)


def declare_domain(data: dict[str, Any]) -> None:
    """Declare the domain's type as viem and the official client do."""
    given = data["domain"]
    fields = [{"name": name, "type": type_} for name, type_ in DOMAIN_FIELDS.items() if given.get(name) is not None]
    data["types"] = {**data["types"], "EIP712Domain": fields}


def _has_circle(types: dict[str, list[dict[str, str]]]) -> bool:
    def reaches(name: str, seen: tuple[str, ...]) -> bool:
        uses = {member["type"].split("[")[0] for member in types[name]} & types.keys()
        return any(each in seen or reaches(each, (*seen, each)) for each in uses)

    return any(reaches(name, (name,)) for name in types)
