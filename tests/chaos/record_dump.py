"""Dump of every kind of record that the old version writes: `python -m tests.chaos.record_dump FILE`.

Real traffic goes through two old replicas in front of anvil and Alto. Each line is one key: its name, its type and its
content, without its time to live.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from tests.chaos.old_version import OldVersion, check_out
from tests.chaos.parts import Part
from tests.chaos.stacks import CHAIN, Stack, open_alto_stack
from tests.chaos.switch import Behaviour
from tests.e2e.delegating import External
from tests.stack.parts import RELAYER, private_key
from tests.stack.paymaster import paymaster_service
from tests.stack.running import serve_app
from tests.support.calls import transfer
from tests.support.constants import FRIEND, ROOT
from tests.support.policies import write_policies
from tests.support.registration import build_registration
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

_POLICY = "56a83220-0000-4000-8000-000000000000"
_TOKENS = "/v1/sessions"


@dataclass
class Traffic:
    """Requests that make the old replicas write each kind of record."""

    stack: Stack
    old: OldVersion
    redis: str

    def run(self) -> None:
        """Make every request; the last one ends a replica in the middle of a send."""
        organization = self._cli("org", "create", "of the dump")["orgId"]
        kept = self._cli("key", "create", "--org", organization, "--monthly", "10000")
        revoked = self._cli("key", "create", "--org", organization)
        self._cli("key", "revoke", revoked["keyId"])
        url = self.stack.urls[1]
        with httpx2.Client(timeout=30) as http:
            anonymous = Client(url, self.stack.node, http=http)
            of_organization = Client(f"{url}/v2/{kept['key']}", self.stack.node, http=http)
            for client in (anonymous, of_organization):
                self._calls(client)
            self._rest(of_organization, organization, kept["key"])
            self._interrupt_send(http)

    def _cli(self, *arguments: str) -> dict[str, Any]:
        variables = self.old.variables(self.stack.folder, REDIS_URL=self.redis)
        command = self.old.command(*arguments[:2], "--json", *arguments[2:])
        done = subprocess.run(  # noqa: S603  # the old version of this project
            command, env=variables, cwd=self.old.checkout, capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _calls(self, client: Client) -> None:
        """Make sent, refused, sponsored, session and delegation calls."""
        wallet = Wallet(client).fund(tokens=0)
        call = {"to": FRIEND, "value": "0x1"}
        assert wallet.act(None, call, sponsored=False)["status"] == 200
        assert wallet.act(wallet.grant(ROOT), call, sponsored=False)["status"] == 200
        wallet.create_session(ROOT)
        stale = wallet.prepare({"to": FRIEND, "value": "0x2"}, sponsored=False)
        assert wallet.act(None, call, sponsored=False)["status"] == 200
        with pytest.raises(RpcError, match="used up"):
            wallet.send(stale, wallet.owner)
        service = {"policyId": _POLICY}
        assert wallet.act(None, transfer(0), paymasterService=service)["status"] == 200
        wallet.prepare(call, paymasterService=service)  # a reservation that stays open
        external = External(client).fund(tokens=0)
        assert external.delegate(call, sponsored=False)["status"] == 200
        removed = external.submit(external.sign_authorization(external.prepare_removal()))
        assert external.wait_until_final(removed)["status"] == 200

    def _rest(self, client: Client, organization: str, key: str) -> None:
        """Register a group of sessions, revoke one of two, and issue two tokens, of which one is revoked."""
        sessions = f"{self.stack.urls[1]}/v1/organizations/{organization}/sessions"
        request = partial(httpx2.request, headers={"x-api-key": key}, timeout=30)
        wallet = Wallet(client).fund(tokens=0)
        groups = []
        for _ in range(2):
            grant = wallet.grant(ROOT)
            body = build_registration(wallet.account_id, grant.key, [grant])
            answer = request("POST", sessions, json=body)
            assert answer.status_code < 300, answer.text
            groups.append(grant)
        answer = request("DELETE", f"{sessions}/{groups[0].session_id}")
        assert answer.status_code < 300, answer.text
        tokens = self.stack.urls[1] + _TOKENS
        for is_revoked in (False, True):
            answer = request("POST", tokens, json={"walletAddress": wallet.account, "ttlSeconds": 3600})
            assert answer.status_code < 300, answer.text
            token = answer.json()["token"]
            bearer = {"authorization": f"Bearer {token}"}
            body = {"jsonrpc": "2.0", "id": 1, "method": "wallet_getCapabilities", "params": [wallet.account]}
            httpx2.post(self.stack.urls[1], json=body, headers=bearer)
            if is_revoked:
                claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
                answer = request("DELETE", f"{tokens}/{claims['jti']}")
                assert answer.status_code < 300, answer.text

    def _interrupt_send(self, http: httpx2.Client) -> None:
        """Send a call that the bundler does not answer, and kill the replica: the record stays `sending`."""
        wallet = Wallet(Client(self.stack.urls[0], self.stack.node, http=http)).fund(tokens=0)
        request = wallet.sign(wallet.prepare({"to": FRIEND, "value": "0x1"}, sponsored=False), wallet.owner)
        self.stack.switches["bundler"].set(Behaviour.FREEZE)
        body = {"jsonrpc": "2.0", "id": 1, "method": "wallet_sendPreparedCalls", "params": [request]}

        def send() -> None:
            try:
                httpx2.post(self.stack.urls[0], json=body, timeout=10)
            except httpx2.HTTPError:
                return

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(1)
        self.stack.parts["server-1"].kill()
        sender.join()


async def dump(file: Path) -> None:
    """Run the traffic and write every key."""
    old = await asyncio.to_thread(check_out)
    with TemporaryDirectory(prefix="records-") as name:
        folder = Path(name)
        policies = write_policies(folder, {"id": _POLICY, "limits": {"total_operations": 100}})
        extra = {
            "POLICIES": str(policies),
            "RELAYER_KEY": private_key(RELAYER),
            "TOKEN_SECRETS": secrets.token_hex(32),
        }
        async with serve_app(paymaster_service(CHAIN)) as sponsor:

            def replica(name: str, *arguments: str, port: int, folder: Path, **settings: str) -> Part:
                chains = Path(settings["CHAINS"])
                chains.write_text(f'{chains.read_text()}paymaster = "{sponsor}/{CHAIN}"\n')
                return old.part(name, *arguments, port=port, folder=folder, **(settings | extra))

            async with open_alto_stack(folder, wallet=replica) as stack:
                redis = stack.proxies["redis"].url
                await asyncio.to_thread(Traffic(stack, old, redis).run)
                await _write_keys(redis, file)


async def _write_keys(url: str, file: Path) -> None:
    lines = []
    redis: Any  # its methods are typed for text and bytes at once
    async with Redis.from_url(url) as redis:
        for key in sorted(await redis.keys("*")):
            kind = (await redis.type(key)).decode()
            line = {"key": key.decode(), "type": kind, "value": await _read(redis, key, kind)}
            lines.append(json.dumps(line, separators=(",", ":")) + "\n")
    await asyncio.to_thread(file.write_text, "".join(lines))


async def _read(redis: Any, key: bytes, kind: str) -> Any:
    """Return a key's content as JSON; bytes become Latin-1 text, so that every byte is kept."""
    match kind:
        case "string":
            return _text(await redis.get(key))
        case "hash":
            return {_text(name): _text(value) for name, value in sorted((await redis.hgetall(key)).items())}
        case "list":
            return [_text(one) for one in await redis.lrange(key, 0, -1)]
        case "set":
            return sorted(_text(one) for one in await redis.smembers(key))
        case "zset":
            return [[_text(one), score] for one, score in await redis.zrange(key, 0, -1, withscores=True)]
    raise ValueError(f"{key!r} is a {kind}")


def _text(value: bytes) -> str:
    return value.decode("latin-1")


if __name__ == "__main__":
    asyncio.run(dump(Path(sys.argv[1])))
