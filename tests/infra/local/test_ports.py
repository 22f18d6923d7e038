"""Ports come from the environment, and a taken one is told with the variable that moves it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from infra.local.ports import Ports, free_ports
from infra.local.steps import LocalError


def test_unset_and_empty_mean_the_default() -> None:
    assert Ports.from_env({"API_PORT": ""}) == Ports()


def test_each_has_its_variable() -> None:
    env = {
        "API_PORT": "2001",
        "DB_PORT": "2002",
        "AWS_PORT": "2003",
        "ANVIL_PORT": "2004",
        "DASHBOARD_PORT": "2005",
    }
    assert Ports.from_env(env) == Ports(2001, 2002, 2003, 2004, 2005)


@pytest.mark.parametrize("value", ["x", "80", "65536", "-1", "1e4", "²"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(LocalError, match="DB_PORT"):
        Ports.from_env({"DB_PORT": value})


def test_a_taken_one_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = Ports(aws_port=taken.getsockname()[1])
        with pytest.raises(LocalError, match="AWS_PORT="):
            ports.require_free("aws_port")


def test_free_ones_differ_and_are_never_lent_to_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    lent_from = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(lent_from.read_text().split()[0]) if lent_from.is_file() else 49152
    assert all(port < lowest for port in ports)
