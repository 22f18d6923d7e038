"""Which addresses a target may have. Whoever may save a target must not get a door into our network."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from watchkeeper.errors import Inconclusive, NotAllowed
from watchkeeper.settings import PrivateTargets
from watchkeeper.threads import in_thread

Reach = Literal["public", "loopback", "private", "forbidden"]

GLOBAL_UNICAST = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")
PRIVATE = [
    ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
# EC2's metadata service over IPv6, inside the unique local range. Its IPv4 twin is link-local.
METADATA = ip_network("fd00:ec2::/32")


def reach(address: str) -> Reach:
    """What an address reaches. Link-local (cloud metadata), multicast and reserved ranges are forbidden."""
    ip = _embedded(ip_address(address.partition("%")[0]))
    if ip.is_loopback:
        return "loopback"
    if ip in METADATA:
        return "forbidden"
    if any(ip in net for net in PRIVATE):
        return "private"
    if ip.is_global and not ip.is_multicast and (ip.version == 4 or ip in GLOBAL_UNICAST):
        return "public"
    return "forbidden"


def allowed(address: str, private_targets: PrivateTargets) -> bool:
    """Whether a target may have this address under the rule none, loopback or all."""
    permitted = {
        "none": ["public"],
        "loopback": ["public", "loopback"],
        "all": ["public", "loopback", "private"],
    }
    return reach(address) in permitted[private_targets]


async def resolve(host: str, port: int, private_targets: PrivateTargets) -> list[str]:
    """The permitted addresses of a host, IPv4 first: few functions have a way out over IPv6."""
    found = await _look_up(host, port)
    usable = [address for address in found if allowed(address, private_targets)]
    if not usable:
        raise NotAllowed(
            f"{host} has a {reach(found[0])} address ({found[0]}); PRIVATE_TARGETS is {private_targets}"
        )
    return sorted(usable, key=lambda address: ":" in address)


async def _look_up(host: str, port: int) -> list[str]:
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        raise Inconclusive(f"DNS: cannot resolve {host}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise Inconclusive(f"DNS: {host} is not a host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to (mapped, 6to4, NAT64), else itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
