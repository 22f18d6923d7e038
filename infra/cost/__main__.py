"""`make cost`: what AWS asks for a month of watching, line by line. Supabase has prices of its own."""

from __future__ import annotations

import argparse
from dataclasses import fields

from infra.cost.bill import Line, bill, read_prices
from infra.cost.usage import DATABASE_S, TARGET_S, Plan, Template, read_figures, usage
from infra.local.steps import say


def main() -> None:
    plan = Plan(**vars(_arguments()))
    figures, prices = read_figures(), read_prices()
    lines = bill(usage(plan, Template.own(), figures), prices)
    dates = sorted(str(price["of"]) for price in prices.values())
    say(
        f"{plan.targets} targets, each with {plan.checks} checks every {plan.interval_s} s; us-east-1, arm64\n"
    )
    say(f"{'':24} {'used':>14} {'free tier':>10} {'USD/month':>10}")
    for line in lines:
        say(
            f"{line.what:24} {line.used:14,.{0 if line.used >= 100 else 2}f} {line.free_usd:10.2f} {line.usd:10.2f}"
        )
    total, free = sum(line.usd for line in lines), sum(line.free_usd for line in lines)
    say(f"{'in all':24} {'':14} {free:10.2f} {total:10.2f}\n")
    say(f"most of it: {_most(lines)}")
    say(f"prices of {dates[0]} to {dates[-1]} (infra/cost/prices.yaml), work measured {figures['measured']};")
    say(
        f"assumed: the targets were saved in {plan.seconds} different seconds, and share those in which they fall due;"
    )
    say(f"  {TARGET_S:g} s until a message's targets have answered, {DATABASE_S:g} s for the database")


def _most(lines: list[Line]) -> str:
    dear = sorted((line for line in lines if line.usd), key=lambda line: -line.usd)[:3]
    return ", ".join(f"{line.what} {line.usd:.2f}" for line in dear) or "nothing"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make cost", description=__doc__)
    for field in fields(Plan):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
