"""The kinds of check, one file each."""

from typing import Any

from watchkeeper.checks import blockchain, economics, mempool, p2p, quantum, uptime
from watchkeeper.protocols import Check

CHECKS: dict[str, Check[Any, Any]] = {
    "blockchain": blockchain.CHECK,
    "p2p": p2p.CHECK,
    "mempool": mempool.CHECK,
    "quantum": quantum.CHECK,
    "economics": economics.CHECK,
    "uptime": uptime.CHECK,
}
