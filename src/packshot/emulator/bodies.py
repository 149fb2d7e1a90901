"""Bodies as somebody can read them: pictures in base64 shortened, other bytes named by type and size."""

import re

SHOWN_CHARACTERS = 65_536
"""How much of a body is kept, once its pictures are shortened."""

_TEXTUAL = re.compile(r"json|x-www-form-urlencoded|xml|text/(?!html)", re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary="?([^";]+)', re.IGNORECASE)
# Looked for from the beginning of a run only, and taken whole: else runs just too short would cost their square.
_RUN = re.compile(rb"(?<![A-Za-z0-9+/_%\\-])[A-Za-z0-9+/_%\\-]{100,}+={0,2}")
# Escapes that base64 does not need: then it is text in another alphabet.
_TEXT = re.compile(rb"%(?!2B|2F|3D)|\\(?!/)", re.IGNORECASE)
_FIRST_CHARACTERS = 24
_SHOWN_PARTS = 200


def is_kept(content_type: str) -> bool:
    """Whether a body of that type is worth holding on to; of others only the size is told."""
    return not content_type or bool(_TEXTUAL.search(content_type) or _BOUNDARY.search(content_type))


def readable(content_type: str, body: bytes, size_bytes: int) -> str:
    """The body as text, or its type and size where it is none or was not kept.

    Base64 of a hundred characters or more is cut to its first ones and its length.
    """
    if size_bytes and not body:
        return _named(content_type, size_bytes)
    boundary = _BOUNDARY.search(content_type)
    if boundary:
        return _cut(_parts(body, b"--" + boundary[1].encode("latin-1")), size_bytes)
    text = _decoded(body)
    return _named(content_type, size_bytes) if text is None else _cut(text, size_bytes)


def _named(content_type: str, size_bytes: int) -> str:
    return f"<{content_type or 'no text'}, {size_bytes} bytes>"


def _decoded(body: bytes) -> str | None:
    if b"\0" in body:
        return None
    try:
        return _RUN.sub(_shortened, body).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _shortened(match: re.Match[bytes]) -> bytes:
    run = match[0]
    if _TEXT.search(run):
        return run
    return run[:_FIRST_CHARACTERS] + f"…({len(run)} characters)".encode()


def _parts(body: bytes, delimiter: bytes) -> str:
    """A multipart body with its files named by type and size."""
    shown = []
    for part in body.split(delimiter, _SHOWN_PARTS):
        head, blank, content = part.partition(b"\r\n\r\n")
        kind = re.search(rb"content-type: *([^\r\n;]+)", head, re.IGNORECASE)
        text = _decoded(content) if kind is None or is_kept(kind[1].decode("latin-1")) else None
        if text is None:
            named = (kind[1] if kind else b"").decode("latin-1")
            text = _named(named, len(content.removesuffix(b"\r\n"))) + "\r\n"
        shown.append(head.decode("utf-8", "replace") + blank.decode() + text)
    return delimiter.decode("latin-1").join(shown)


def _cut(text: str, size_bytes: int) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({size_bytes} bytes in all)"
