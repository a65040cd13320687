"""Redis Cluster over redis-py's client, which follows moved slots and promoted replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import AskError, MovedError, RedisClusterException

from wallet_rpc.adapters.redis_master import RedisNode, ReplicaWait, read_mode, script_and_wait

_NODE_SHARE = 0.75
"""Maximum share of the deadline for one reply of a node; then the client looks for the slot's new master."""
_PROBES = 1 << 14
"""Maximum number of keys that are tried to find one in each master; a cluster has as many slots."""
_PORT = 6379


@dataclass(frozen=True, slots=True)
class Cluster:
    """Redis Cluster."""

    client: RedisCluster
    mode = "cluster"
    """Mode of a server that this client can use."""

    async def connect(self) -> None:
        """Read the slots before the first command: without them redis-py 8.1 sends it to a random node."""
        await self.client.initialize()

    async def read_mode(self) -> str:
        """Return the mode of the first known node that answers. Raises: RedisError when none does."""
        unanswered: Exception = RedisClusterException("no node is known")
        for node in list(self.client.nodes_manager.startup_nodes.values()):
            try:
                return await read_mode(node)
            except (exceptions.RedisError, OSError) as error:
                unanswered = error
        raise unanswered

    async def masters(self) -> Sequence[RedisNode]:
        """Return the masters, each of which serves some slots."""
        await self.connect()
        return self.client.get_primaries()

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master, of the keys that `key` makes from numbers."""
        masters = await self.masters()
        found: dict[str, str] = {}
        for number in range(_PROBES):
            name = key(number)
            found.setdefault(self._master_of(name).name, name)
            if len(found) == len(masters):
                break
        return list(found.values())

    async def run_and_wait(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements.

        Raises: MovedError, ConnectionError or TimeoutError, after the slots were read again; the call may be repeated.
        """
        commands = script_and_wait(script, keys, arguments, wait)
        await self.connect()
        node = self._master_of(keys[0])
        try:
            result, acknowledged = await _run_on_one_connection(node, commands)
        except MovedError as error:
            await self.client.nodes_manager.move_slot(error)
            raise
        except AskError as error:  # the slot is being moved, and this key is in the other node already
            target = self.client.get_node(error.host, error.port)
            if target is None:
                await self.client.nodes_manager.initialize()
                raise
            _, result, acknowledged = await _run_on_one_connection(target, [("ASKING",), *commands])
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            await self.client.nodes_manager.initialize(last_failed_node_name=node.name)
            raise
        return result, int(acknowledged)

    def _master_of(self, key: str) -> ClusterNode:
        return self.client.nodes_manager.get_node_from_slot(self.client.keyslot(key))

    async def close(self) -> None:
        """Close all connections, also those of a client that is about to read the slots again."""
        await self.client.aclose()
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.client.nodes_manager.aclose(nodes)


class _ClosedByOthers(AbstractConnection):
    """Connection that is safe to close while another request sends on it.

    After an error of one request, redis-py 8.1's cluster client closes the connections that others have just taken.
    Without this class they fail with AttributeError (`tests/contract/test_redis_cluster.py`).
    """

    async def disconnect(self, nowait: bool = False, *details: Any, **named: Any) -> None:
        """Close in one step, so that no other request sees a half-closed connection."""
        await super().disconnect(True, *details, **named)

    async def _send_packed_command(self, command: Any) -> None:
        if self._writer is None:
            raise exceptions.ConnectionError("the connection was closed")
        await super()._send_packed_command(command)


class _ClusterConnection(_ClosedByOthers, Connection):
    """Such a connection over TCP."""


class _ClusterTlsConnection(_ClosedByOthers, SSLConnection):
    """Such a connection over TLS."""


def build_cluster(
    addresses: Sequence[dict[str, Any]], options: dict[str, Any], *, deadline_seconds: float, connections: int
) -> Cluster:
    """Build the client of a cluster; it connects on first use.

    Raises: TypeError or RedisClusterException for an invalid option.
    """
    client = RedisCluster(
        startup_nodes=[ClusterNode(each["host"], each.get("port", _PORT)) for each in addresses],
        max_connections=2 * connections,  # for each node; the link bounds all, and closing ones count here
        retry=Retry(NoBackoff(), 0),  # the link repeats
        reinitialize_steps=0,  # a moved slot alone is learnt; else every fifth one closes all connections
        **{"socket_timeout": deadline_seconds * _NODE_SHARE} | options,
    )
    connection_class = _ClusterTlsConnection if options.get("ssl") else _ClusterConnection
    client.connection_kwargs["connection_class"] = connection_class
    for node in client.startup_nodes:
        node.connection_class = connection_class
    return Cluster(client)


async def _run_on_one_connection(node: ClusterNode, commands: Sequence[tuple[str | int | bytes, ...]]) -> list[Any]:
    """Run commands in order on one connection, and return the replies. Raises: the first error reply."""
    pipeline = [PipelineCommand(position, *command) for position, command in enumerate(commands)]
    await node.execute_pipeline(pipeline)
    for command in pipeline:
        if isinstance(command.result, Exception):
            raise command.result
    return [command.result for command in pipeline]
