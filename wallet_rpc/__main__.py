"""The command line: `wallet-rpc dev`, `serve`, `org`, `key`, `audit`, `demo`, `sign`, `paymaster` and so on."""

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
from wallet_rpc.cli import access_options, option_types, paymaster_options
from wallet_rpc.config import settings
from wallet_rpc.domain.secret_text import HIDDEN, mask_credentials
from wallet_rpc.primitives import Data, Hash32


class _Parser(argparse.ArgumentParser):
    """A parser whose errors repeat no credential."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        super().error(mask_credentials(message))


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="wallet-rpc", description="The open, self-hosted Wallet API: smart accounts and session keys."
    )
    parser.add_argument("--version", action="version", version=f"wallet-rpc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    dev = commands.add_parser("dev", help="a server with its own chain, bundler, paymaster and Redis, on this machine")
    dev.add_argument(
        "--chain",
        type=paymaster_options.parse_chain_id,
        action="append",
        metavar="ID",
        help="chain id to embed; may be repeated",
    )
    dev.add_argument(
        "--ephemeral", action="store_true", help="keep nothing: chains and Redis start empty and leave nothing"
    )
    dev.add_argument("--fork-url", metavar="URL", help="read accounts that the chain does not have from this node")
    dev.add_argument(
        "--token",
        type=option_types.parse_token_price,
        action="append",
        metavar="ADDRESS=WEI_PER_UNIT",
        help="take gas in this ERC-20 too, at so many wei for its smallest unit; may be repeated",
    )
    dev.add_argument("--deployments", type=Path, metavar="FILE", help="take contracts from these deployment records")
    serve = commands.add_parser("serve", help="a server in front of your nodes, bundlers and Redis")
    for command in (dev, serve):
        command.add_argument("--host", help=f"address to listen on ({settings.variable('host')})")
        command.add_argument("--port", help=f"port to listen on ({settings.variable('port')})")
    demo = commands.add_parser("demo", help="play the whole story: account, grant, allowed and denied calls")
    demo.add_argument("--url", help="the server to play against (default: a running one, else a fresh one)")
    demo.add_argument("--key", help="an API key, where the server asks for one")
    sign = commands.add_parser("sign", help="sign a rawPayload as a wallet would; for trying things out")
    sign.add_argument("digest", help="the 32 bytes to sign, 0x and 64 hex digits")
    sign.add_argument("--key", required=True, help="the private key; never use one that guards money here")
    commands.add_parser("openrpc", help="print openrpc.yaml")
    access_options.add_access_commands(commands)
    paymaster_options.add_paymaster_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it did what it was asked."""
    options = _parse_options(arguments)
    environ = dict(os.environ)
    for name in ("host", "port"):
        given = getattr(options, name, None)
        if given is not None:
            environ[settings.variable(name)] = given
    try:
        chosen = settings.load(environ)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(options, chosen))
    except settings.SettingError as wrong:
        print(f"wallet-rpc: {mask_credentials(str(wrong))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says. Of an argument that nobody knows only an option's name is repeated."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = (each.partition("=")[0] if each.startswith("--") else HIDDEN for each in unknown)
        parser.error(f"unrecognized arguments: {' '.join(names)}")
    return options


async def _run(options: argparse.Namespace, chosen: settings.Settings) -> int:
    """Import what the command needs, and no more: `openrpc` needs no chain, `dev` starts fast."""
    match options.command:
        case "openrpc":
            from wallet_rpc.edge.api_documents import openrpc_yaml

            sys.stdout.write(openrpc_yaml())
        case "sign":
            print(_sign(options.digest, options.key))
        case "demo":
            from wallet_rpc.cli.demo import play

            return await _run_until_sigterm(play(options.url, chosen, key=options.key))
        case "paymaster":
            from wallet_rpc.cli.paymaster import run_paymaster_command

            return await run_paymaster_command(options, chosen, tell=_say)
        case "org" | "key" | "audit":
            from wallet_rpc.cli.access import run_access_command as administer

            return await _run_until_sigterm(administer(options, chosen, tell=_say))
        case "dev":
            await _dev(chosen, options)
        case _:
            await _serve(chosen)
    return 0


async def _run_until_sigterm(command: Coroutine[Any, Any, int]) -> int:
    """Cancel on SIGTERM as on Ctrl-C, so that a server of its own is put away."""
    task = asyncio.ensure_future(command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _dev(chosen: settings.Settings, options: argparse.Namespace) -> None:
    from wallet_rpc.dev_server import DEFAULT_CHAIN, DevOptions, choose_dev_key, format_greeting, open_dev_server
    from wallet_rpc.edge import observe
    from wallet_rpc.edge.connections import raise_open_file_limit
    from wallet_rpc.edge.listener import bind_socket, listener_url, serve_until_signal

    observe.configure(json=chosen.log == "json")
    raise_open_file_limit()
    wanted = DevOptions(
        chains=tuple(dict.fromkeys(options.chain or [DEFAULT_CHAIN])),
        ephemeral=options.ephemeral,
        fork_url=options.fork_url,
        deployments=options.deployments,
        token_rates=dict(options.token or ()),
        key=choose_dev_key(chosen),
    )
    with bind_socket(chosen) as at:
        opening = open_dev_server(chosen, wanted, tell=_say)
        await serve_until_signal(opening, at, on_ready=lambda: _say(format_greeting(chosen, wanted, listener_url(at))))


async def _serve(chosen: settings.Settings) -> None:
    from wallet_rpc.edge import observe
    from wallet_rpc.edge.connections import raise_open_file_limit
    from wallet_rpc.edge.listener import bind_socket, listener_url, serve_until_signal
    from wallet_rpc.server import open_server

    observe.configure(json=chosen.log != "human")
    raise_open_file_limit()
    lines = ["Wallet API:  {}"]
    if chosen.is_serve_open:
        lines += [f"Open:        no API key is needed; {settings.variable('open')}=no asks everyone for one"]
    with bind_socket(chosen) as at:
        await serve_until_signal(
            open_server(chosen), at, on_ready=lambda: _say("\n".join(lines).format(listener_url(at)))
        )


def _say(text: str) -> None:
    """Print at once, also into a pipe; nobody listening there is no reason to stop."""
    with suppress(OSError):
        print(text, flush=True)


def _sign(digest: str, key: str) -> str:
    """What a wallet answers to a signature request's `rawPayload`."""
    from eth_account import Account

    try:
        signed = Account.unsafe_sign_hash(Hash32.parse(digest), Hash32.parse(key))
    except (ValueError, TypeError):
        raise settings.SettingError("sign: expected a 32-byte digest and --key with a 32-byte private key") from None
    return Data(signed.signature).hex0x()


if __name__ == "__main__":
    sys.exit(main())
