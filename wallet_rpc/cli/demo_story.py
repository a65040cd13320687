"""The participants of the demo, and the steps that several of its parts need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from wallet_rpc.cli.demo_assets import Asset
from wallet_rpc.cli.demo_client import say
from wallet_rpc.cli.demo_funds import Payer
from wallet_rpc.client import AsyncWalletClient, Grant, Owner, sign_calls, sign_digest
from wallet_rpc.client.exchange import JsonObject
from wallet_rpc.client.types import CallsStatus, PreparedUserOperation
from wallet_rpc.domain.describe import describe_expiry, describe_permission
from wallet_rpc.domain.permission import Permission
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.wire import decode

_INCLUDED_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The participants of the demo."""

    client: AsyncWalletClient
    owner: Owner
    key: LocalAccount
    asset: Asset
    payer: Payer
    policy: str | None

    @property
    def account(self) -> Address:
        """The owner's account."""
        return self.owner.account

    @property
    def sponsorship(self) -> dict[str, Any]:
        """The capability that names the payer of the gas; none if the account pays."""
        return {} if self.policy is None else {"paymasterService": {"policyId": self.policy}}

    async def estimate(self, *calls: JsonObject) -> int:
        """Return the maximum cost of the owner's calls in wei, if the account pays."""
        request = {
            "from": self.account.hex0x(),
            "chainId": hex(self.owner.chain_id),
            "calls": calls,
            "capabilities": {"paymasterService": {"onlyEstimation": True}},
        }
        prepared = await self.client.request("wallet_prepareCalls", request)
        return int(prepared["feePayment"]["maxAmount"], 16)

    async def send(self, signer: Owner | Grant, *calls: JsonObject) -> CallsStatus:
        """Send calls of the owner or of the session key, and await their final status."""
        call_id = await self.client.send(signer, *calls, capabilities=self.sponsorship)
        return await self.client.wait(call_id, seconds=_INCLUDED_SECONDS)

    async def sign_and_send(self, prepared: Any) -> CallsStatus:
        """Sign an operation that the server prepared for the owner, and await its final status."""
        request = sign_calls(self.owner, decode(PreparedUserOperation, prepared))
        sent = await self.client.send_prepared_calls(request)
        return await self.client.wait(sent.id, seconds=_INCLUDED_SECONDS)

    def sign(self, payload: str) -> str:
        """Sign a digest with the owner's key, and return the signature as hex."""
        return sign_digest(self.owner.key, Hash32.parse(payload)).hex0x()


async def grant_session(story: Story, title: str, *, rules: Sequence[JsonObject] = ()) -> Grant:
    """Create a session for the session key, sign its grant with the owner's key, and print the grant."""
    permissions: Sequence[Permission] = decode(list[Permission], story.asset.permissions())
    grant = await story.client.grant(story.owner, story.key, *permissions, rules=rules)
    say(f"\n{title}")
    for permission in permissions:
        say(f"   - {describe_permission(permission)},")
    say(f"   {describe_expiry(grant.expires_at)}.")
    for warning in grant.warnings:
        say(f"   The server warns: {warning.message}.")
    return grant
