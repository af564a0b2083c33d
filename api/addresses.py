"""Which addresses the service may connect to on somebody's behalf: public unicast, and nothing else.

`ipaddress.is_global` alone is not enough: it calls 64:ff9b::7f00:1 (NAT64 of 127.0.0.1), 2002:7f00:1:: (6to4 of the
same) and multicast global. So every IPv4 address inside an IPv6 one is unwrapped and judged too.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1, deprecated
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)  # RFC 5214: the upper half of the interface identifier
# Not global by purpose, whatever the registry of the running Python says.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier NAT, also cloud metadata
        "168.63.129.16/32",  # Azure's host, a public number that only guests can reach
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "fec0::/10",  # site-local
        "5f00::/16",  # segment routing
        "3fff::/20",  # documentation
        "100::/64",
    )
)


def is_public(address: str | Address) -> bool:
    """Say whether an address is public unicast, and so is every IPv4 address that it carries.

    Example:
        >>> is_public("93.184.215.14"), is_public("64:ff9b::7f00:1"), is_public("2002:7f00:1::")
        (True, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return False
        inner = _embedded(parsed)
        if parsed.ipv4_mapped is not None:
            return is_public(parsed.ipv4_mapped)
        if any(not is_public(item) for item in inner):
            return False
    if any(parsed.version == network.version and parsed in network for network in _REFUSED):
        return False
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and not parsed.is_unspecified
        and not parsed.is_loopback
        and not parsed.is_link_local
    ) or _is_nat64_of_public(parsed)


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address may lead to."""
    number = int(address)
    low = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    found = [item for item in (address.ipv4_mapped, address.sixtofour) if item is not None]
    if address.teredo is not None:
        found += address.teredo  # server and client
    if any(address in network for network in _NAT64) or address in _IPV4_COMPATIBLE:
        found.append(low)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
        found.append(low)
    return found


def _is_nat64_of_public(address: Address) -> bool:
    """Say whether this is the well-known NAT64 form; its inner address was judged already."""
    return isinstance(address, ipaddress.IPv6Address) and address in _NAT64[0]
