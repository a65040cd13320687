"""The picture of the page of `dev`: `python -m tests.js.picture` draws specs/page.png in Chromium."""

from __future__ import annotations

import shutil

from tests.js import packing

PICTURE = packing.HERE.parents[1] / "specs" / "page.png"


def draw() -> None:
    """Start a server with some sessions and calls, and draw its page. Raises: BuildFailed."""
    node = packing.prepare()
    shutil.copy(packing.HERE / "picture.mjs", packing.PROJECT)
    packing.run(node, node.node, "picture.mjs", PICTURE, folder=packing.PROJECT)


if __name__ == "__main__":
    draw()
