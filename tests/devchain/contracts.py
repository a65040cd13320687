"""Small contracts in EVM bytecode, each with a description of its behaviour."""

from __future__ import annotations

from wallet_rpc.domain import abi


def creation(runtime: bytes) -> bytes:
    """Return creation code that deploys `runtime`."""
    size = len(runtime).to_bytes(2)
    return bytes.fromhex("61") + size + bytes.fromhex("600c5f3961") + size + bytes.fromhex("5ff3") + runtime


def return_word(word: int) -> bytes:
    """Return code that answers any call with one word."""
    return b"\x7f" + word.to_bytes(32) + bytes.fromhex("5f5260205ff3")


def revert_with(data: bytes) -> bytes:
    """Return code that reverts with up to 255 bytes of data."""
    size = bytes([len(data)])
    return bytes.fromhex("60") + size + bytes.fromhex("600b5f3960") + size + bytes.fromhex("5ffd") + b"\x00" + data


COUNTER = bytes.fromhex("5f546001018060005500")
"""Code that adds one to the word in slot 0."""
BALANCE_OF_CALLER = bytes.fromhex("33315f5260205ff3")
"""Code that returns the caller's balance."""
SLOT_0 = bytes.fromhex("5f545f5260205ff3")
"""Code that returns the word in slot 0."""
FACTS = bytes.fromhex("425f524360205246604052486060523a60805260a05ff3")
"""Code that returns timestamp, number, chain id, base fee and gas price."""
BLOCK_HASH = bytes.fromhex("5f35405f5260205ff3")
"""Code that returns the hash of the block whose number is the call data."""
FORWARDER = bytes.fromhex("5f5f5f5f5f5f355af1600d57fe5b00")
"""Code that calls the address in the call data with all gas; an invalid instruction when that fails."""
TWO_LOGS = bytes.fromhex("5f355f5fa16020355f355f5fa200")
"""Code that logs the first word of the call data as topic, then the first two."""
ERROR = abi.selector_of("Error(string)") + abi.sequence(abi.blob(b"no luck"))
"""The revert data of `Error("no luck")`."""


def require_gas(gas: int, then: bytes = b"\x00", *, at: int = 0) -> bytes:
    """Return code for byte `at` of a contract: reverts unless more than `gas` is left, else continues with `then`."""
    jump = (at + 14).to_bytes(2)
    return b"\x63" + gas.to_bytes(4) + bytes.fromhex("5a1161") + jump + bytes.fromhex("575f5ffd5b") + then


def dispatch(choices: dict[bytes, bytes], fallback: bytes) -> bytes:
    """Return code that dispatches on the selector; the code of each choice must work at any position."""
    head = bytes.fromhex("5f3560e01c")
    at = len(head) + 11 * len(choices) + len(fallback)
    bodies = b""
    for selector, code in choices.items():
        head += b"\x80\x63" + selector + b"\x14\x61" + (at + len(bodies)).to_bytes(2) + b"\x57"
        bodies += b"\x5b" + code
    return head + fallback + bodies
