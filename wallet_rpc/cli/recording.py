"""`wallet-rpc record` and `replay`: servers on loopback that keep exchanges, or answer from them."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import replace

from starlette.types import ASGIApp

from wallet_rpc import __version__
from wallet_rpc.cli.parent import choose_watch
from wallet_rpc.cli.ready_file import open_ready_file
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.connections import raise_open_file_limit
from wallet_rpc.edge.life_log import log_life
from wallet_rpc.edge.listener import bind_socket, listener_url, serve_until_shutdown
from wallet_rpc.recording.exchanges import read_recording
from wallet_rpc.recording.recording_file import RecordingFile, open_recording_file
from wallet_rpc.recording.replay_app import REPORT_PATH
from wallet_rpc.recording.replayer import Replayer, ReplayReport, describe_differences
from wallet_rpc.recording.serving import build_replay_app, open_recorder

PrintLine = Callable[[str], None]


async def run_record_command(
    options: argparse.Namespace, settings: Settings, *, parent: int, print_line: PrintLine
) -> int:
    """Record until a signal or the parent's end, and return the exit status. Raises: SettingError."""
    if not is_web_url(options.upstream):
        raise SettingError(f"--upstream: expected {WEB_URL}")
    with open_recording_file(options.file) as file:
        greeting = f"Recording {mask_credentials(options.upstream)} to {options.file}:"
        await _serve(
            _open_recorder(settings, options, file, print_line),
            options,
            settings,
            parent=parent,
            greet=lambda url: print_line(f"{greeting} {url}"),
        )
    return 0


async def run_replay_command(
    options: argparse.Namespace, settings: Settings, *, parent: int, print_line: PrintLine
) -> int:
    """Replay until a signal or the parent's end, print what differed, and return the exit status.

    Raises: SettingError.
    """
    replayer = Replayer(read_recording(options.file), is_exact=options.exact)
    await _serve(
        _open_replay(settings, replayer),
        options,
        settings,
        parent=parent,
        greet=lambda url: print_line(f"Replaying {options.file}: {url}; {url}{REPORT_PATH} reports what differs"),
    )
    report = replayer.report()
    print_line("\n".join(format_report(report)))
    return 1 if options.strict and report.has_differences else 0


def format_report(report: ReplayReport) -> list[str]:
    """Return the lines of a report."""
    lines = [
        f"answered from the recording: {report.answered} (with the last answer again: {report.repeated}); "
        f"not recorded: {report.not_recorded_count}; recorded, but not sent: {report.not_sent_count}"
    ]
    lines += [
        f"not recorded: {each.request}: {describe_differences(each.nearest_line, each.differences)}"
        for each in report.not_recorded
    ]
    lines += [f"not sent: {each.request}, line {each.line}" for each in report.not_sent]
    lines += [
        f"sent less often: {each.request}, line {each.line}: {each.sent} times, recorded {each.recorded} times"
        for each in report.sent_less
    ]
    lines += [f"renamed: {each.recorded} is now {each.given} ({each.request}: {each.path})" for each in report.renamed]
    return lines


@asynccontextmanager
async def _open_recorder(
    settings: Settings, options: argparse.Namespace, file: RecordingFile, print_line: PrintLine
) -> AsyncIterator[ASGIApp]:
    async with open_recorder(settings, options.upstream, file) as (app, recorder):
        yield app
        noun = "exchange is" if recorder.count == 1 else "exchanges are"
        print_line(f"{recorder.count} {noun} in {options.file}")


@asynccontextmanager
async def _open_replay(settings: Settings, replayer: Replayer) -> AsyncIterator[ASGIApp]:
    yield build_replay_app(settings, replayer)


async def _serve(
    app_context: AbstractAsyncContextManager[ASGIApp],
    options: argparse.Namespace,
    settings: Settings,
    *,
    parent: int,
    greet: Callable[[str], None],
) -> None:
    """Serve on loopback until a signal or, if the options say so, the parent's end. Raises: SettingError."""
    watch = choose_watch(exits_with_parent=options.exit_with_parent, parent=parent)
    log_lines.configure(json=settings.log == "json", level=settings.log_level)
    raise_open_file_limit()
    with ExitStack() as stack:
        listener = stack.enter_context(bind_socket(replace(settings, host="127.0.0.1")))
        write_ready = stack.enter_context(open_ready_file(options.ready_file))
        url = listener_url(listener)

        def report_ready() -> None:
            greet(url)
            write_ready({"url": url, "pid": os.getpid(), "version": __version__})

        log_start = stack.enter_context(log_life(options.command, settings, chains=(), url=url, on_ready=report_ready))
        await serve_until_shutdown(
            app_context, listener, drain_seconds=settings.drain_seconds, on_ready=log_start, watch=watch
        )
