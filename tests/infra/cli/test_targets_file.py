"""The file of targets: every mistake with its line, all at once; and what is exported can be applied."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cli.targets_file import dump, loads
from infra.cli.yaml_file import FileError
from tests.support.near import near
from watchkeeper.catalog import catalog

CATALOG = catalog()
GOOD = """\
targets:
  - name: anvil
    chain: evm
    network: anvil
    endpoint: http://127.0.0.1:8545
    labels: {env: dev}
    checks:
      blockchain: {interval_s: 60, params: {block_time_s: 12}}
      p2p:
  - name: site
    endpoint: https://example.org/
    checks: {uptime: {enabled: false}}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        loads(text, CATALOG, "my.yaml")
    return str(caught.value).splitlines()


def test_a_good_file_is_its_targets() -> None:
    targets = loads(GOOD, CATALOG).data
    assert [target["name"] for target in targets] == ["anvil", "site"]
    assert targets[0]["checks"] == {
        "blockchain": {"interval_s": 60, "params": {"block_time_s": 12}},
        "p2p": None,
    }


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = """\
targets:
  - name: anvil
    chain: evm
    endpont: http://127.0.0.1:8545
    checks:
      p2p: {interval_s: abc}
      mempol: {}
      quantum: {}
  - name: anvil
    chain: evn
  - chain:
    labels: {env: 5}
    checks:
      uptime:
        interval_s: 10
        timeout_s: 20
        params: {max_ms: -1, url: 7}
version: 2
"""
    assert mistakes(text) == [
        "my.yaml:2: targets[0].endpoint: is needed for chain evm",
        'my.yaml:4: targets[0].endpont: is not known; did you mean "endpoint"?',
        'my.yaml:6: targets[0].checks.p2p.interval_s: must be a whole number from 5 to 86400 (is "abc")',
        'my.yaml:7: targets[0].checks.mempol: is not known; did you mean "mempool"?',
        (
            "my.yaml:8: targets[0].checks.quantum: cannot work on chain evm; "
            "it offers blockchain, p2p, mempool, uptime"
        ),
        'my.yaml:9: targets[1].name: "anvil" is also the name of targets[0]',
        'my.yaml:10: targets[1].chain: is not known; did you mean "evm"?',
        "my.yaml:11: targets[2].name: is missing",
        "my.yaml:12: targets[2].labels.env: must be a text (is 5)",
        "my.yaml:16: targets[2].checks.uptime.timeout_s: must not be longer than interval_s (10)",
        *[line for line in mistakes(text) if line.startswith("my.yaml:17:")],
        "my.yaml:18: version: is not known; known are targets",
    ]
    assert any("params.url: must be a text" in line for line in mistakes(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "my.yaml:1: is empty; it must hold `targets:` with a list"),
        ("# nothing\n", "my.yaml:1: is empty; it must hold `targets:` with a list"),
        ("[]", "my.yaml:1: must be a map (is [])"),
        ("targets:", "my.yaml:1: targets: must be a list (is null)"),
        ("targets: {a: 1}", 'my.yaml:1: targets: must be a list (is {"a": 1})'),
        ("targets:\n- 5", "my.yaml:2: targets[0]: must be a map (is 5)"),
        ("target: []", 'my.yaml:1: target: is not known; did you mean "targets"?'),
        ("targets: [{name: ' a'}]", "my.yaml:1: targets[0].name: must not begin or end with a space"),
        (
            "targets: [{name: a, checks: {p2p: }}]",
            "my.yaml:1: targets[0].checks.p2p: cannot work on a target without",
        ),
        ("targets: [{name: a, chain: [evm]}]", "my.yaml:1: targets[0].chain: must be a text or null"),
        ("targets: [{name: a, regions: {names: [eu]}}]", "my.yaml:1: targets[0].regions.agree: is missing"),
        (
            "targets: [{name: a, regions: {agree: 0}}]",
            "my.yaml:1: targets[0].regions.agree: must be a whole number from 1",
        ),
        (
            "targets: [{name: a, regions: {agree: 3, names: [eu, us]}}]",
            "my.yaml:1: targets[0].regions.agree: must not be more than the 2 names (is 3)",
        ),
        (
            "targets: [{name: a, regions: {agree: 1, names: [eu, us, eu]}}]",
            'my.yaml:1: targets[0].regions.names[2]: "eu" is there twice',
        ),
        (
            "targets: [{name: a, endpoint: 'https://${HOST}/'}]",
            "my.yaml:1: targets[0].endpoint: placeholders such as ${NAME} are not supported",
        ),
    ],
)
def test_a_mistake_is_told(text: str, said: str) -> None:
    assert any(line.startswith(said) for line in mistakes(text)), mistakes(text)


STORED: dict[str, Any] = {
    "id": "5f0c4f1e-0000-4000-8000-000000000001",
    "name": "no",
    "chain": "evm",
    "network": None,
    "endpoint": "http://127.0.0.1:8545",
    "settings": {},
    "labels": {"on": "yes", "date": "2026-11-23", "number": "5", "nothing": ""},
    "paused": True,
    "regions": {"agree": 2},
    "looks": {"eu": {"outcome": "ok"}},
    "status": "ok",
    "checks": {
        "p2p": {
            "interval_s": 30,
            "timeout_s": 10,
            "enabled": False,
            "params": {},
            "check_id": "x",
            "values": {},
        },
        "blockchain": {"interval_s": 60, "timeout_s": 10, "enabled": True, "params": {"block_time_s": 0.1}},
    },
}


def test_what_is_exported_can_be_applied() -> None:
    (target,) = loads(dump([STORED]), CATALOG).data
    assert target == {
        "name": "no",
        "chain": "evm",
        "endpoint": "http://127.0.0.1:8545",
        "labels": STORED["labels"],
        "checks": {
            "blockchain": {"interval_s": 60, "timeout_s": 10, "params": {"block_time_s": 0.1}},
            "p2p": {"interval_s": 30, "timeout_s": 10, "enabled": False},
        },
        "regions": {"agree": 2},
    }


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), unique=True, max_size=5)
)
def test_any_label_survives_the_round_trip(texts: list[str]) -> None:
    targets = [{**STORED, "name": f"t{n}", "labels": {"label": text}} for n, text in enumerate(texts)]
    if any("${" in text for text in texts):
        return
    found = loads(dump(targets), CATALOG).data
    assert [target["labels"]["label"] for target in found] == texts


def test_an_export_of_nothing_can_be_applied() -> None:
    assert loads(dump([]), CATALOG).data == []


@settings(max_examples=300, deadline=None)
@given(near(loads(GOOD, CATALOG).data))
def test_any_data_is_taken_or_refused_with_a_line(targets: object) -> None:
    try:
        loads(json.dumps({"targets": targets}), CATALOG, "my.yaml")
    except FileError as error:
        assert all(line.startswith("my.yaml:1: targets") for line in str(error).splitlines())  # noqa: PT017
