"""The fault table: each row breaks one part in one way, at each step of prepare, send and watch in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.failures import Failure, behave, kill, kill_child, reorganize, restart_later, run_freely, stop
from tests.chaos.switch import Behaviour, Moment, Step
from tests.chaos.upgrade import ROUNDS as UPGRADE_ROUNDS
from tests.chaos.upgrade import replace_replica

_BUNDLER_METHODS = (
    "eth_estimateUserOperationGas",
    "eth_sendUserOperation",
    "eth_getUserOperationReceipt",
    "eth_getUserOperationByHash",
)
_NODE_METHODS = ("eth_call", "eth_getCode", "eth_getLogs")

BUNDLER_STEPS = tuple(Step("bundler", method, moment) for method in _BUNDLER_METHODS for moment in Moment)
NODE_STEPS = tuple(
    [Step("node", method, moment) for method in _NODE_METHODS for moment in Moment]
    + [Step("node", None, moment, number) for number in (4, 12, 24) for moment in Moment]
)
REDIS_STEPS = tuple(
    Step("redis", None, moment, number) for number in range(1, 33) for moment in (Moment.BEFORE, Moment.AFTER)
)
ALL_STEPS = BUNDLER_STEPS + REDIS_STEPS[::4] + NODE_STEPS[::3]
ACCEPTED_STEPS = tuple(Step("bundler", "eth_sendUserOperation", Moment.DONE, number) for number in range(1, 5))
"""The bundler has accepted an operation, and has not included it yet."""

SHORT, LONG, OUTAGE = (0.0, 0.3), (1.0, 3.0), (4.5, 6.0)
"""Durations of a failure in seconds, from and to; an outage is long enough to be noticed by `/ready`."""
FORGET_SECONDS = 80.0
"""Time in which a used nonce without a receipt must not become status 400: more than a minute."""


@dataclass(frozen=True)
class Load:
    """Payments of a round, and the copies of each that are sent at once."""

    by_owners: int = 4
    owner_copies: int = 2
    by_sessions: int = 2
    """Payments by new sessions, which their first call installs."""
    session_copies: int = 4


@dataclass(frozen=True)
class Row:
    """One way to break one part."""

    name: str
    stack: str
    failure: Failure
    steps: tuple[Step, ...]
    """The steps, taken in turn; without any, a failure begins at a random time."""
    seconds: tuple[float, float] = LONG
    rounds: int = 6
    times: int = 1
    """Failures in one round."""
    load: Load = Load()
    is_after_calls: bool = False
    """True: the failure begins when the calls of the round are final."""
    is_outage: bool = False
    """True: `/ready` and `/health` are probed while the part is broken."""
    watch_seconds: float = 0.0
    """Time in which all statuses are read again at the end."""

    @property
    def where(self) -> str:
        """The steps in words."""
        parts = sorted({step.part for step in self.steps})
        return f"{len(self.steps)} steps: {', '.join(parts)}" if parts else "any time"


_BROKEN = (Behaviour.CUT, Behaviour.FREEZE, Behaviour.ERROR_500, Behaviour.ERROR_503, Behaviour.GARBAGE, Behaviour.NULL)
"""Behaviours of a node or bundler that is down."""


def _outage(name: str, stack: str, failure: Failure, steps: tuple[Step, ...]) -> Row:
    return Row(name, stack, failure, steps, OUTAGE, rounds=2, is_outage=True)


def _proxied(stack: str, *, kill_rounds: int) -> Iterator[Row]:
    """Yield the rows of proxies and replicas, which both stacks have."""
    yield Row("server killed", stack, kill("server"), ALL_STEPS, SHORT, rounds=kill_rounds, times=3)
    yield Row("server frozen", stack, stop("server"), ALL_STEPS)
    yield Row("Redis killed", stack, kill("redis"), REDIS_STEPS, SHORT, rounds=kill_rounds, times=3)
    yield _outage("Redis frozen", stack, stop("redis"), REDIS_STEPS)
    yield _outage("Redis cut", stack, behave("redis", Behaviour.CUT), REDIS_STEPS)
    yield Row("Redis slow", stack, behave("redis", Behaviour.SLOW), REDIS_STEPS[:2], rounds=2)
    yield Row("Redis garbage", stack, behave("redis", Behaviour.GARBAGE), REDIS_STEPS)
    for behaviour in _BROKEN:
        yield _outage(f"bundler {behaviour}", stack, behave("bundler", behaviour), BUNDLER_STEPS)
        yield _outage(f"node {behaviour}", stack, behave("node", behaviour), NODE_STEPS)
    for behaviour in _BROKEN:
        yield Row(f"bundler {behaviour} once", stack, behave("bundler", behaviour), BUNDLER_STEPS, SHORT, rounds=6)
    for behaviour in (Behaviour.SLOW, Behaviour.WRONG_CHAIN, Behaviour.FORGET_PENDING):
        yield Row(f"bundler {behaviour}", stack, behave("bundler", behaviour), BUNDLER_STEPS, rounds=4)
    for behaviour in (Behaviour.SLOW, Behaviour.WRONG_CHAIN, Behaviour.STALE_NONCE, Behaviour.NO_LOGS):
        yield Row(f"node {behaviour}", stack, behave("node", behaviour), NODE_STEPS, rounds=4)


def _alto() -> Iterator[Row]:
    """Yield the rows that need a bundler with a mempool, or anvil.

    anvil keeps its chain in memory, so it is never killed: the embedded chain is instead.
    """
    yield Row("copies of a payload", "alto", run_freely(), (), rounds=15, load=Load(1, 6, 5, 6))
    yield Row("bundler killed", "alto", kill("bundler"), BUNDLER_STEPS, SHORT, rounds=20)
    yield Row("bundler killed with operations", "alto", kill("bundler"), ACCEPTED_STEPS, SHORT, rounds=20)
    yield _outage("bundler stopped", "alto", stop("bundler"), BUNDLER_STEPS)
    yield _outage("node stopped", "alto", stop("node"), NODE_STEPS)
    forget = behave("bundler", Behaviour.FORGET)
    seconds = (FORGET_SECONDS, FORGET_SECONDS)
    yield Row("bundler forgets", "alto", forget, ACCEPTED_STEPS, seconds, rounds=1)
    yield Row("bundler forgets final calls", "alto", forget, (), seconds, rounds=1, is_after_calls=True)
    yield Row("node reorganized", "alto", reorganize(1), BUNDLER_STEPS[2:], rounds=8, times=3)


def _embedded() -> Iterator[Row]:
    yield Row("chain killed", "embedded", kill("dev"), ALL_STEPS, SHORT, rounds=30, times=2)
    yield _outage("chain stopped", "embedded", stop("dev"), ALL_STEPS)


def _dev() -> Iterator[Row]:
    yield Row("dev killed", "dev", kill("dev"), (), SHORT, rounds=45, times=2)
    yield Row("dev's chain killed", "dev", kill_child("wallet_rpc.devchain.worker"), (), SHORT, rounds=45, times=3)
    yield Row("dev's Redis killed", "dev", kill_child("-server"), (), SHORT, rounds=45, times=3)


RESTARTED = Row(
    "bundler restarted, 2,100 blocks later",
    "alto",
    restart_later("bundler", blocks=2100),
    (),
    SHORT,
    rounds=1,
    is_after_calls=True,
    watch_seconds=FORGET_SECONDS,
)
"""The last row of its stack: the blocks move the chain's clock ahead."""
UPGRADE = Row(
    "rolling upgrade", "upgrade", replace_replica, ALL_STEPS, SHORT, rounds=UPGRADE_ROUNDS, load=Load(session_copies=1)
)
"""The earlier version refuses copies of a new session's payload, so each is sent by one client only."""
ROWS: tuple[Row, ...] = (
    *(*_alto(), *_proxied("alto", kill_rounds=35), RESTARTED, UPGRADE),
    *(*_embedded(), *_proxied("embedded", kill_rounds=60), *_dev()),
)
"""All rows; the rounds are those of `make chaos`."""
QUICK_ROUNDS = 2
"""Most rounds of each row with `--quick`, which leaves the upgrade out."""
