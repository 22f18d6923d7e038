import asyncio

import pytest

from watchkeeper.addresses import allowed, reach, resolve
from watchkeeper.errors import Inconclusive

REACHES = {
    "public": [
        "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "192.0.9.1",
        "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    ],
    "loopback": [
        "127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
    "private": [
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fd12::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1",
    ],
    "forbidden": [
        "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "0.0.0.1", "0.1.2.3", "::", "::7f00:1", "224.0.0.1", "ff02::1",
        "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "2001:db8::1", "2001::1", "64:ff9b:1::1",
        "fec0::1", "5f00::1",
    ],
}  # fmt: skip
PERMITTED = {
    "none": {"public"},
    "loopback": {"public", "loopback"},
    "all": {"public", "loopback", "private"},
}


@pytest.mark.parametrize(
    ("address", "expected"), [(address, name) for name, group in REACHES.items() for address in group]
)
def test_what_an_address_reaches(address: str, expected: str) -> None:
    assert reach(address) == expected


@pytest.mark.parametrize("rule", ["none", "loopback", "all"])
@pytest.mark.parametrize("name", REACHES)
def test_which_targets_a_rule_permits(rule: str, name: str) -> None:
    for address in REACHES[name]:
        assert allowed(address, rule) == (name in PERMITTED[rule])  # type: ignore[arg-type]


def test_a_name_is_judged_by_its_addresses_and_ipv4_goes_first() -> None:
    found = asyncio.run(resolve("localhost", 80, "loopback"))
    assert found == sorted(found, key=lambda address: ":" in address)
    with pytest.raises(Inconclusive, match="localhost has a loopback address"):
        asyncio.run(resolve("localhost", 80, "none"))
