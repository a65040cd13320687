"""Options of `wallet-rpc record` and `replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from wallet_rpc.config.settings import variable

_RECORD_PORT = "4338"
"""The default port of `record`, next to that of a server on this machine."""


def add_recording_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands `record` and `replay` and their options."""
    record = commands.add_parser("record", help="pass requests to a server, and keep them with its responses in a file")
    record.add_argument("--upstream", required=True, metavar="URL", help="URL of the server, with its key if any")
    record.add_argument("file", type=Path, metavar="FILE", help="new file for the recording")
    replay = commands.add_parser("replay", help="answer requests from a recording, and report what differs")
    replay.add_argument("file", type=Path, metavar="FILE", help="recording to answer from")
    replay.add_argument("--strict", action="store_true", help="end with exit status 1 if anything differed")
    replay.add_argument(
        "--exact", action="store_true", help="accept no other keys, addresses and salts than the recorded ones"
    )
    for command, port in ((record, _RECORD_PORT), (replay, None)):
        command.add_argument("--port", default=port, help=f"port to listen on ({variable('port')})")
        command.add_argument(
            "--ready-file",
            type=Path,
            metavar="FILE",
            dest="ready_file",
            help="file to write when ready, removed at the end: JSON with the URL",
        )
        command.add_argument("--exit-with-parent", action="store_true", help="end when the parent process ends")
