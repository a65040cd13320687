"""The list of error reasons: it has each reason that the code raises, and no other."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.support.sources import list_sources
from tests.test_wallet_api_page import WORD, reasons
from wallet_rpc import errors
from wallet_rpc.edge.error_documents import build_method_errors
from wallet_rpc.errors.reasons import REASONS
from wallet_rpc.operations.catalogue import OPERATIONS
from wallet_rpc.operations.faults.catalogue import FAULT_OPERATIONS
from wallet_rpc.operations.reasons import EVERY_METHOD

PACKAGE = Path(__file__).parents[1] / "wallet_rpc"
TABLES = {PACKAGE / "errors" / "reasons.py", PACKAGE / "operations" / "reasons.py"}
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.WalletError) and kind is not errors.WalletError
}
PENDING = {"dropped", "not_delivered", "not_stored", "underpriced", "underpriced_prepare_again", "waits_for_approval"}
"""Reasons of `pendingReason` in a call's status, which is no error."""
REST_ONLY = {
    "chain_unsupported",
    "duplicate_chain",
    "expiry_out_of_range",
    "grant_disagrees",
    "grant_has_private_key",
    "grant_signature_invalid",
    "grant_undecodable",
    "malformed",
    "missing",
    "pagination",
    "session_registered",
    "validation",
    "webhook_url",
}
"""Reasons of InvalidParams that no JSON-RPC method can have."""


@cache
def _nodes() -> list[ast.AST]:
    """Return all parts of the code that runs in a server of the Wallet API."""
    others = {"devchain", "recording"}
    paths = [path for path in list_sources(PACKAGE, ".py") if path not in TABLES and others.isdisjoint(path.parts)]
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]


def test_each_reason_in_the_code_is_listed() -> None:
    raised = {reason for node in _nodes() for reason in reasons(node)} - {"reason"}

    assert len(raised) > 100
    assert raised - {reason for meanings in REASONS.values() for reason in meanings} == PENDING


def test_each_listed_reason_is_in_the_code() -> None:
    texts = {node.value for node in _nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    assert {reason for meanings in REASONS.values() for reason in meanings} - texts == set()


def test_a_reason_is_listed_for_the_class_that_is_raised_with_it() -> None:
    raised = {
        (call.func.id, constant.value)
        for call in _nodes()
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CLASSES
        for keyword in call.keywords
        if keyword.arg == "reason"
        for constant in ast.walk(keyword.value)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str) and WORD.fullmatch(constant.value)
    }

    assert len(raised) > 100
    assert {(name, reason) for name, reason in raised if reason not in REASONS[CLASSES[name]]} == set()


def test_each_class_lists_its_default_reason() -> None:
    assert set(CLASSES.values()) == set(REASONS)
    assert [kind for kind in REASONS if kind.default_reason not in REASONS[kind]] == []


def test_each_reason_of_invalid_parameters_belongs_to_a_method() -> None:
    listed = {reason for operation in (*OPERATIONS, *FAULT_OPERATIONS) for reason in operation.reasons}
    listed |= EVERY_METHOD

    assert set(REASONS[errors.InvalidParams]) - listed == REST_ONLY | {"user_operation_unreadable"}  # of a chain method


def test_each_reason_of_an_operation_belongs_to_one_of_its_errors() -> None:
    for operation in OPERATIONS:
        given = {reason for error in build_method_errors(operation) for reason in error["data"]["reasons"]}
        assert set(operation.reasons) - given == set(), operation.name


def test_no_meaning_repeats_its_reason() -> None:
    for meanings in REASONS.values():
        for reason, meaning in meanings.items():
            assert meaning.endswith(".")
            assert len(meaning.split()) > len(reason.split("_"))
