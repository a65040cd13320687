"""The demo's part on live sessions: list, explain, pause, bound and revoke.

A back end does this with its API key. The demo has none, so the owner signs each change.
"""

from __future__ import annotations

from typing import Any

from wallet_rpc.cli.demo_assets import LIMIT
from wallet_rpc.cli.demo_client import DemoFailed, say
from wallet_rpc.cli.demo_story import Story, grant_session
from wallet_rpc.client import Grant, RpcError

_UNITS = 10
"""The units of one transfer."""


async def show_sessions(story: Story) -> None:
    """Grant another session, and show what can be done with it while it is live."""
    bound = [{"type": "calls", "limit": 1, "period": "total"}]
    title = "8. Another session, in which this server allows one call only. It may"
    grant = await grant_session(story, title, rules=bound)
    await _list(story)
    await _explain(story, grant.session_id.hex0x())
    await _pause(story, grant)
    await _exceed_bound(story, grant)
    await _revoke(story, grant)


async def _list(story: Story) -> None:
    request = {"account": story.account.hex0x(), "chainId": hex(story.owner.chain_id)}
    listed = await story.client.request("wallet_listSessions", request)
    say("\n9. The sessions of the account, and what remains of their limits on chain")
    for session in listed["sessions"]:
        remaining = [f"{int(each['remaining'], 16)} of {int(each['granted'], 16)}" for each in session["limits"]]
        say(f"   {session['sessionId']}  {session['state']}, {', '.join(remaining)}")


async def _explain(story: Story, session_id: str) -> None:
    to = story.payer.recipient
    say("\n10. Calls explained before anything is sent")
    for units in (_UNITS, LIMIT + 1):
        request = {"sessionId": session_id, "calls": [story.asset.transfer(to, units)], "sponsored": True}
        explained = await story.client.request("wallet_explainCalls", request)
        say(f"   {units} {story.asset.noun}: {explained['decision']}\n      {explained['text']}")


async def _pause(story: Story, grant: Grant) -> None:
    session = {"sessionId": grant.session_id.hex0x()}
    await _change(story, "pause", "wallet_pauseSession", session)
    say("\n11. The owner pauses the session")
    await _show_denial(story, grant)
    await _change(story, "resume", "wallet_resumeSession", session)
    say("   The owner resumes it.")


async def _exceed_bound(story: Story, grant: Grant) -> None:
    await story.send(grant, story.asset.transfer(story.payer.recipient, _UNITS))
    say(f"\n12. The session key sends {_UNITS} {story.asset.noun}, and then more than this server allows")
    await _show_denial(story, grant)


async def _revoke(story: Story, grant: Grant) -> None:
    session = {"sessionId": grant.session_id.hex0x()}
    fields = {**session, "capabilities": story.sponsorship} if story.sponsorship else session
    revoked = await _change(story, "revoke", "wallet_revokeSession", session, fields)
    say("\n13. The owner revokes the session: it is refused here at once")
    await _show_denial(story, grant)
    await story.sign_and_send(revoked["removal"])
    proven = await _change(story, "revoke", "wallet_revokeSession", session, fields)
    if not proven["onChain"]["isRemoved"]:
        raise DemoFailed("expected the session to be gone from the chain, but it is still there")
    say("   The owner's operation removes it from the chain; the modules, read back, have nothing of it.")


async def _change(
    story: Story, action: str, method: str, session: dict[str, str], fields: dict[str, Any] | None = None
) -> Any:
    """Change the session with the owner's signature of the change."""
    change = await story.client.request("wallet_prepareSessionChange", {**session, "action": action})
    signature = story.sign(change["signatureRequest"]["rawPayload"])
    signed = {"nonce": change["nonce"], "deadline": change["deadline"], "signature": signature}
    return await story.client.request(method, {**(session if fields is None else fields), "ownerSignature": signed})


async def _show_denial(story: Story, grant: Grant) -> None:
    """Try a call that the server has to deny, and print its error."""
    try:
        await story.send(grant, story.asset.transfer(story.payer.recipient, 1))
    except RpcError as error:
        say(f"   one unit more: {error}")
    else:
        raise DemoFailed("expected a denial, but the call was accepted")
