"""What the README shows can be copied: its files apply, and its verification verifies."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest

from infra.cli.config_file import loads
from tests.support.parts import Api
from watchkeeper.catalog import catalog
from watchkeeper.notifiers.webhook import sign

README = (Path(__file__).parents[2] / "README.md").read_text()
FILES = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
KEY, BODY, NOW = "k3y", b'{"event": "trigger"}', 1_795_000_000


def test_its_files_can_be_applied(api: Api) -> None:
    whole: dict[str, Any] = {}
    for file in FILES:
        whole |= loads(file, catalog()).data
    with api.store() as store:
        store.publish_catalog(catalog("loopback"))
        plan = store.apply_config(whole, dry_run=True)["plan"]
    # Of the settings of which there is one, nothing is created.
    verbs = {
        section: ["created"] if isinstance(items, list) else list(plan[section])
        for section, items in whole.items()
    }
    assert {section: sum(len(plan[section][verb]) for verb in verbs[section]) for section in plan} == {
        section: len(items) for section, items in whole.items()
    }


def is_genuine(header: str, body: bytes = BODY, key: str = KEY, now: float = NOW) -> bool:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(code, names)  # noqa: S102 - it is what people copy
    return bool(names["is_genuine"](header, body, key, now))


def test_a_signature_is_verified_as_the_readme_says() -> None:
    assert is_genuine(sign(KEY, BODY, NOW))
    assert is_genuine(sign(KEY, BODY, NOW), now=NOW + 300)


@pytest.mark.parametrize(
    "forged",
    [
        {"body": BODY + b" "},
        {"key": "other"},
        {"now": NOW + 301},
        {"now": NOW - 301},
        {"header": ""},
        {"header": f"t={NOW}"},
        {"header": f"t={NOW},v1=ünïcode"},
        {"header": sign(KEY, BODY, NOW).replace(f"t={NOW}", f"t={NOW + 1}")},
        {"header": "t=x,v1=" + "0" * 64},
    ],
)
def test_what_is_not_genuine_is_refused(forged: dict[str, Any]) -> None:
    assert not is_genuine(**{"header": sign(KEY, BODY, NOW), **forged})
