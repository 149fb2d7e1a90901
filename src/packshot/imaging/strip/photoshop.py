"""Photoshop's resources in JPEG: of them only IPTC's words about makers and owners (IPTC IIM 4.2)."""

import struct

_RESOURCE = struct.Struct(">4sHB")
_SIZE = struct.Struct(">I")
_DATASET = struct.Struct(">BBBH")
_SIGNATURE = b"8BIM"
_IPTC = 0x0404
_MARK = 0x1C

# The coding of the texts; then by-line, credit, source and copyright notice.
_KEPT = frozenset({(1, 90), (2, 80), (2, 110), (2, 115), (2, 116)})


def rebuilt(resources: memoryview) -> bytes:
    """One resource of what is kept, empty when that is nothing; what cannot be read ends the reading."""
    at = 0
    while at + _RESOURCE.size + _SIZE.size <= len(resources):
        signature, number, name_bytes = _RESOURCE.unpack_from(resources, at)
        # The name, with its length in front, takes an even number of bytes, and so does the body.
        size_at = at + 6 + (name_bytes + 2) // 2 * 2
        if signature != _SIGNATURE or size_at + _SIZE.size > len(resources):
            return b""
        size_bytes = _SIZE.unpack_from(resources, size_at)[0]
        body_at = size_at + _SIZE.size
        if number == _IPTC:
            return _resource(_harmless(resources[body_at : body_at + size_bytes]))
        at = body_at + size_bytes + size_bytes % 2
    return b""


def _harmless(datasets: memoryview) -> bytes:
    kept, at = b"", 0
    while at + _DATASET.size <= len(datasets):
        mark, record, number, size_bytes = _DATASET.unpack_from(datasets, at)
        end = at + _DATASET.size + size_bytes
        if mark != _MARK or end > len(datasets):
            break
        if (record, number) in _KEPT:
            kept += datasets[at:end]
        at = end
    return kept


def _resource(body: bytes) -> bytes:
    if not body:
        return b""
    return _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(body)) + body + b"\0" * (len(body) % 2)
