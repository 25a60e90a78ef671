"""Reach: which addresses a connection may lead to, as whoever runs Outlay has said (OUTLAY_PRIVATE_HOSTS).

On the command line a `base_url` may name a private address, since whoever has the machine reaches it anyway. One that
comes from Slack may name only those that are listed. Some addresses are nobody's ledger and are reached only where they
are listed, whoever names them: link-local ones with a cloud's metadata service among them, and the forms of IPv6 that
hold an IPv4 address, behind which a private one would hide.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from outlay.plugin.errors import BadConfig

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Named = Literal["address", "private name", "public name"]

REFUSED = (
    "From Slack, Outlay reaches no private or local address unless whoever runs it has allowed that one in "
    "OUTLAY_PRIVATE_HOSTS."
)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_UNNAMEABLE = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local; a cloud's metadata service
        "100.100.100.200/32",  # Alibaba's
        "192.0.0.192/32",  # Oracle's
        "fd00:ec2::/32",  # Amazon's
        "fe80::/10",
        "::/128",
        "::/96",  # IPv4-compatible, see _LOOPBACK
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
    )
)
_LOOPBACK = ip_address("::1")


@dataclass(frozen=True, slots=True)
class Reach:
    """What is listed, and whether the connection was made in Slack, where only that may be named."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    from_slack: bool = False

    @classmethod
    def of(cls, hosts: frozenset[str], *, from_slack: bool = False) -> "Reach":
        """Build it from a list of names, addresses and networks. Raises ValueError for what is none of these."""
        names, networks = set(), []
        for host in sorted(hosts):
            try:
                networks.append(ip_network(host.strip("[]"), strict=False))
            except ValueError:
                name = host.lower().rstrip(".")
                if not _NAME.fullmatch(name) or re.fullmatch(r"[0-9.]+", name):
                    raise ValueError(host) from None
                names.add(name)
        return cls(frozenset(names), tuple(networks), from_slack)

    def lists(self, address: Address) -> bool:
        """Report whether an address is listed, by itself or in a network."""
        return any(address.version == network.version and address in network for network in self.networks)

    def check(self, host: str, named: Named) -> Named:
        """Return how a host of a base URL is named, once it may be. Raises BadConfig, always in the same words."""
        host = host.lower().rstrip(".")
        if host in self.names:
            return "private name"
        if named == "public name" or (named == "private name" and not self.from_slack):
            return named
        address = _address(host)
        if address is None or not self.lists(address):
            if self.from_slack:
                raise BadConfig("base_url", REFUSED)
            if address is not None and unnameable(address):
                raise BadConfig(
                    "base_url", f"{host} is an address that is reached only if OUTLAY_PRIVATE_HOSTS lists it."
                )
        return named


def unnameable(address: Address) -> bool:
    """Report whether an address is reached only where it is listed, even if a base URL names it."""
    if address == _LOOPBACK:
        return False
    return any(address.version == network.version and address in network for network in _UNNAMEABLE)


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
