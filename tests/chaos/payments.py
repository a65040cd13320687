"""Payments to unique recipients: prepared, signed, sent in copies, and watched until their status is final."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.client import RETRY_SECONDS, Limit, NoAnswer, ReplicaClient, is_definite
from tests.support.constants import ROOT
from tests.support.rpc_client import RpcError
from tests.support.wallet import AsyncWallet, Grant, Json

FINAL = frozenset({200, 400, 500})
POLL_SECONDS = 0.25
MAX_PAYLOADS = 4
"""Payloads that are prepared for one payment: a client that is told to prepare again does so."""
_UNKNOWN_CALL = 5730


@dataclass(frozen=True)
class Observation:
    """A status as it was reported."""

    status: int
    block: int | None = None
    """Block of the receipt."""
    reason: str | None = None
    """Reason of the error, for 400, 115 and 500."""


@dataclass
class Payload:
    """A signed operation for a payment."""

    request: Json
    operation_hash: str
    ids: set[str] = field(default_factory=set)
    """Call ids that the server returned: the payload is acknowledged."""
    refusals: list[str] = field(default_factory=list)
    history: list[Observation] = field(default_factory=list)
    """Reported statuses in order, without repetitions."""
    pending: tuple[Any, ...] = ()
    """State, attempts and reason in the newest status."""

    @property
    def final(self) -> Observation | None:
        """The first final status."""
        return next((seen for seen in self.history if seen.status in FINAL), None)

    def record(self, seen: Observation) -> None:
        """Add a status unless it repeats the last one."""
        if not self.history or self.history[-1] != seen:
            self.history.append(seen)


@dataclass
class Payment:
    """One intended transfer of wei by an owner, or by a new session of theirs."""

    client: ReplicaClient
    wallet: AsyncWallet
    limit: Limit
    copies: int
    """The number of clients that send the same payload at once."""
    by_session: bool
    amount: int = field(default_factory=lambda: 1 + secrets.randbelow(10**6))
    recipient: str = field(default_factory=lambda: "0x" + secrets.token_hex(20))
    payloads: list[Payload] = field(default_factory=list)
    grant: Grant | None = None
    malformed: str = ""
    """The client's error for an answer of an unexpected form."""
    _preparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Make the payment as a client that follows each answer; return when its calls are final or at the limit."""
        try:
            if self.by_session:
                self.grant = await self._grant()
            await asyncio.gather(*(self._send() for _ in range(self.copies)))
        except NoAnswer:
            return  # the limit: the verdict finds what is missing
        await asyncio.gather(*(self._watch(payload) for payload in self.payloads if payload.ids))

    async def _grant(self) -> Grant:
        wallet = AsyncWallet(self.client, self.wallet.owner, self.wallet.chain_id, self.wallet.account)
        while not self.limit.is_over:
            try:
                return await wallet.grant(ROOT)
            except (RpcError, NoAnswer):
                await asyncio.sleep(RETRY_SECONDS)
        raise NoAnswer("limit")

    async def _send(self) -> None:
        """Send the payload until it has an id; prepare again if the answer says so."""
        for number in range(MAX_PAYLOADS):
            payload = await self._payload(number)
            if await self._deliver(payload):
                return

    async def _payload(self, number: int) -> Payload:
        """Return the payload with this number; the first copy that needs it prepares and signs it."""
        async with self._preparing:
            if number == len(self.payloads):
                self.payloads.append(await self._prepare())
            return self.payloads[number]

    async def _prepare(self) -> Payload:
        permissions = None if self.grant is None else self.grant.permissions
        capabilities: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
        call = {"to": self.recipient, "value": hex(self.amount)}
        request = self.wallet.build_calls(call, sponsored=False, **capabilities)
        prepared: Json = await self.client.persist(self.limit, "wallet_prepareCalls", request)
        signer = self.wallet.owner if self.grant is None else self.grant.key
        signed = self.wallet.sign(prepared, signer, permissions)
        return Payload(signed, str(prepared["signatureRequest"]["data"]["raw"]))

    async def _deliver(self, payload: Payload) -> bool:
        """Send until there is an id (True) or a definite refusal (False). Raises: NoAnswer at the limit."""
        while not self.limit.is_over:
            try:
                answer = await self.client.rpc("wallet_sendPreparedCalls", payload.request)
            except RpcError as error:
                if is_definite(error):
                    payload.refusals.append(str(error.reason))
                    return False
            except NoAnswer:
                pass
            else:
                payload.ids.add(str(answer["id"]))
                return True
            await asyncio.sleep(RETRY_SECONDS)
        raise NoAnswer("limit")

    async def _watch(self, payload: Payload) -> None:
        while payload.final is None and not self.limit.is_over:
            await self.observe(payload)
            await asyncio.sleep(POLL_SECONDS)

    async def observe(self, payload: Payload) -> bool:
        """Read and record the status of an acknowledged payload; return False if there was no answer."""
        try:
            answer = await self.client.rpc("wallet_getCallsStatus", next(iter(payload.ids)))
        except RpcError as error:
            if error.code == _UNKNOWN_CALL:
                payload.record(Observation(_UNKNOWN_CALL))
            return error.code == _UNKNOWN_CALL
        except NoAnswer:
            return False
        receipts = answer.get("receipts") or [{}]
        block = receipts[0].get("blockNumber")
        data = answer["details"].get("data", {})
        reason = data.get("error", {}).get("data", {}).get("reason")
        payload.pending = (data.get("state"), data.get("attempts"), data.get("pendingReason"))
        payload.record(Observation(answer["status"], None if block is None else int(block, 16), reason))
        return True

    async def watch_final(self, limit: Limit) -> None:
        """Read the statuses again and again, although they are final."""
        while not limit.is_over:
            for payload in self.payloads:
                if payload.ids:
                    await self.observe(payload)
            await asyncio.sleep(POLL_SECONDS)

    async def recheck(self, deadline: float) -> None:
        """Read every acknowledged status once more, after all failures have ended."""
        for payload in self.payloads:
            while payload.ids and not await self.observe(payload):
                if time.monotonic() > deadline:
                    return
                await asyncio.sleep(RETRY_SECONDS)
