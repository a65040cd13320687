"""The official tools of OpenRPC accept the document: meta schema, resolvers of references, generator of clients."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients import npm
from tests.documents.examples import vector
from wallet_rpc.devchain.build import find_node_js
from wallet_rpc.edge.api_documents import rpc_with_document

HERE = Path(__file__).parent
MODULES = npm.HERE / "node_modules"
Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    npm.prepare()


def run(folder: Path, *command: str | Path) -> tuple[int, str]:
    """Run a program of Node.js in a folder, and return its exit status and its output."""
    node = find_node_js()
    done = npm.run_program(node, node.node, *command, folder=folder)
    return done.returncode, done.stdout + done.stderr


def _name_another_host(document: Json) -> None:
    document["methods"][0]["result"]["schema"] = {"$ref": "https://schemas.example/account.json"}


def _drop_a_schema(document: Json) -> None:
    del document["components"]["schemas"]["CreationHint"]


def _drop_parameters(document: Json) -> None:
    del document["methods"][0]["params"]


def test_the_document_is_valid_and_needs_no_network(tmp_path: Path) -> None:
    files: list[Path] = []
    for change in (lambda _: None, _name_another_host, _drop_a_schema, _drop_parameters):
        document = json.loads(json.dumps(rpc_with_document()[1]()))
        change(document)
        files.append(tmp_path / f"{len(files)}.json")
        files[-1].write_text(json.dumps(document), "utf-8")

    status, output = run(tmp_path, HERE / "check_openrpc.mjs", MODULES, *files)

    assert status == 0, output
    first, *others = output.splitlines()
    assert first == "valid"
    assert [line.partition(":")[0] for line in others] == ["invalid"] * 3, output


def test_a_generated_client_compiles_and_calls_the_server(url: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "package.json").write_text('{"type": "commonjs"}', "utf-8")
    (tmp_path / "openrpc.json").write_text(json.dumps(rpc_with_document()[1]()), "utf-8")
    component = {"type": "client", "name": "wallet", "language": "typescript"}
    config = {"openrpcDocument": "openrpc.json", "outDir": "made", "components": [component]}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")

    status, output = run(tmp_path, MODULES / "@open-rpc/generator/build/cli.js", "generate", "-c", "config.json")
    assert status == 0, output
    assert "Done!" in output

    options = ["--strict", "--skipLibCheck", "--esModuleInterop", "--module", "nodenext", "--outDir", "client"]
    source = "made/client/typescript/src/index.ts"
    assert run(tmp_path, MODULES / "typescript/bin/tsc", "--ignoreConfig", *options, source) == (0, "")

    shutil.copy(HERE / "call_generated.cjs", tmp_path)
    known = vector("addresses", "addresses-0000")
    status, output = run(tmp_path, "call_generated.cjs", url, known["owner"])
    assert status == 0, output
    assert json.loads(output) == {"accountAddress": known["address"], "chains": ["0x0"], "unchecked": False}
