"""Socket and folder of the metrics, which exist before the processes that use them."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.edge.listener import bind_socket, listener_url
from wallet_rpc.metrics.exposition import remove_worker
from wallet_rpc.metrics.server_metrics import METRICS_PATH, MetricsPlace, ServerMetrics


@dataclass(frozen=True, slots=True)
class OpenMetrics:
    """The socket of the endpoint, and the folder of several workers; None for the only process."""

    listener: socket.socket
    folder: Path | None

    @property
    def url(self) -> str:
        """The URL of the endpoint."""
        return f"{listener_url(self.listener)}{METRICS_PATH}"

    def of_process(self, worker: int = 1) -> ServerMetrics:
        """Build the metrics of this process, whose log is configured; call it once, after the fork of a worker."""
        metrics = ServerMetrics(MetricsPlace(listener=self.listener, folder=self.folder, worker=worker))
        metrics.observe_log()
        return metrics

    def remove_worker(self, worker: int) -> None:
        """Remove what a worker that has ended exported about itself."""
        if self.folder is not None:
            remove_worker(self.folder, worker)


@contextmanager
def open_metrics(settings: Settings) -> Iterator[OpenMetrics]:
    """Bind the socket, and create the folder of several workers, while the block runs.

    Raises: SettingError when the settings' address cannot be bound, or no temporary folder created.
    """
    if settings.metrics_port == settings.port != 0:
        text = f"expected a port other than that of {variable('port')}, got {settings.port}"
        raise SettingError(f"{variable('metrics_port')}: {text}")
    with ExitStack() as stack:
        listener = stack.enter_context(bind_socket(settings, "metrics_"))
        folder = None
        if settings.workers > 1:
            try:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wallet-rpc-metrics-")))
            except OSError as error:
                text = "the metrics of several workers need a folder for temporary files; name a writable one in TMPDIR"
                raise SettingError(f"{variable('metrics_port')}: {text}: {error.strerror}") from None
        yield OpenMetrics(listener, folder)
