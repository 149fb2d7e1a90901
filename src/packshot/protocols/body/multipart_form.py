"""`multipart/form-data` bodies. A file part is read like a field: the protocols know plain fields only."""

from typing import Any

from multipart import (  # type: ignore[import-untyped] # the library has annotations, but no py.typed
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body.brackets import Node, insert, settled, text_of, without_nul

PARTS = 100
HEADER_BYTES = 8 * 1024

_CHUNK_BYTES = 256 * 1024
_LONGEST_BOUNDARY = 70


def parse_multipart(body: bytes | bytearray, content_type: str) -> dict[str, Any]:
    """The fields of a multipart form, their names with brackets as in `parse_form`; every value is a str.

    Raises:
        InvalidRequest: no boundary in `content_type`, a broken or unfinished form, more than 100 parts, more
            than 8 KiB of headers in a part, or a value which is not UTF-8 or has a NUL in it.
    """
    tree = Node()
    try:
        with PushMultipartParser(
            _boundary(content_type), max_segment_count=PARTS, max_header_size=HEADER_BYTES
        ) as parser:
            _fill(tree, parser, body)
    except ParserLimitReached:
        raise InvalidRequest("body", f"has more than {PARTS} parts, or too many headers in one") from None
    except MultipartError:
        raise InvalidRequest("body", "is not a valid multipart form") from None
    return settled(tree)


def _fill(tree: Node, parser: PushMultipartParser, body: bytes | bytearray) -> None:
    name = ""
    chunks: list[bytes] = []
    for start in range(0, len(body), _CHUNK_BYTES):
        for event in parser.parse(body[start : start + _CHUNK_BYTES]):
            if isinstance(event, MultipartSegment):
                name, chunks = _name(event), []
            elif event:
                chunks.append(event)
            else:
                insert(tree, name, text_of(b"".join(chunks), name))


def _name(part: MultipartSegment) -> str:
    if sum(len(name) + len(value) for name, value in part.headerlist) > HEADER_BYTES:
        raise InvalidRequest("body", f"has a part with more than {HEADER_BYTES} bytes of headers")
    return without_nul(part.name or "", "body")


def _boundary(content_type: str) -> str:
    boundary: str = parse_options_header(content_type)[1].get("boundary", "")
    if not (boundary.isascii() and 0 < len(boundary) <= _LONGEST_BOUNDARY):
        raise InvalidRequest("Content-Type", "needs a boundary of 1 to 70 ASCII characters")
    return boundary
