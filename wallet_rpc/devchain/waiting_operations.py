"""User operations that wait in the chain's mempool, in the transactions of their bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE

from wallet_rpc.devchain.handle_ops import read_handle_ops, with_authorization
from wallet_rpc.devchain.mempool import Mempool
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash

_Operations = Mapping[bytes, UserOperation]


class WaitingOperations:
    """The operations of the mempool's bundles. Each bundle is decoded once."""

    def __init__(self, mempool: Mempool, chain_id: int) -> None:
        self._mempool = mempool
        self._chain_id = chain_id
        self._bundles: dict[bytes, _Operations] = {}

    def find(self, identity: bytes) -> UserOperation | None:
        """Return the operation of that hash; None when no transaction of the mempool has it."""
        known = self._bundles
        self._bundles = {
            sent.hash: self._decode(sent) if (bundle := known.get(sent.hash)) is None else bundle
            for sent in self._mempool
            if bytes(sent.transaction.to) == ENTRY_POINT
        }
        found = (bundle.get(bytes(identity)) for bundle in self._bundles.values())
        return next((op for op in found if op is not None), None)

    def _decode(self, sent: SentTransaction) -> _Operations:
        transaction: Any = sent.transaction
        signed = transaction.authorization_list if transaction.type_id == SET_CODE_TRANSACTION_TYPE else ()
        operations = (with_authorization(op, signed) for op in read_handle_ops(transaction.data))
        return {bytes(user_operation_hash(op, self._chain_id, ENTRY_POINT)): op for op in operations}
