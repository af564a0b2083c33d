"""XMP packets to fields: attributes, elements, resources and lists, parsed without entities or external references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from detect.provenance.metadata.fields import Field, make_field

MAX_PACKET_BYTES = 16 * 2**20

PREFIXES = {
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://www.tc260.org.cn/ns/AIGC/1.0/": "TC260",
    "http://ns.adobe.com/pdf/1.3/": "pdf",
}

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PACKET = re.compile(rb"<x:xmpmeta[\s>].*?</x:xmpmeta>|<rdf:RDF[\s>].*?</rdf:RDF>", re.DOTALL)


def find_packets(data: bytes) -> list[bytes]:
    """Return the XMP packets that stand as plain UTF-8 in `data`, at most 16."""
    found: list[bytes] = []
    if b"<x:xmpmeta" not in data and b"<rdf:RDF" not in data:
        return found
    for match in _PACKET.finditer(data):
        found.append(match[0][:MAX_PACKET_BYTES])
        if len(found) == 16:
            break
    return found


def read_packet(packet: bytes) -> Iterator[Field]:
    """Yield the properties of one packet; a packet that is not XML yields nothing."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    start = packet.find(b"<x:xmpmeta")
    start = start if start >= 0 else packet.find(b"<rdf:RDF")
    end = packet.rfind(b">") + 1
    if start < 0 or end <= start or len(packet) > MAX_PACKET_BYTES:
        return
    try:
        root = fromstring(packet[start:end].rstrip(b"\x00"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        return
    for description in root.iter(_RDF + "Description"):
        for name, value in description.attrib.items():
            yield from _keep(name, value)
        for child in description:
            for value in _values(child):
                yield from _keep(child.tag, value)


def _values(element: Element) -> Iterator[str]:
    """Yield the texts below a property: its own, its resource, its list items and structure members."""
    if element.text and element.text.strip():
        yield element.text
    for name, value in element.attrib.items():
        if name == _RDF + "resource" or not name.startswith(("{http://www.w3.org/", _RDF)):
            yield value
    for inner in element.iter():
        if inner is not element:
            if inner.text and inner.text.strip():
                yield inner.text
            resource = inner.attrib.get(_RDF + "resource")
            if resource:
                yield resource


def _keep(tag: object, value: str) -> Iterator[Field]:
    namespace, _, name = str(tag).removeprefix("{").rpartition("}")
    prefix = PREFIXES.get(namespace)
    field = make_field("xmp", f"{prefix}:{name}" if prefix else name, value)
    if field is not None and namespace != _RDF.strip("{}"):
        yield field
