"""Rows without a bundler: the trivial method, creation of sessions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from tests.bench.load import Rate, send_all
from tests.bench.parts import Parts, post
from tests.bench.processes import Served
from tests.bench.requests import encode_request, session_request, session_requests
from tests.bench.rows import Row, Subject
from tests.support.constants import ROOT

_CONNECTIONS = 16
_CHAIN_ID = encode_request("eth_chainId")
_BLOCK_NUMBER = encode_request("eth_blockNumber")
_UNKNOWN = encode_request("wallet_unknownMethod")


def repeat(
    name: str,
    served: Served,
    bodies: Sequence[bytes],
    count: int,
    *,
    connections: int = _CONNECTIONS,
    expected: bytes = b'"result":',
) -> Subject:
    """Build a subject that gets the bodies in turn, `count` in a round."""

    async def run(part: float) -> Rate:
        chosen = [bodies[index % len(bodies)] for index in range(max(connections, int(count * part)))]
        return await send_all(served.url, chosen, connections=connections, expected=expected)

    return Subject(name, served, run)


async def _unknown_method(parts: Parts) -> list[Subject]:
    ours = repeat("wallet-rpc", await parts.dev(), [_UNKNOWN], 8_000, expected=b"-32601")
    return [ours, repeat("echo", await parts.echo(), [_UNKNOWN], 30_000, expected=_UNKNOWN)]


async def _unknown_method_in_python(parts: Parts) -> list[Subject]:
    ours = repeat("wallet-rpc", await parts.dev(), [_UNKNOWN], 8_000, expected=b"-32601")
    return [ours, repeat("python", await parts.python_server(), [_UNKNOWN], 8_000, expected=b"-32601")]


async def _chain_id(parts: Parts) -> list[Subject]:
    ours = repeat("wallet-rpc", await parts.dev(), [_CHAIN_ID], 4_000)
    return [ours, repeat("echo", await parts.echo(), [_CHAIN_ID], 30_000, expected=_CHAIN_ID)]


async def _node_method(parts: Parts) -> list[Subject]:
    ours = repeat("wallet-rpc", await parts.serve(), [_BLOCK_NUMBER], 2_000)
    return [ours, repeat("anvil", parts.anvil(), [_BLOCK_NUMBER], 10_000)]


def _create(name: str, served: Served, path: str, permissions: str, count: int) -> Subject:
    """Build a subject that creates sessions with permissions of this name."""

    async def run(part: float) -> Rate:
        bodies = session_requests(permissions, int(count * part))
        return await send_all(served.url + path, bodies, connections=_CONNECTIONS)

    return Subject(name, served, run)


async def _session_subjects(
    parts: Parts, *, with_key: bool = False, on_anvil: bool = False, in_python: bool = False
) -> list[Subject]:
    """Compare both servers' responses to one request, in lower case as the other writes no address checksum.

    Return both; `with_key` makes the node server authenticate and write an audit entry too.
    """
    ours = await parts.serve() if on_anvil else await parts.dev()
    name, other = ("python", await parts.python_server()) if in_python else ("node", await parts.node_server())
    body = session_request([ROOT])
    first, second = [json.loads((await post(server.url, body)).lower()) for server in (ours, other)]
    for answer in (first, second):
        answer["result"].pop("sessionid")
        answer["result"].pop("warnings", None)  # the other server does not review grants
    if first != second:
        raise RuntimeError(f"the {name} server does not answer as wallet-rpc does: {first} {second}")
    path = f"/v2/{parts.api_key}"
    return [
        _create("wallet-rpc", ours, path, "root", 2_500),
        _create(name, other, path if with_key else "", "root", 3_000 if in_python else 6_000),
    ]


async def _five_permissions(parts: Parts) -> list[Subject]:
    ours = await parts.dev()
    path = f"/v2/{parts.api_key}"
    return [
        _create("wallet-rpc", ours, path, "five permissions", 2_500),
        _create("wallet-rpc, root", ours, path, "root", 2_500),
    ]


LIGHT_ROWS = (
    Row(
        key="unknown-method",
        work="trivial method: an unknown one",
        subjects=_unknown_method,
        target=0.6,
        quick=True,
    ),
    Row(
        key="unknown-method-python",
        work="trivial method: an unknown one",
        subjects=_unknown_method_in_python,
    ),
    Row(
        key="chain-id",
        work="trivial method: `eth_chainId`",
        subjects=_chain_id,
        target=0.6,
    ),
    Row(
        key="node-method",
        work="`eth_blockNumber` through `serve`, and of anvil itself",
        subjects=_node_method,
    ),
    Row(
        key="create-session",
        work="`wallet_createSession`, root",
        subjects=_session_subjects,
        target=0.6,
        quick=True,
    ),
    Row(
        key="create-session-python",
        work="`wallet_createSession`, root",
        subjects=partial(_session_subjects, in_python=True),
    ),
    Row(
        key="create-session-audited",
        work="`wallet_createSession`, root; the node server also authenticates and writes the audit entry",
        subjects=partial(_session_subjects, with_key=True),
        target=1.0,
    ),
    Row(
        key="create-session-serve",
        work="`wallet_createSession`, root, on `serve`, which reads the account's code from anvil",
        subjects=partial(_session_subjects, with_key=True, on_anvil=True),
    ),
    Row(
        key="five-permissions",
        work="`wallet_createSession`, five permissions",
        subjects=_five_permissions,
        target=0.8,
        quick=True,
    ),
)
