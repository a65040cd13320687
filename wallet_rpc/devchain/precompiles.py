"""Modular exponentiation in pieces: py-evm would run it in one C call, which a timer cannot interrupt."""

from __future__ import annotations

from eth.abc import ComputationAPI
from eth.precompiles.modexp import extract_lengths
from eth.vm.forks.berlin.computation import _compute_modexp_gas_fee_eip_2565 as gas_fee

MODEXP = (5).to_bytes(20)
"""The address of the MODEXP precompile."""
_PIECE_BYTES = 2048
"""The longest exponent of one C call, in bytes: some milliseconds at most for the moduli that run uninterrupted."""
_HEAD_SIZE = 96


def modexp(computation: ComputationAPI) -> ComputationAPI:
    """Compute base ** exponent % modulus; the input is three lengths (32 bytes each) | base | exponent | modulus.

    Source: EIP-198, at the price of EIP-2565.
    """
    data = computation.msg.data_as_bytes
    computation.consume_gas(gas_fee(data), reason="MODEXP Precompile")
    base_size, exponent_size, modulus_size = extract_lengths(data)
    if modulus_size == 0:
        computation.output = b""
        return computation
    at_exponent = _HEAD_SIZE + base_size
    at_modulus = at_exponent + exponent_size
    base = int.from_bytes(data[_HEAD_SIZE:at_exponent].ljust(base_size, b"\x00"))
    modulus = int.from_bytes(data[at_modulus : at_modulus + modulus_size].ljust(modulus_size, b"\x00"))
    exponent = data[at_exponent:at_modulus].ljust(exponent_size, b"\x00")
    computation.output = (power(base, exponent, modulus) if modulus else 0).to_bytes(modulus_size)
    return computation


def power(base: int, exponent: bytes, modulus: int) -> int:
    """Compute base ** exponent % modulus by pieces of the big-endian exponent; 0 ** 0 is 1."""
    result = 1 % modulus
    for start in range(0, len(exponent), _PIECE_BYTES):
        piece = exponent[start : start + _PIECE_BYTES]
        raised = pow(result, 1 << (8 * len(piece)), modulus) if start else result
        result = raised * pow(base, int.from_bytes(piece), modulus) % modulus
    return result
