"""Redis Cluster over redis-py's client, which follows moved slots and promoted replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, MovedError, RedisClusterException

from wallet_rpc.adapters.redis_master import RedisNode, ReplicaWait, Script, read_mode, script_and_wait
from wallet_rpc.adapters.redis_pipeline import PipelinedServer

_T = TypeVar("_T")

_LOST = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.SlotNotCoveredError,
)
"""Errors after which the slots may have another master."""
_NODE_SHARE = 0.75
"""Share of the deadline in which a node must reply; then the client looks for the slot's new master."""
_PROBES = 1 << 14
"""Maximum number of keys that are tried to find one in each master; a cluster has as many slots."""
_PORT = 6379


class Cluster:
    """Redis Cluster."""

    mode = "cluster"
    """Mode of a server that this client can use."""

    def __init__(self, client: RedisCluster, *, silence_seconds: float) -> None:
        self.client = client
        self._silence_seconds = silence_seconds
        self._servers: dict[str, PipelinedServer] = {}
        """Shared connection to each node, by its name."""

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply on the shared connections."""
        return sum(server.waiting_commands for server in self._servers.values())

    async def connect(self) -> None:
        """Read the slots before the first command.

        `RedisCluster.initialize` would also read the commands of a master that may be dead, and fail then.
        """
        if not self.client.nodes_manager.slots_cache:
            await self.client.nodes_manager.initialize()

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
        return [self._server_of(node) for node in self.client.get_primaries()]

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master, of the keys that `key` makes from numbers."""
        await self.connect()
        masters = self.client.get_primaries()
        found: dict[str, str] = {}
        for number in range(_PROBES):
            name = key(number)
            found.setdefault(self._master_of(name).name, name)
            if len(found) == len(masters):
                break
        return list(found.values())

    async def execute(self, key: str, *command: str | int | bytes) -> Any:
        """Run one command on the master of its `key`. Raises: as `_on_master`."""

        async def request(node: ClusterNode, is_asking: bool) -> Any:
            server = self._server_of(node)
            return await (server.execute_asking(*command) if is_asking else server.execute_command(*command))

        return await self._on_master(key, request)

    async def run_and_wait(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements.

        Raises: as `_on_master`.
        """
        commands = script_and_wait(script, keys, arguments, wait)

        async def request(node: ClusterNode, is_asking: bool) -> list[Any]:
            return await _run_on_one_connection(node, [("ASKING",), *commands] if is_asking else commands)

        *_, result, acknowledged = await self._on_master(keys[0], request)
        return result, int(acknowledged)

    async def _on_master(self, key: str, request: Callable[[ClusterNode, bool], Awaitable[_T]]) -> _T:
        """Run a request on the master of `key`; its second argument is True while the slot moves to that node.

        Raises: MovedError, ConnectionError, TimeoutError or ClusterDownError, after the slots were read again; the call
        may be repeated.
        """
        await self.connect()
        failed = None
        try:
            node = self._master_of(key)
            failed = node.name
            return await request(node, False)
        except MovedError as error:
            await self.client.nodes_manager.move_slot(error)
            raise
        except AskError as error:  # the slot is being moved, and this key is in the other node already
            target = self.client.get_node(error.host, error.port)
            if target is None:
                await self.client.nodes_manager.initialize()
                raise
            return await request(target, True)
        except _LOST:
            await self.client.nodes_manager.initialize(last_failed_node_name=failed)
            raise

    def _server_of(self, node: ClusterNode) -> PipelinedServer:
        """Return the shared connection to a node; those to nodes that left the cluster are closed."""
        if node.name not in self._servers:
            for name in self._servers.keys() - self.client.nodes_manager.nodes_cache.keys():
                self._servers.pop(name).close()
            self._servers[node.name] = PipelinedServer(
                partial(node.connection_class, **node.connection_kwargs),
                self.client.response_callbacks,
                silence_seconds=self._silence_seconds,
            )
        return self._servers[node.name]

    def _master_of(self, key: str) -> ClusterNode:
        return self.client.nodes_manager.get_node_from_slot(self.client.keyslot(key))

    async def close(self) -> None:
        """Close all connections, also those of a client that is about to read the slots again."""
        for server in self._servers.values():
            server.close()
        await self.client.aclose()
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.client.nodes_manager.aclose(nodes)


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
    return Cluster(client, silence_seconds=deadline_seconds * _NODE_SHARE)


async def _run_on_one_connection(node: ClusterNode, commands: Sequence[tuple[str | int | bytes, ...]]) -> list[Any]:
    """Run commands in order on one connection, and return the replies. Raises: the first error reply."""
    pipeline = [PipelineCommand(position, *command) for position, command in enumerate(commands)]
    await node.execute_pipeline(pipeline)
    for command in pipeline:
        if isinstance(command.result, Exception):
            raise command.result
    return [command.result for command in pipeline]
