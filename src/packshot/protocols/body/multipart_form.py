"""`multipart/form-data` bodies: whole, where a file is read like a field, or piece by piece around one file."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from packshot.protocols.body.stream import Take

PARTS = 100
HEADER_BYTES = 8 * 1024
FIELDS_BYTES = 64 * 1024
"""What all fields beside a file may have together."""

_CHUNK_BYTES = 256 * 1024
_LONGEST_BOUNDARY = 70


def parse_multipart(body: bytes | bytearray, content_type: str) -> dict[str, Any]:
    """The fields of a multipart form, their names with brackets as in `parse_form`; every value is a str.

    Raises:
        InvalidRequest: no boundary in `content_type`, a broken or unfinished form, more than 100 parts, more
            than 8 KiB of headers in a part, or a value which is not UTF-8 or has a NUL in it.
    """
    tree = Node()
    with _in_our_words(), _parser(content_type) as parser:
        _fill(tree, parser, body)
    return settled(tree)


class FileForm:
    """A form around one file, which comes piece by piece: *take* gets those of the file, `fields` are kept.

    A part is the file if it has a file name, also an empty one. Field names are in lower case, of two fields with one
    name the later one counts. Pass each piece of the body to `feed`, then call `finish`.
    """

    def __init__(self, content_type: str, take: Take) -> None:
        """Begin. Raises: InvalidRequest if *content_type* has no boundary."""
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._parser = _parser(content_type)
        self._take = take
        self._name: str | None = None
        self._value = bytearray()
        self._fields_bytes = 0

    async def feed(self, piece: bytes | bytearray) -> None:
        """Read the next piece of the body.

        Raises:
            InvalidRequest: as `parse_multipart`, or there is a second file, or more than 64 KiB of fields.
        """
        with _in_our_words():
            for event in self._parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif self._name is None:
                    if event:
                        await self._take(event)
                elif event:
                    self._gather(event)
                else:
                    self.fields[self._name.lower()] = text_of(self._value, self._name)

    def finish(self) -> None:
        """The body is over. Raises: InvalidRequest if the form is not, or there was no file in it."""
        with _in_our_words():
            self._parser.close()
        if self.file_name is None:
            raise InvalidRequest("body", "has no part with a file name")

    def _begin(self, part: MultipartSegment) -> None:
        name = _name(part)
        if part.filename is None:
            self._name, self._value = name, bytearray()
            return
        if self.file_name is not None:
            raise InvalidRequest("body", "has more than one file")
        self._name, self.file_name = None, without_nul(part.filename, "body")

    def _gather(self, chunk: bytes | bytearray) -> None:
        self._fields_bytes += len(chunk)
        if self._fields_bytes > FIELDS_BYTES:
            raise InvalidRequest("body", f"has more than {FIELDS_BYTES} bytes of fields; a file needs a file name")
        self._value += chunk


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except ParserLimitReached:
        raise InvalidRequest("body", f"has more than {PARTS} parts, or too many headers in one") from None
    except MultipartError:
        raise InvalidRequest("body", "is not a valid multipart form") from None


def _parser(content_type: str) -> PushMultipartParser:
    return PushMultipartParser(_boundary(content_type), max_segment_count=PARTS, max_header_size=HEADER_BYTES)


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
