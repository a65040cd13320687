"""Replacement of keys, tokens and signatures by placeholders.

Secrets are found by the names of their fields, by their form, and by the methods that return them. Once found, a secret
is replaced wherever it occurs, also inside call data and contexts. Equal secrets have equal placeholders.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from wallet_rpc.recording.hex_digits import looks_random
from wallet_rpc.recording.placeholders import (
    MIN_HEX_DIGITS,
    format_hex_placeholder,
    format_text_placeholder,
    is_placeholder,
)
from wallet_rpc.recording.transactions import split_transaction

_SIGNATURE_NAMES = frozenset(
    {"signature", "signatures", "ownersignature", "paymasterpermitsignature", "sig", "serialized"}
)
"""Names of members with signatures, in lower case and without `_` and `-`."""
_CREDENTIAL_NAMES = frozenset(
    {"privatekey", "secretkey", "sessionkey", "mnemonic", "seedphrase", "password", "passphrase", "secret"}
    | {"apikey", "xapikey", "token", "accesstoken", "refreshtoken", "sessiontoken", "authtoken", "jwt", "authorization"}
    | {"bearer", "auth"}
)
"""Names of members with credentials; shorter hex than a private key, such as a token's address, is none."""
_CONTEXT_NAMES = frozenset({"context", "permissionscontext", "permissioncontext", "serialized"})
"""Names of members with a session's context, which has a signature at its end."""
_PAYMASTER_NAMES = frozenset({"paymasterdata", "paymasteranddata"})
"""Names of members with a paymaster's signature at their end."""
_SIGNATURE_PARTS = frozenset({"data", "value", "raw", "hex", "r", "s"})
"""Members of an object under one of the names above that have the secret itself."""

