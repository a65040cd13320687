"""`wallet-rpc org policy`: the warnings about grants that are errors for an organisation's callers."""

from __future__ import annotations

from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.grant_warnings import WarningCode


async def change_policy(job: Job) -> Report:
    """Refuse and allow warnings as the options say, and report the policy; without options only report it.

    The change is written to the audit log first, so that a policy without its entry proves a damaged log.
    """
    organization = await job.organization()
    policy = job.store.for_organization(organization.id).grant_policy
    refused = {WarningCode(code) for code in job.options.refuse}
    allowed = {WarningCode(code) for code in job.options.allow}
    if both := sorted(refused & allowed):
        raise SettingError(f"--allow: expected other codes than those of --refuse, got {', '.join(both)} for both")
    before = await policy.refused_warnings()
    after = (before | refused) - allowed
    if after != before:
        await job.note(organization.id, EventKind.GRANT_POLICY_CHANGED, refusedWarnings=sorted(after))
        await policy.refuse_warnings(after - before)
        await policy.allow_warnings(before - after)
    lines = [f"{code}: {'error' if code in after else 'warning'}" for code in WarningCode]
    return Report(value={"orgId": organization.id, "refusedWarnings": sorted(after)}, lines=lines)
