"""The command line: `wallet-rpc dev`, `serve`, `org`, `key`, `audit`, `demo`, `paymaster`, `contracts` and so on."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from wallet_rpc import __version__
from wallet_rpc.cli import (
    access_options,
    contracts_options,
    option_types,
    paymaster_options,
    recording_options,
    session_options,
    trial_options,
)
from wallet_rpc.config import settings
from wallet_rpc.domain.secret_text import HIDDEN, mask_credentials
from wallet_rpc.primitives import Data, Hash32


class _Parser(argparse.ArgumentParser):
    """An argument parser whose error messages mask credentials."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        super().error(mask_credentials(message))


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="wallet-rpc", description="The open, self-hosted Wallet API: smart accounts and session keys."
    )
    parser.add_argument("--version", action="version", version=f"wallet-rpc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_server_commands(commands)
    trial_options.add_trial_commands(commands)
    recording_options.add_recording_commands(commands)
    sign = commands.add_parser("sign", help="sign a rawPayload as a wallet would, for experiments")
    sign.add_argument("digest", help="32 bytes to sign: 0x and 64 hex digits")
    sign.add_argument("--key", required=True, help="private key; never use one that controls real funds")
    commands.add_parser("openrpc", help="print openrpc.yaml")
    access_options.add_access_commands(commands)
    access_options.add_incidents_command(commands)
    session_options.add_session_commands(commands)
    access_options.add_webhook_command(commands)
    paymaster_options.add_paymaster_command(commands)
    contracts_options.add_contracts_command(commands)
    return parser


def _add_server_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that run a server."""
    dev = commands.add_parser("dev", help="run a server with an embedded chain, bundler, paymaster and Redis")
    dev.add_argument(
        "--chain",
        type=paymaster_options.parse_chain_id,
        action="append",
        metavar="ID",
        help="id of an embedded chain; may be repeated",
    )
    dev.add_argument("--ephemeral", action="store_true", help="store nothing on disk: chains and Redis start empty")
    dev.add_argument("--fork-url", metavar="URL", help="node to read accounts from that the embedded chain lacks")
    dev.add_argument(
        "--token",
        type=option_types.parse_token_price,
        action="append",
        metavar="ADDRESS=WEI_PER_UNIT",
        help="accept this ERC-20 for gas, at this price in wei for its smallest unit; may be repeated",
    )
    dev.add_argument(
        "--confirmations",
        type=option_types.parse_confirmations,
        default=1,
        metavar="BLOCKS",
        help="number of blocks that make a call final, its own included (default 1)",
    )
    dev.add_argument("--deployments", type=Path, metavar="FILE", help="deployment records with contracts to install")
    dev.add_argument(
        "--seed",
        type=option_types.parse_seed,
        metavar="N",
        help="derive ids, keys and times from N, so that every run is the same; implies --ephemeral",
    )
    dev.add_argument("--exit-with-parent", action="store_true", help="end when the process that started this one ends")
    dev.add_argument("--exit-with", type=option_types.parse_process_id, metavar="PID", help="end with this process")
    serve = commands.add_parser("serve", help="run a server in front of your nodes, bundlers and Redis")
    dev.add_argument("--workers", help=argparse.SUPPRESS)  # rejected with the reason
    serve.add_argument("--seed", help=argparse.SUPPRESS)  # rejected with the reason
    serve.add_argument("--workers", help=f"number of processes, for more cores ({settings.variable('workers')})")
    for command in (dev, serve):
        command.add_argument("--host", help=f"address to listen on ({settings.variable('host')})")
        command.add_argument("--port", help=f"port to listen on ({settings.variable('port')})")
        command.add_argument(
            "--ready-file",
            type=Path,
            metavar="FILE",
            help="file to write when ready, removed at the end: JSON with the URL",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 for success."""
    parent = os.getppid()  # read before the imports that follow, in which the parent may end
    options = _parse_options(arguments)
    environ = dict(os.environ)
    for name in ("host", "port", "workers"):
        value = getattr(options, name, None)
        if value is not None:
            environ[settings.variable(name)] = value
    try:
        if options.command == "doctor":  # it reports an invalid setting as a finding
            from wallet_rpc.cli.doctor import run_doctor_command

            return run_doctor_command(environ, as_json=options.json, print_line=_print_line)
        loaded = settings.load(environ)
        if options.command == "serve":  # it forks, if at all, before it runs an event loop
            from wallet_rpc.cli.serve import run_serve_command

            return run_serve_command(loaded, ready_file=options.ready_file, print_line=_print_line, seed=options.seed)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(options, loaded, parent=parent))
    except settings.SettingError as error:
        print(f"wallet-rpc: {mask_credentials(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line. The error for an unknown argument shows only the name of an option, never its value."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = (each.partition("=")[0] if each.startswith("--") else HIDDEN for each in unknown)
        parser.error(f"unrecognized arguments: {' '.join(names)}")
    return options


async def _run(options: argparse.Namespace, loaded: settings.Settings, *, parent: int) -> int:
    """Run the command, importing only the modules that it needs, so that it starts fast."""
    status = 0
    match options.command:
        case "openrpc":
            from wallet_rpc.edge.api_documents import openrpc_yaml

            sys.stdout.write(openrpc_yaml())
        case "sign":
            print(_sign(options.digest, options.key))
        case "demo":
            from wallet_rpc.cli.demo import DemoOptions, play

            demo = DemoOptions(url=options.url, key=options.key, funder=options.funder, policy=options.policy)
            return await _run_until_sigterm(play(demo, loaded))
        case "paymaster":
            from wallet_rpc.cli.paymaster import run_paymaster_command

            return await run_paymaster_command(options, loaded, print_line=_print_line)
        case "contracts":
            from wallet_rpc.cli.contracts import run_contracts_command

            return await run_contracts_command(options, loaded, print_line=_print_line)
        case "record" | "replay":
            from wallet_rpc.cli.recording import run_record_command, run_replay_command

            run = run_record_command if options.command == "record" else run_replay_command
            status = await _run_until_sigterm(run(options, loaded, parent=parent, print_line=_print_line))
        case "org" | "key" | "audit" | "incidents" | "webhook":
            from wallet_rpc.cli.access import run_access_command

            return await _run_until_sigterm(run_access_command(options, loaded, print_line=_print_line))
        case "session" | "stop":
            from wallet_rpc.cli import session, session_explain, session_stops
            from wallet_rpc.cli.access import run_access_command

            actions = {
                **session.SESSION_ACTIONS,
                **session_explain.EXPLAIN_ACTIONS,
                **session_stops.SESSION_STOP_ACTIONS,
            }
            command = run_access_command(options, loaded, print_line=_print_line, actions=actions)
            return await _run_until_sigterm(command)
        case _:
            with suppress(asyncio.CancelledError):  # a signal during the imports ends the server as any later one does
                await _run_until_sigterm(_run_dev(options, loaded, parent=parent))
    return status


async def _run_dev(options: argparse.Namespace, loaded: settings.Settings, *, parent: int) -> int:
    """Run the development server."""
    from wallet_rpc.devchain.process import spawn_workers

    async with spawn_workers(len({*(options.chain or [None])})) as workers:  # first, since both import for long
        from wallet_rpc.cli.dev import run_dev_command

        await run_dev_command(loaded, options, parent=parent, workers=workers, print_line=_print_line)
    return 0


async def _run_until_sigterm(command: Coroutine[Any, Any, int]) -> int:
    """Run a command that SIGTERM cancels as Ctrl-C does, so that it stops a server that it started."""
    task = asyncio.ensure_future(command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _print_line(text: str) -> None:
    """Print without buffering; a closed pipe is no reason to stop."""
    with suppress(OSError):
        print(text, flush=True)


def _sign(digest: str, key: str) -> str:
    """Sign a signature request's `rawPayload` as a wallet does."""
    from eth_account import Account

    try:
        signed = Account.unsafe_sign_hash(Hash32.parse(digest), Hash32.parse(key))
    except (ValueError, TypeError):
        raise settings.SettingError("sign: expected a 32-byte digest and --key with a 32-byte private key") from None
    return Data(signed.signature).hex0x()


if __name__ == "__main__":
    sys.exit(main())
