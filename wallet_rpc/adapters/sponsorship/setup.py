"""Construction of the chains' policy paymasters from the operator's policy file and key.

Configured policies are always enforced; a configuration in which they would have no effect stops the start.
"""

from __future__ import annotations

from pathlib import Path

from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.sponsorship.backing import Backing, KeyBacking, ServiceBacking
from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader
from wallet_rpc.adapters.sponsorship.paymaster import PolicyPaymaster, Sponsor
from wallet_rpc.adapters.sponsorship.redis_budgets import RedisBudgets
from wallet_rpc.adapters.transactions import signer_of
from wallet_rpc.domain import abi
from wallet_rpc.domain.policy_file import PolicyFileError, read_policies
from wallet_rpc.errors import ExecutionReverted, Unavailable
from wallet_rpc.ports import Clock, Node, Paymaster
from wallet_rpc.primitives import Address, ChainId

_SIGNER = abi.selector_of("signer()")


def read_sponsor(path: Path, *, key: bytes | None, budgets: RedisBudgets, clock: Clock, http: PostClient) -> Sponsor:
    """Read the policies of a file. Raises: PolicyFileError with the path of the file."""
    try:
        policies = read_policies(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyFileError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PolicyFileError(f"{path}: expected UTF-8 text") from None
    except PolicyFileError as error:
        raise PolicyFileError(f"{path}: {error}") from None
    return Sponsor(
        policies={policy.id: policy for policy in policies}, budgets=budgets, key=key, clock=clock, http=http
    )


def build_policy_paymaster(
    sponsor: Sponsor,
    outcomes: OutcomeReader,
    *,
    chain: Node,
    chain_id: ChainId,
    address: Address | None,
    service: Paymaster | None,
) -> Paymaster | None:
    """Build a chain's paymaster, backed by the contract at `address`, else by `service`; None if neither is given."""
    backing: Backing
    if address is not None and sponsor.key is not None:
        backing = KeyBacking(chain_id=chain_id, address=address, key=sponsor.key)
    elif service is not None:
        backing = ServiceBacking(service=service, outcomes=outcomes)
    else:
        return None
    return PolicyPaymaster(sponsor, outcomes, chain=chain, chain_id=chain_id, backing=backing, fallback=service)


async def check_signer(chain: Node, paymaster: Address, key: bytes) -> None:
    """Check a paymaster contract.

    Raises: Unavailable when there is no VerifyingPaymaster at the address, or its signer has another key.
    """
    try:
        word = await chain.call(paymaster, _SIGNER)
    except ExecutionReverted:
        word = b""
    if len(word) != 32:
        raise Unavailable(f"no VerifyingPaymaster at {paymaster}: deploy one with `wallet-rpc paymaster deploy`")
    signer = Address(word[12:])
    expected = signer_of(key)
    if signer != expected:
        raise Unavailable(
            f"the VerifyingPaymaster at {paymaster} has signer {signer}, expected {expected}, the address of the "
            "configured key"
        )
