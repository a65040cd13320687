"""Everything in both API documents is described, in sentences that say more than the name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.documents.described import described_parts, repeats_name, walk
from wallet_rpc.edge.api_documents import openrpc_yaml, rest_with_document, rpc_with_document

DOCUMENTS = {"openrpc": rpc_with_document()[1](), "openapi": rest_with_document(has_tokens=True)[1]()}
LEAST = {"openrpc": 600, "openapi": 190}
"""Number of described parts, so that a walk that finds nothing does not pass."""

each_document = pytest.mark.parametrize(("name", "document"), DOCUMENTS.items(), ids=list(DOCUMENTS))


@each_document
def test_every_part_has_a_description(name: str, document: dict[str, Any]) -> None:
    parts = list(described_parts(document))

    assert len(parts) > LEAST[name]
    assert [path for path, _, part in parts if not part.get("description", part.get("summary"))] == []


@each_document
def test_no_description_only_repeats_the_name(name: str, document: dict[str, Any]) -> None:
    parts = list(described_parts(document))

    assert [path for path, word, part in parts if repeats_name(word, str(part.get("description")))] == []


@pytest.mark.parametrize(
    ("name", "text", "repeated"),
    [
        ("chainId", "The chain id.", True),
        ("accountAddress", "The address of the account", True),
        ("callData", "Call data.", True),
        ("chainId", "Chain on which the calls are made.", False),
        ("nonce", "Key (192 bits) | sequence (64 bits).", False),
    ],
)
def test_a_repeated_name_is_found(name: str, text: str, repeated: bool) -> None:
    assert repeats_name(name, text) is repeated


@each_document
def test_descriptions_are_sentences(name: str, document: dict[str, Any]) -> None:
    texts = [(path, str(node)) for path, node in walk(document) if path.endswith(("/description", "/summary"))]
    prose = [(path, text) for path, text in texts if "/properties/description" not in path]

    assert [path for path, text in prose if not text.rstrip().endswith((".", ":"))] == []
    assert [path for path, text in prose if not (text[0].isupper() or text[0] in "`0123456789k")] == []


@each_document
def test_a_document_names_no_other_host(name: str, document: dict[str, Any]) -> None:
    references = {node["$ref"] for _, node in walk(document) if isinstance(node, dict) and "$ref" in node}

    assert references
    assert [reference for reference in references if not reference.startswith("#/components/")] == []
    assert "://" not in json.dumps(document)
    assert "://" not in openrpc_yaml()
