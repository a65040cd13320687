"""JSON record of a node's settings and mempool, for the store, snapshots and dumps."""

from __future__ import annotations

import json
from typing import Any

from wallet_rpc.devchain.admission import read_transaction
from wallet_rpc.devchain.mempool import Mempool
from wallet_rpc.devchain.node_settings import NodeSettings
from wallet_rpc.devchain.sent_transaction import SentTransaction


def pack_node(settings: NodeSettings, pool: Mempool) -> str:
    """Encode the settings, and the transactions of the mempool by arrival."""
    transactions = [[sent.raw.hex(), sent.sender.hex() if sent.is_impersonated else None] for sent in pool]
    return json.dumps({"settings": settings.to_json(), "mempool": transactions}, separators=(",", ":"))


def unpack_node(record: str | None, pool: Mempool) -> NodeSettings:
    """Replace the content of the mempool by the record's, and return its settings; None is a new node's record."""
    pool.clear()
    if record is None:
        return NodeSettings()
    fields: dict[str, Any] = json.loads(record)
    for raw, sender in fields["mempool"]:
        encoded = bytes.fromhex(raw)
        pool.add(
            read_transaction(encoded) if sender is None else SentTransaction.impersonate(encoded, bytes.fromhex(sender))
        )
    return NodeSettings.from_json(fields["settings"])
