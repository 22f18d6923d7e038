"""The template's parameters as settings: EmailFrom is EMAIL_FROM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from infra.local.paths import TEMPLATE

# What the deploy itself decides.
OWN = {"Stage", "SupabaseUrl", "PythonRuntime"}


@cache
def declared() -> dict[str, dict[str, Any]]:
    """The parameters that an operator may set, as template.yaml declares them."""
    found: dict[str, dict[str, Any]] = yaml_parse(TEMPLATE.read_text())["Parameters"]
    return {name: each for name, each in found.items() if name not in OWN}


def setting(parameter: str) -> str:
    """EmailFrom -> EMAIL_FROM."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()


def chosen(values: Mapping[str, str]) -> dict[str, str]:
    """Those that are set. An empty value leaves the template's default."""
    return {name: values[setting(name)] for name in declared() if values.get(setting(name))}


def problems(values: Mapping[str, str]) -> list[str]:
    """What CloudFormation would refuse after minutes, found at once."""
    given = chosen(values)
    found = [refusal for name, value in given.items() if (refusal := _refusal(name, value))]
    found += [
        f"{setting(name)}: is not set; {each.get('Description', 'template.yaml wants it')}"
        for name, each in declared().items()
        if "Default" not in each and name not in given
    ]
    if bool(given.get("PageDomain")) != bool(given.get("PageCertificateArn")):
        found.append("PAGE_DOMAIN and PAGE_CERTIFICATE_ARN: set both or neither")
    return found


def _refusal(name: str, value: str) -> str | None:
    rules = declared()[name]
    allowed = [str(each) for each in rules.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"{setting(name)}: must be one of {', '.join(allowed)}"
    if rules["Type"] == "Number" and not _within(value, rules):
        bounds = f"from {rules.get('MinValue', 'any')} to {rules.get('MaxValue', 'any')}"
        return f"{setting(name)}: must be a whole number {bounds}"
    pattern = rules.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        why = rules.get("ConstraintDescription") or rules.get("Description") or f"must match {pattern}"
        return f"{setting(name)}: {value!r} is not that: {why}"
    return None


def _within(value: str, rules: Mapping[str, Any]) -> bool:
    if not value.isdecimal():
        return False
    return int(rules.get("MinValue", 0)) <= int(value) <= int(rules.get("MaxValue", 10**12))
