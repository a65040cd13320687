"""Rules by which a request of a replay is the same as a recorded one."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.support.keys import new_key, random_signature
from wallet_rpc.recording.comparison import TIME_TOLERANCE_SECONDS
from wallet_rpc.recording.exchanges import RecordedBody, RecordedRequest, read_recording
from wallet_rpc.recording.questions import split_request
from wallet_rpc.recording.redaction import Redactor
from wallet_rpc.recording.replayer import Replayer, ReplayReport
from wallet_rpc.recording.transactions import split_transaction

DAY = 86_400
FIXED = "0x1111111111111111111111111111111111111111"
TOKEN, OTHER_TOKEN = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "0x6b175474e89094c44da98b954eedeac495271d0f"


def replay_of(
    tmp_path: Path,
    *exchanges: tuple[Any, Any],
    is_exact: bool = False,
    at: float | None = None,
    credentials: Sequence[str | None] = (),
) -> Replayer:
    """Return a replay of `m` with these parameters and results, each recorded at `at`, by default an hour ago."""
    file = tmp_path / "recording.jsonl"
    began = int(((time.time() - 3600) if at is None else at) * 1000)
    lines: list[dict[str, Any]] = [
        {
            "format": 1,
            "number": number,
            "atMilliseconds": began,
            "request": {"verb": "POST", "path": "/", "query": {}, "body": {"json": request_of(params)}},
            "response": {
                "status": 200,
                "headers": {},
                "body": {"json": {"jsonrpc": "2.0", "id": 1, "result": result}},
            },
        }
        for number, (params, result) in enumerate(exchanges, 1)
    ]
    for line, credential in zip(lines, credentials, strict=False):
        line["request"] |= {} if credential is None else {"credential": credential}
    redactor = Redactor()
    for line in lines:
        redactor.learn(line)
    file.write_text("".join(json.dumps(redactor.redact(line)) + "\n" for line in lines))
    return Replayer(read_recording(file), is_exact=is_exact)


def request_of(params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "m", "params": params}


def ask(replay: Replayer, params: Any, **head: Any) -> Any:
    """Return the result for these parameters, as a client of the replay sees it; None if they were not recorded."""
    request = RecordedRequest(verb="POST", path="/", query={}, body=RecordedBody(json=request_of(params)), **head)
    ((question, _),) = split_request(request)
    answer = replay.find_answer(question, question)
    if answer is None:
        replay.note_unrecorded(question, str)
        return None
    return replay.renames.to_given(answer.response_object)["result"]


def differences_of(report: ReplayReport) -> dict[str, tuple[str, str]]:
    return {each.path: (each.expected, each.given) for one in report.not_recorded for each in one.differences}


def random_address() -> str:
    return str(new_key().address)


def test_answers_come_in_order_and_the_last_one_again(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, (["a"], 1), (["b"], 2), (["a"], 3))

    assert [ask(replay, ["a"]) for _ in range(3)] == [1, 3, 3]
    report = replay.report()
    assert (report.has_differences, report.repeated, [each.line for each in report.not_sent]) == (True, 1, [2])
    assert ask(replay, ["b"]) == 2
    assert not replay.report().has_differences


def test_parameters_may_be_absent_and_hex_in_any_case(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, ([], 1), (["0xABcd"], 2), (["Word"], 3))

    assert ask(replay, None) == 1
    assert ask(replay, ["0xabCD"]) == 2
    assert ask(replay, ["Word"]) == 3
    assert ask(replay, ["word"]) is None
    assert [ask(replay_of(tmp_path, (["0xAB"], 1), (["0xab"], 2)), [each]) for each in ("0xab", "0xAB")] == [1, 1]
    assert ask(replay, ["0xabCE"]) is None


def test_a_key_of_the_client_may_differ_but_is_the_same_throughout(tmp_path: Path) -> None:
    recorded, given, another = random_address(), random_address(), random_address()
    word = "0" * 24 + recorded[2:].lower()
    replay = replay_of(
        tmp_path, ([recorded], recorded), ([f"0xa9059cbb{word}"], f"0x{word}"), ([{recorded: 1}], [recorded.lower()])
    )

    assert ask(replay, [given]) == given
    assert ask(replay, ["0xa9059cbb" + "0" * 24 + another[2:]]) is None
    assert ask(replay, ["0xa9059cbb" + "0" * 24 + given[2:]]) == "0x" + "0" * 24 + given[2:].lower()
    assert ask(replay, [{given: 1}]) == [given.lower()]
    assert [each.given for each in replay.report().renamed] == [given[2:].lower()]


def test_clients_go_forward_in_a_recording(tmp_path: Path) -> None:
    keys = [random_address() for _ in range(4)]
    replay = replay_of(tmp_path, ([keys[0]], 1), ([keys[1]], 2), (["other"], 3), ([keys[2]], 4), ([keys[3]], 5))

    assert ask(replay, ["other"]) == 3
    assert [ask(replay, [random_address()]) for _ in range(4)] == [4, 5, 1, 2]


def test_what_is_to_be_signed_stays_as_recorded(tmp_path: Path) -> None:
    recorded, given = random_address(), random_address()
    result = {"owner": recorded, "signatureRequest": {"data": {"owner": recorded}}}

    assert ask(replay_of(tmp_path, ([recorded], result)), [given]) == {**result, "owner": given}


def test_two_keys_do_not_become_one(tmp_path: Path) -> None:
    recorded = [random_address() for _ in range(2)]
    given = [random_address() for _ in range(2)]
    replay = replay_of(tmp_path, ([recorded[0]], 1), ([recorded[1]], 2), ([recorded[::-1]], 3))

    assert [ask(replay, [each]) for each in given] == [1, 2]
    assert ask(replay, [given]) is None
    assert ask(replay, [given[::-1]]) == 3


@pytest.mark.parametrize("given", [FIXED.replace("1", "2"), TOKEN])
def test_a_value_that_a_client_writes_in_its_code_has_to_be_the_same(tmp_path: Path, given: str) -> None:
    replay = replay_of(tmp_path, ([FIXED], 1), ([OTHER_TOKEN], 2), (["other"], TOKEN))

    assert ask(replay, [given]) is None
    assert [ask(replay, [each]) for each in (FIXED, OTHER_TOKEN)] == [1, 2]


def test_a_value_of_the_server_has_to_be_sent_back(tmp_path: Path) -> None:
    returned = "0x" + secrets.token_hex(32)
    replay = replay_of(tmp_path, (["first"], returned), ([returned], 2))

    assert ask(replay, ["0x" + secrets.token_hex(32)]) is None
    assert ask(replay, [ask(replay, ["first"])]) == 2


def test_salts_uuids_and_embedded_hashes_may_differ(tmp_path: Path) -> None:
    def build() -> list[Any]:
        odd = "c0ffee" * 7
        return ["0x" + secrets.token_hex(24), str(uuid.uuid4()), f"0x{odd}{secrets.token_hex(32)}{odd}"]

    replay = replay_of(tmp_path, (build(), 1), is_exact=False)
    assert ask(replay, build()) == 1
    assert ask(replay_of(tmp_path, (build(), 1), is_exact=True), build()) is None


def test_a_time_is_as_far_from_now_as_recorded(tmp_path: Path) -> None:
    then, now = int(time.time()) - 30 * DAY, int(time.time())
    exchange = (
        {"expiry": then + 600, "hex": hex(then + 600), "milliseconds": (then + 600) * 1000},
        [then + 600, hex(then + 600)],
    )

    given = {"expiry": now + 600, "hex": hex(now + 600), "milliseconds": (now + 600) * 1000}
    assert ask(replay_of(tmp_path, exchange, at=then), given) == [now + 600, hex(now + 600)]
    late = {**given, "expiry": now + 700 + TIME_TOLERANCE_SECONDS}
    replay = replay_of(tmp_path, exchange, at=then)
    assert ask(replay, late) is None
    assert list(differences_of(replay.report())) == ["params.expiry"]
    assert ask(replay_of(tmp_path, exchange, at=then, is_exact=True), given) == [now + 600, hex(now + 600)]


def test_signatures_may_differ_and_come_back(tmp_path: Path) -> None:
    recorded, given = random_signature(), random_signature()
    context = "0x00" + "ab" * 16
    replay = replay_of(
        tmp_path,
        ({"signature": recorded, "value": "0x1"}, f"0xff{recorded[2:]}"),
        ({"context": context + recorded[2:]}, 2),
    )

    assert ask(replay, {"signature": given, "value": "0x2"}) is None
    assert ask(replay, {"signature": given, "value": "0x1"}) == f"0xff{given[2:]}"
    assert ask(replay, {"context": context.replace("ab", "ac") + given[2:]}) is None
    assert ask(replay, {"context": context + given[2:]}) == 2


def test_a_credential_is_that_of_the_same_recorded_one(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, (["a"], 1), (["b"], 2))

    assert ask(replay, ["a"], credential="of-a-client") == 1  # recorded without one
    assert ask(replay, ["b"]) == 2
    used = ("replaced-secret-1", "replaced-secret-2", None)
    exchanges = [(["a"], number) for number in range(3)]
    keyed = replay_of(tmp_path, *exchanges, credentials=used)
    sent = ("key-1", "key-2", "key-2", "key-1", None, "key-3")
    assert [ask(keyed, ["a"], credential=each) for each in sent] == [0, 1, 1, 0, 2, 2]
    only = replay_of(tmp_path, (["a"], 1), credentials=used[:1])
    assert [ask(only, ["a"], credential=each) for each in ("key-1", "key-2", None)] == [1, None, None]
    assert list(differences_of(only.report())) == ["credential"]


def test_differences_name_each_place(tmp_path: Path) -> None:
    recorded = {"calls": [{"to": FIXED, "data": "0x" + "00" * 60 + "01"}], "old": True, "n": 1, "list": [1, 2]}
    given = {"calls": [{"to": FIXED, "data": "0x" + "00" * 60 + "02"}], "new": None, "n": True, "list": [1]}
    replay = replay_of(tmp_path, (recorded, 1))
    assert ask(replay, given) is None

    found = differences_of(replay.report())
    shown = "…" + "0" * 39
    assert found == {
        "params.calls[0].data": (f'"{shown}01" from character 83', f'"{shown}02" from character 83'),
        "params.old": ("true", "nothing"),
        "params.new": ("nothing", "null"),
        "params.n": ("1", "true"),
        "params.list": ("2 items", "1 item"),
    }


def test_a_transaction_is_compared_without_its_signature() -> None:
    transaction: dict[str, Any] = {"chainId": 1, "nonce": 0, "gas": 21_000, "to": FIXED, "value": 1}
    fees: dict[str, Any] = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 1}
    for fields in (
        {"gasPrice": 9},
        fees,
        {**fees, "accessList": [{"address": FIXED, "storageKeys": ["0x" + "ab" * 32]}]},
    ):
        signed = [new_key().sign_transaction({**transaction, **fields}) for _ in range(2)]
        split = [split_transaction("0x" + bytes(each.raw_transaction).hex()) for each in signed]
        assert split[0] is not None
        assert split[1] is not None
        assert split[0].unsigned == split[1].unsigned
        assert {int(number, 16) for number in split[0].numbers} == {signed[0].r, signed[0].s}
        assert split_transaction(split[0].unsigned) is None

    key = new_key()
    authorization = Account.sign_authorization({"chainId": 1, "address": FIXED, "nonce": 1}, key.key)
    delegating = key.sign_transaction({**transaction, **fees, "authorizationList": [authorization]})
    found = split_transaction("0x" + bytes(delegating.raw_transaction).hex())
    assert found is not None
    assert {authorization.r, authorization.s} < {int(number, 16) for number in found.numbers}
    assert f"{authorization.r:064x}" not in found.unsigned
