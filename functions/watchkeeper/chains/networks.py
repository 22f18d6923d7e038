"""Networks known by name. A preset lies under what the target itself says."""

from typing import Any


def _evm(chain_id: int, block_time_s: float, block_window: int = 10) -> dict[str, Any]:
    return {
        "chain": "evm",
        "settings": {"chain_id": chain_id, "block_window": block_window},
        "params": {"blockchain": {"block_time_s": block_time_s}},
    }


# Block times are seconds, timestamps whole ones: fast chains are averaged over more blocks.
NETWORKS: dict[str, dict[str, Any]] = {
    "ethereum-mainnet": _evm(1, 12),
    "ethereum-sepolia": _evm(11155111, 12),
    "ethereum-holesky": _evm(17000, 12),
    "ethereum-hoodi": _evm(560048, 12),
    "gnosis": _evm(100, 5),
    "polygon": _evm(137, 2, 50),
    "polygon-amoy": _evm(80002, 2, 50),
    "bsc": _evm(56, 0.75, 100),
    "avalanche": _evm(43114, 2, 50),
    "base": _evm(8453, 2, 50),
    "base-sepolia": _evm(84532, 2, 50),
    "optimism": _evm(10, 2, 50),
    "optimism-sepolia": _evm(11155420, 2, 50),
    "arbitrum": _evm(42161, 0.25, 400),
    "arbitrum-sepolia": _evm(421614, 0.25, 400),
    # The pace of `make up`; a laptop's node may run under any chain id.
    "anvil": {"chain": "evm", "settings": {}, "params": {"blockchain": {"block_time_s": 2}}},
}
