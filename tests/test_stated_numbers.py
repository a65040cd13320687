"""Values of constants that tests import: without these, a test that imports its limit passes for any value."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

NUMBERS: dict[str, dict[str, float]] = {
    "adapters.jwt_tokens": {"SKEW_SECONDS": 60},
    "adapters.redis_session_backfill": {"REPEAT_SECONDS": 3_600},
    "adapters.log_search": {"SPAN_BLOCKS": 2_000},
    "adapters.sponsorship.paymaster": {"LOOKUP_BATCH": 8, "LEASE_SECONDS": 30},
    "adapters.redis_events": {"MARK_SECONDS": 900},
    "adapters.redis_socket": {"SOCKET_PATH_BYTES": 100},
    "adapters.rules_scripts": {"LONGEST_SPAN_SECONDS": 86_400, "MAX_OPEN": 1000},
    "adapters.redis_store": {"KEEP_CALLS_SECONDS": 30 * 86_400},
    "ports.stops": {"MAX_SWITCHES": 1_000},
    "adapters.relayer_budget": {"DAY_SECONDS": 86_400},
    "adapters.redis_unsigned": {"EXPIRED_INDEX_SECONDS": 365 * 86_400, "LAST_ENTITY_ID": 0x7FFF_FFFE},
    "adapters.sponsorship.outcomes": {"SETTLE_GRACE_SECONDS": 60, "SETTLE_TIMEOUT_SECONDS": 900},
    "domain.webhook": {"LONGEST_RETRY_SECONDS": 3600, "MAX_ATTEMPTS": 14},
    "edge.chain_subscriptions": {"WAITING_BYTES": 16 << 20},
    "edge.subscriptions": {"SUBSCRIPTIONS": 20},
    "recording.comparison": {"TIME_TOLERANCE_SECONDS": 300},
    "recording.exchanges": {"FORMAT": 1},
    "recording.recorder": {"MAX_REQUEST_BYTES": 4 << 20},
    "recording.upstream": {"MAX_RESPONSE_BYTES": 16 << 20},
    "services.event_feed": {"QUEUED_EVENTS": 256},
    "services.events": {"ANNOUNCED_SECONDS": 60},
    "devchain.accounts": {"BALANCE": 10_000 * 10**18},
    "devchain.admission": {"MAX_TRANSACTION_BYTES": 131_072},
    "devchain.block_index": {"RECENT_BLOCKS": 512},
    "devchain.computation": {"MAX_INIT_CODE_BYTES": 49_152},
    "devchain.filter_store": {"FILTER_SECONDS": 300, "MAX_FILTERS": 1_000},
    "devchain.subscription_store": {"MAX_SUBSCRIPTIONS": 1_000},
    "devchain.filters": {"MAX_BLOCK_HASHES": 1_000},
    "devchain.mempool": {"MAX_POOL_TRANSACTIONS": 4_096, "MAX_POOL_BYTES": 4 << 20},
    "devchain.program": {"MAX_STACK": 1024},
    "devchain.bundler": {"MAX_TOTAL_GAS": 45_000_000, "MAX_VERIFICATION_GAS": 15_000_000},
    "domain.module_rows": {"MAX_ROWS": 10_000},
    "domain.revert": {"MAX_REVERT_BYTES": 2_048},
    "domain.incident": {"KEPT_INCIDENTS": 200, "KEPT_ALIKE": 20, "LONGEST_TRACEBACK": 8_000},
    "domain.gas": {"GAS_BITS": 120},
    "domain.guard": {"LAST_SECOND": 9_999_999_999},
    "domain.nonce": {"MAX_PARALLEL_KEY": 2**152 - 1},
    "domain.paymaster_service": {"MAX_POLICIES": 8},
    "domain.policy": {"MAX_POLICY_WEI": 10**30 - 1},
    "domain.quote": {"WHOLE_SLIPPAGE": 10_000},
    "domain.rules.arguments": {"MAX_PARTS": 5_000},
    "domain.rules.effects": {"UNLIMITED": 2**256 - 1},
    "domain.rules.periods": {"NO_END": 0},
    "domain.rules.rule_checks": {"LONGEST_RULES": 16_384},
    "domain.records": {"RECORD_VERSION": 1},
    "domain.serialized_grant": {"MAX_CHARACTERS": 16_384, "MAX_GRANT_LEVELS": 32, "SAFE_INTEGER": 2**53 - 1},
    "domain.signature": {
        "HALF_ORDER": 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0,
        "SIGNATURE_SIZE": 65,
    },
    "domain.sponsorship": {"POST_OP_GAS": 0, "VERIFICATION_GAS": 60_000},
    "devchain.chain": {"PENDING_BLOCK": -1},
    "devchain.config": {"SEEDED_TIME": 1_767_225_600, "TIME": 1 << 62},
    "domain.decoding.calls": {"MAX_DECODED": 200},
    "domain.decoding.values": {"MAX_DECODED_VALUES": 1000},
    "domain.ticket": {"TICKET_SECONDS": 600},
    "domain.times": {"LATEST_TIME": 253_402_300_799},
    "domain.token_charge": {"ONE_COIN": 10**18},
    "domain.validation_install": {"HALF_ENTITY": 0x7FFF_FFFF, "MAX_DEADLINE": 2**48 - 1},
    "domain.wallet_address": {"MAX_ADDRESS_LENGTH": 44},
    "edge.bounded_http": {"PIPELINED_REQUESTS": 100},
    "edge.envelope": {"MAX_BODY_CONTAINERS": 50_000, "MAX_BODY_VALUES": 150_000},
    "edge.guard": {"MAX_BODY_BYTES": 1 << 20},
    "embedded_chains": {"MAX_CHAIN_BODY_BYTES": 4 << 20},
    "edge.request_parser": {"HEADER_FIELDS": 128, "HEAD_BYTES": 32 << 10, "TARGET_BYTES": 8 << 10},
    "edge.strict_json": {"MAX_BODY_LEVELS": 64},
    "edge.worker_processes": {"MAX_FAILED_STARTS": 5},
    "wire.members": {"MAX_FIELD_ERRORS": 100},
    "ports.storage": {"ENTITY_RANGE_SIZE": 2**30, "RESERVED_IDS": 2**16},
    "services.decoded_operations": {"MAX_DECODED_BYTES": 1 << 20, "MAX_DECODED_CALLS": 1000},
    "services.call_failures": {"LONGEST_MESSAGE": 500},
    "services.session_rules": {"RESERVATION_SECONDS": 600},
    "services.submission": {"FIRST_ATTEMPT_SECONDS": 2.0, "RETRY_SECONDS": 2},
    "services.delivery_workers": {"FINALITY_CHECK_SECONDS": 600},
    "adapters.redis_outbox": {"SHARDS": 8},
    "domain.call_record": {"CALL_VERSION": 2, "KEPT_ATTEMPTS": 8},
    "services.call_records": {"DELIVERY_LEASE_SECONDS": 10},
    "services.delivery": {"ATTEMPT_SECONDS": 9.0},
    "services.pending_calls": {"STUCK_SECONDS": 60},
    "services.witnesses": {"SEARCHED_BLOCKS": 20_000, "REORG_MARGIN_BLOCKS": 64},
    "services.entity_ids": {"LAST_RANDOM_START": 2**29},
    "services.delegation_removal": {"LAG_SECONDS": 60},
    "time_budget": {"BUDGET_SECONDS": 8, "STORE_SECONDS": 1},
    "wire": {"MAX_REQUEST_VALUES": 10_000},
}
"""Numbers by module and name."""
_IMPORT = re.compile(r"^from (wallet_rpc\.[\w.]+) import (\([^)]*\)|[^#\n]*)", re.MULTILINE)


def number(module: str, name: str) -> float | None:
    """Return the value in the code; None if it is not a number."""
    value = getattr(import_module(module), name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def imported_constants() -> set[tuple[str, str]]:
    """Return module and name of the constants of wallet-rpc that tests import."""
    folder = Path(__file__).parent
    texts = [path.read_text("utf-8") for path in (*folder.glob("*.py"), *folder.glob("*/*.py"))]
    found = [each for text in texts for each in _IMPORT.findall(text)]
    return {
        (module, name) for module, names in found for name in re.findall(r"(?<!as )\b[A-Z]\w+", names) if name.isupper()
    }


@pytest.mark.parametrize(
    ("module", "name", "stated"), [(module, *item) for module, names in NUMBERS.items() for item in names.items()]
)
def test_a_number_has_the_stated_value(module: str, name: str, stated: float) -> None:
    assert number(f"wallet_rpc.{module}", name) == stated


def test_every_number_that_tests_take_from_the_code_is_stated() -> None:
    numbers = {(module, name) for module, name in imported_constants() if number(module, name) is not None}
    stated = {(f"wallet_rpc.{module}", name) for module, names in NUMBERS.items() for name in names}
    assert numbers - stated == set(), "write these into NUMBERS, with their values"
