"""Money: what is used beyond what is free, times its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PRICES = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True)
class Line:
    """One line of the bill. `free_usd`: what the free tier spares."""

    what: str
    used: float
    usd: float
    free_usd: float


def bill(usage: Iterable[tuple[str, str, float]], prices: Mapping[str, Any]) -> list[Line]:
    """Lines of one price share its free part, the first ones first."""
    left = {name: float(price["free"]) for name, price in prices.items()}
    lines = []
    for name, what, used in usage:
        each = prices[name]["usd"] / prices[name]["per"]
        free = min(used, left[name])
        left[name] -= free
        lines.append(Line(what, used, (used - free) * each, free * each))
    return lines


def read_prices(file: Path = PRICES) -> dict[str, Any]:
    """The dated price list."""
    prices: dict[str, Any] = yaml.safe_load(file.read_text())
    return prices
