"""Organisations that created a session, and those that presented its grant, compared with a plain model."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import Controller, Creation
from wallet_rpc.primitives import Address, EntityId, Hash32, SessionId

ORGANIZATIONS = [OrganizationId(f"org_{name}") for name in ("a", "ab", "b-%")]
SESSIONS = [SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(number)) for number in (1, 10)]
ALL = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(0))
"""All sessions of the account."""
DIGESTS = [Hash32(bytes(31) + bytes([number])) for number in range(3)]

Step = tuple[str, int, int, int | None]
"""A kind, and the indexes of an organisation, a session and a grant; None: a grant that is not known."""
indexes = st.integers(0, 1), st.integers(0, 2)
steps = st.tuples(st.just("create"), st.integers(0, 2), *indexes) | st.tuples(
    st.just("present"), st.integers(0, 2), indexes[0], st.none() | indexes[1]
)


def controller_of(organization: int, number: int) -> Controller:
    """Return a controller whose values are those of one step."""
    key, session_id = Address(bytes(16) + number.to_bytes(4, "big")), SessionId(number.to_bytes(16, "big"))
    return Controller(organization=ORGANIZATIONS[organization], key=key, session_id=session_id if number % 3 else None)


@dataclass
class Model:
    """What is stored about one session."""

    creation: Creation | None = None
    controllers: dict[OrganizationId, Controller] = field(default_factory=dict)

    @property
    def organizations(self) -> set[OrganizationId]:
        """The organisations that created or control the session."""
        return {*self.controllers, *(() if self.creation is None else (self.creation.controller.organization,))}

    def present(self, controller: Controller, digest: Hash32 | None) -> None:
        if self.creation is not None and self.creation.digest == digest:
            creator, self.creation = self.creation.controller, None
            self.controllers[creator.organization] = creator
        self.controllers[controller.organization] = controller


@settings(max_examples=60)
@given(st.lists(steps, max_size=14))
@example([("create", 0, 0, 1), ("present", 1, 0, 2), ("present", 1, 0, None), ("present", 2, 1, 1)])
@example([("create", 0, 0, 1), ("present", 1, 0, 1), ("present", 2, 0, 1), ("present", 0, 0, None)])
async def test_only_a_presented_grant_makes_its_creator_a_controller(redis_url: str, plan: Sequence[Step]) -> None:
    models = [Model() for _ in SESSIONS]
    async with RedisStore.open(redis_url, prefix=f"test-{uuid.uuid4().hex}") as store:
        for number, (kind, organization, session, grant) in enumerate(plan):
            stops = store.for_organization(ORGANIZATIONS[organization]).stops
            controller = controller_of(organization, number)
            digest = None if grant is None else DIGESTS[grant]
            if kind == "create" and digest is not None:
                forget_at = None if number % 2 else int(time.time()) + 600
                models[session].creation = creation = Creation(controller=controller, digest=digest, nonce=number << 64)
                await stops.add_creation(SESSIONS[session], creation, forget_at=forget_at)
            else:
                models[session].present(controller, digest)
                await stops.add_controller(SESSIONS[session], controller, grant=digest)

        for model, reference in zip(models, SESSIONS, strict=True):
            found = await store.stops.read(reference)
            assert found.creation == model.creation
            assert {each.organization: each for each in found.controllers} == model.controllers
            assert len(found.controllers) == len(model.controllers)
        listed = [each.organization for each in await store.stops.list_controllers(ALL)]
        assert len(listed) == len(set(listed))
        assert set(listed) == {organization for model in models for organization in model.organizations}