_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]+)")
_HEX_RUN = re.compile(rf"[0-9a-fA-F]{{{MIN_HEX_DIGITS},}}")
_KEY_WORD = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{64}(?![0-9A-Za-z])")
_BYTES = re.compile(r"(?=0{60}(0[0-9a-f](?:4[1-9a-f]|[5-9a-f][0-9a-f])|0[1-9a-f][0-9a-f]{2}))")
"""The place of the length of an ABI byte string of 65 to 4095 bytes."""
_CREDENTIAL = re.compile(
    r"wrk_[A-Za-z0-9_-]{6,}"  # an API key of wallet-rpc
    r"|whsec_[A-Za-z0-9+/=_-]{8,}"  # the secret of a webhook
    r"|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}"  # a session token
)
_URL_PASSWORD = re.compile(r"://[^\s/?#@:]{0,256}:([^\s/?#@]{1,256})@")
"""The password in a URL."""
_KEY_DIGITS, _HALF_DIGITS = 64, 128
"""The hex digits of a private key, and of the two numbers of a signature."""
_WRAPPER_END = "6492" * 16
"""The end of a signature with the deployment of its account. Source: ERC-6492."""
_WRAPPED_DIGITS = 194
"""The digits of the longest signature of an account that has no more than one signature of a key."""
_PARITIES = frozenset({"00", "01", "1b", "1c"})
"""The last bytes of a signature of 65 bytes."""
_CURVES = (
    (2**256 - 2**32 - 977, 0, 7),  # secp256k1. Source: SEC 2, 2.4.1
    (  # secp256r1, of passkeys. Source: SEC 2, 2.4.2
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
)
"""The prime and the coefficients a and b of the curves of public keys."""
_CONTEXT_DIGITS = 34
"""The digits before the signature of a context of version 00: its version and the session's id."""
_WINDOW = 16
"""The number of first digits by which a secret in hex is found."""
_SHORTEST_TEXT = 8
"""The length of the shortest secret in text; a shorter one would be found in unrelated words."""


class Redactor:
    """The secrets that are known, and their replacement."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: set[str] = set()
        self._starts: defaultdict[str, set[str]] = defaultdict(set)
        """The secrets in hex, as digits, by their first digits."""

    def add_credential(self, text: str) -> None:
        """Add a secret: hex or any other text."""
        found = _HEX.fullmatch(text)
        if found is not None and len(found[1]) >= MIN_HEX_DIGITS:
            self._add_digits(found[1].lower())
        elif _CREDENTIAL.fullmatch(text) is None and len(text) >= _SHORTEST_TEXT and not is_placeholder(text):
            self._texts.add(text)

    def replace(self, text: str) -> str:
        """Return the placeholder of a credential, of any length, which is known from then on."""
        self.add_credential(text)
        found = _HEX.fullmatch(text)
        return format_text_placeholder(self._number(text if found is None else found[1].lower()))

    def split_transaction(self, text: str) -> str:
        """Return a signed transaction without its signatures, which are known from then on; other text unchanged."""
        found = split_transaction(text)
        if found is None:
            return text
        for each in found.numbers:
            self._add_digits(each)
        return found.unsigned

    def learn(self, value: Any) -> None:
        """Find secrets in a JSON value by names and forms."""
        match value:
            case dict():
                for name, inner in value.items():
                    self.learn(name)
                    self._learn_member(name.lower().replace("_", "").replace("-", ""), inner)
                if {"r", "s"} <= value.keys():
                    self._learn_secret([value["r"], value["s"]])
            case list():
                for inner in value:
                    self.learn(inner)
            case str():
                for password in _URL_PASSWORD.findall(value):
                    self.add_credential(password)
                found = _HEX.fullmatch(value)
                for signature in () if found is None else _find_signatures(found[1].lower()):
                    self._add_digits(signature)

    def learn_call(self, method: str, params: Any, result: Any) -> None:
        """Find secrets in a JSON-RPC request and its result: by the method, then as in any value."""
        name = method.lower()
        texts = [each for each in [*(params if isinstance(params, list) else []), result] if isinstance(each, str)]
        if "rawtransaction" in name:
            for each in texts:
                self.split_transaction(each)
        if "signtransaction" in name and isinstance(result, dict):
            self.split_transaction(str(result.get("raw", "")))
        elif "sign" in name and isinstance(result, str):
            self.add_credential(result)
        if "loadstate" in name or "dumpstate" in name or ("import" in name and "key" in name):
            for each in texts:
                self.add_credential(each)
        self.learn(params)
        self.learn(result)

    def learn_text(self, text: str) -> None:
        """Find secrets in text that is not JSON: each word that may be a private key."""
        for found in _KEY_WORD.finditer(text):
            self.add_credential(found[0])

    def redact(self, value: Any) -> Any:
        """Return a JSON value with placeholders for all secrets that are known."""
        match value:
            case dict():
                return {self._redact_text(name): self.redact(inner) for name, inner in value.items()}
            case list():
                return [self.redact(inner) for inner in value]
            case str():
                return self._redact_text(value)
            case _:
                return value

    def _learn_member(self, name: str, value: Any) -> None:
        self.learn(value)
        found = _HEX.fullmatch(value) if isinstance(value, str) else None
        digits = "" if found is None else found[1].lower()
        is_short = found is not None and len(digits) < _KEY_DIGITS
        if name in _SIGNATURE_NAMES and digits.endswith(_WRAPPER_END) and _find_signatures(digits):
            return  # its inner signature is known
        if name in _SIGNATURE_NAMES and len(digits) <= _WRAPPED_DIGITS and _last_signature(digits):
            digits = value = _last_signature(digits)
        if name in _SIGNATURE_NAMES or (name in _CREDENTIAL_NAMES and not is_short):
            self._learn_secret(value)
        elif name in _CONTEXT_NAMES:
            if found is None:  # JSON in base64
                self._learn_secret(value)
            self._add_digits(digits[_CONTEXT_DIGITS:] if digits.startswith("00") else _last_signature(digits))
        elif name in _PAYMASTER_NAMES:
            self._add_digits(_last_signature(digits))

    def _learn_secret(self, value: Any) -> None:
        match value:
            case str():
                self.add_credential(value)
            case list():
                for inner in value:
                    self._learn_secret(inner)
            case dict():
                for name, inner in value.items():
                    if name in _SIGNATURE_PARTS:
                        self._learn_secret(inner)

    def _add_digits(self, digits: str) -> None:
        """Add a secret in hex, without the last byte of a signature of 65 bytes, which has several forms."""
        if len(digits) < MIN_HEX_DIGITS or is_placeholder(digits):
            return
        even = digits.zfill(len(digits) + len(digits) % 2)
        secret = even[:_HALF_DIGITS] if _is_signature(even) else even
        self._starts[secret[:_WINDOW]].add(secret)

    def _number(self, secret: str) -> int:
        return self._numbers.setdefault(secret, len(self._numbers) + 1)

    def _redact_text(self, text: str) -> str:
        text = _CREDENTIAL.sub(lambda found: format_text_placeholder(self._number(found[0])), text)
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, format_text_placeholder(self._number(secret)))
        return _HEX_RUN.sub(lambda found: self._redact_digits(found[0]), text)

    def _redact_digits(self, text: str) -> str:
        digits = text.lower().zfill(len(text) + len(text) % 2)
        parts: list[str] = []
        start = end = 0
        while start <= len(digits) - MIN_HEX_DIGITS:
            known = self._starts.get(digits[start : start + _WINDOW], ())
            secret = max((each for each in known if digits.startswith(each, start)), key=len, default=None)
            if secret is None:
                start += 2
                continue
            stop = start + len(secret)
            if len(secret) == _HALF_DIGITS and digits[stop : stop + 2] in _PARITIES:
                stop += 2
            parts += [digits[end:start], format_hex_placeholder(self._number(secret), stop - start)]
            start = end = stop
        return text if not parts else "".join([*parts, digits[end:]])


def _find_signatures(digits: str) -> list[str]:
    """Return hex digits that are a signature, or the signatures at the ends of ABI byte strings in them."""
    found = [digits] if _is_signature(digits) else []
    for place in _BYTES.finditer(digits):
        start = place.start() + _KEY_DIGITS
        size = 2 * int(place[1], 16)
        end = start + size
        padding = -size % _KEY_DIGITS
        is_string = padding and digits[end : end + padding] == "0" * padding  # else it may be an offset
        if (len(digits) - start) % 2 == 0 and is_string:
            last = _last_signature(digits[start:end])
            if looks_random(last[:_KEY_DIGITS]) and looks_random(last[_KEY_DIGITS:_HALF_DIGITS]):
                found.append(last)
    return found


def _is_signature(digits: str) -> bool:
    """Return True for the digits of a signature of 65 bytes."""
    return len(digits) == _HALF_DIGITS + 2 and digits[-2:] in _PARITIES and not _is_public_key(digits)


def _is_public_key(digits: str) -> bool:
    """Return True for an uncompressed public key: 04, and the coordinates of a point of a curve."""
    x, y = int(digits[2 : 2 + _KEY_DIGITS], 16), int(digits[2 + _KEY_DIGITS :], 16)
    return digits.startswith("04") and any((y * y - x**3 - a * x - b) % p == 0 for p, a, b in _CURVES)


def _last_signature(digits: str) -> str:
    """Return the last 65 bytes if they are a signature; empty otherwise."""
    last = digits[-(_HALF_DIGITS + 2) :]
    return last if _is_signature(last) else ""
