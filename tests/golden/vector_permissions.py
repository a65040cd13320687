"""Checks of vectors for session installations: permissions and uninstallations."""

from __future__ import annotations

from typing import Any

from tests.golden.vector_reading import Answers, MismatchError, Vector, number, owner_of, sign
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import wrap_execute_user_op
from wallet_rpc.domain.deferred_action import Authorizer, DeferredAction, unsigned_blob
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.permission import RawPermission
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.signature import Domain, domain_separator, recover_signer
from wallet_rpc.domain.uninstall import hook_uninstall_data, uninstall_call_data
from wallet_rpc.domain.validation import ValidationInstall, module_entity, parse_install
from wallet_rpc.domain.validation_install import SessionTerms, compile_raw_permissions
from wallet_rpc.primitives import Data

_SAME_CLASS = {"BaseError": "UnsupportedPermissionTypeError"}
"""The one error that SDK v5 raises under another class name."""


def grant_from_text(permission: dict[str, Any]) -> RawPermission:
    """Convert a permission of a request, with its texts not parsed yet."""
    values = permission.get("data") or {}
    return RawPermission(
        kind=permission["type"],
        target=values.get("address"),
        amount=values.get("allowance", values.get("limit")),
        functions=tuple(values.get("functions", ())),
    )


def check_permission(vector: Vector) -> None:
    """Check the installation and the owner's signature, or the same error at the same stage."""
    v = Answers(vector, ignore=("id", "note"))
    given = Answers(v.take("in"), ignore=("accountKind",))
    grants = [grant_from_text(item) for item in given.take("permissions")]
    key = Answers(given.take("key"), ignore=("type",))
    terms = SessionTerms(
        account=given.take("account"),
        key=key.take("publicKey"),
        entity_id=given.number("entityId"),
        deadline=given.number("deadline"),
        now=given.number("now"),
        selectors=tuple(given.take("builderSelectors")) if given.has("builderSelectors") else (),
    )
    key.finish()
    given.check(nonce=_nonce(given))
    try:
        install = compile_raw_permissions(grants, terms)
    except CompileError as error:
        _check_error(v, error)
    else:
        _check_out(v, given, install)
        v.finish()
        return
    for name in ("chainId", "ownerKey", "signerEntity"):
        given.take(name)
    given.finish()
    v.finish()


def _nonce(given: Answers) -> int:
    key = NonceKey(
        parallel_key=given.number("nonceKey"),
        entity_id=given.number("entityId"),
        is_global=given.take("isGlobalValidation"),
        is_deferred=True,
    )
    return key.nonce(given.number("seq"))


def _check_error(v: Answers, error: CompileError) -> None:
    if not v.has("error"):
        raise MismatchError(f"computed {error}, expected an installation")
    expected = v.take("error")
    known = _SAME_CLASS.get(expected["class"], expected["class"])
    bare = expected["name"].removeprefix("PermissionBuilder: ")
    if (error.name, str(error.stage)) != (known, expected["stage"]) or bare not in (error.name, expected["class"]):
        raise MismatchError(f"computed {error}, expected {expected['class']} at {expected['stage']}")


def _check_out(v: Answers, given: Answers, install: ValidationInstall) -> None:
    if not v.has("out"):
        raise MismatchError(f"computed an installation, expected {v.take('error')}")
    out = Answers(v.take("out"), ignore=("sdkVersionsAgree",))
    has_hooks = given.has("signerValidationHasExecHooks") and given.take("signerValidationHasExecHooks")
    call = wrap_execute_user_op(install.call_data) if has_hooks else install.call_data
    assert parse_install(install.call_data) == install
    action = DeferredAction(nonce=given.number("nonce"), deadline=given.number("deadline"), call=call)
    account, chain_id = given.address("account"), given.number("chainId")
    signer = given.take("signerEntity")
    authorizer = Authorizer(entity_id=signer["entityId"], is_global=signer["isGlobalValidation"])
    unsigned = unsigned_blob(action, has_execution_hooks=install.has_execution_hooks, authorizer=authorizer)
    digest = action.digest(account=account, chain_id=chain_id)
    signature = sign(given.take("ownerKey"), digest)
    assert recover_signer(digest, signature) == owner_of(given.take("ownerKey"))
    typed = action.typed_data(account=account, chain_id=chain_id)
    _check_typed_data(out, typed)
    out.check(
        validationConfig=install.validation_config,
        selectors=list(install.selectors),
        installData=install.install_data,
        hooks=[{"config": h.config, "kind": str(h.kind), "initData": h.init_data} for h in install.hooks],
        hasAssociatedExecHooks=install.has_execution_hooks,
        call=call,
        domainSeparator=domain_separator(Domain(chain_id, account)),
        structHash=action.struct_hash,
        digest=digest,
        preSignaturePrefix=Data(unsigned[: -len(call)]),
        ownerSignature=signature,
    )
    out.finish()
    given.finish()


def _check_typed_data(out: Answers, typed: dict[str, Any]) -> None:
    """Compare the typed data; the vectors leave `types` out and have a placeholder for the call."""
    fields = [{"name": "nonce", "type": "uint256"}, {"name": "deadline", "type": "uint48"}]
    if typed.pop("types") != {"DeferredAction": [*fields, {"name": "call", "type": "bytes"}]}:
        raise MismatchError("typed data: other types")
    typed["message"] = {**typed["message"], "call": "<out.call>"}
    out.check(typedData=typed)


def check_uninstall(vector: Vector) -> None:
    """Check the hooks of the permissions, and the call that uninstalls them."""
    v = Answers(vector, ignore=("id",))
    entity_id = v.number("entityId")
    terms = SessionTerms(
        account="0x" + "11" * 20,
        key="0x" + "22" * 20,
        entity_id=entity_id,
        deadline=v.number("deadline"),
        now=0,
    )
    install = compile_raw_permissions([grant_from_text(item) for item in v.take("permissions")], terms)
    with_data, with_signer = v.take("withHookData"), v.take("uninstallData") != "0x"
    v.check(
        installHooks=[hook.config for hook in install.hooks],
        moduleEntity=module_entity(install.module, number(entity_id)),
        uninstallData=abi.uint(entity_id) if with_signer else b"",
        hookUninstallDatas=list(hook_uninstall_data(install)) if with_data else [],
        call=uninstall_call_data(install, with_hook_data=with_data, with_signer_data=with_signer),
    )
    v.finish()
