"""Random bytes of a seed: the same for the same requests, whatever happens between them."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.edge.request_context import RequestContext, set_context
from wallet_rpc.edge.seeded_entropy import SeededStream, seeded_sources


def test_a_stream_repeats_itself_and_differs_by_seed_purpose_and_position() -> None:
    def draw(seed: int, purpose: str) -> list[bytes]:
        stream = SeededStream(seed, purpose)
        return [stream.random_bytes(16) for _ in range(50)]

    assert draw(1, "a") == draw(1, "a")
    found = {value for seed in (0, 1, 11) for purpose in ("a", "1 a") for value in draw(seed, purpose)}
    assert len(found) == 300
    assert {len(SeededStream(1, "a").random_bytes(size)) for size in (1, 8, 32)} == {1, 8, 32}


def test_requests_that_need_no_bytes_and_work_in_the_background_change_nothing() -> None:
    plain, disturbed = seeded_sources(7), seeded_sources(7)
    expected = [plain.for_request().random_bytes(16) for _ in range(3)]
    found = []
    for _ in range(3):
        disturbed.for_request()
        disturbed.background.random_bytes(12)
        disturbed.request_ids.random_bytes(8)
        found.append(disturbed.for_request().random_bytes(16))

    assert found == expected
    assert len({*expected}) == 3


def test_entries_of_a_batch_have_streams_of_their_own() -> None:
    context = RequestContext()

    def draw(order: tuple[int, ...]) -> dict[int, bytes]:
        request, found = seeded_sources(7).for_request(), {}
        for entry in order:
            set_context(replace(context, entry=entry))
            found[entry] = request.random_bytes(8)
        set_context(context)
        return found

    assert draw((0, 1, 2)) == draw((2, 0, 1))
    assert len({*draw((0, 1, 2)).values()}) == 3
