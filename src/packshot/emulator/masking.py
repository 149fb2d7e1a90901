"""Takes the secrets out of what went over the wire, and leaves the rest readable, JSON as JSON."""

import re
from collections.abc import Callable, Iterable
from functools import partial

MASK = "***"

Headers = list[tuple[str, str]]

_NAMES = r"(?:token|secret|passw(?:or)?d|auth|auth_?id|refresh_?id|sessid|app_?key|api_?key|csrf|signature|verifier)"
_QUOTED = r'"(?:[^"\\]|\\.)*"?|\\+"[^"\\]*|[^\s,\[\]{}"\\]+'
_FORM_VALUE = r"(?:(?!%(?:25)*26)[^&\s\"'\\<>])+"


def _in_json(names: str) -> re.Pattern[str]:
    """A value in JSON, also where that JSON is itself a string in JSON and its quotes are escaped."""
    return re.compile(rf'({names}\\*+"\s*+:\s*+(?:\[\s*+)?)({_QUOTED})', re.IGNORECASE)


def _in_form(names: str) -> re.Pattern[str]:
    """A value in a query or a form, also where that is itself a value, as the commands of a batch are."""
    return re.compile(rf"({names}(?:\]|%5D)*(?:=|%(?:25)*3D)){_FORM_VALUE}", re.IGNORECASE)


_JSON, _FORM = _in_json(_NAMES), _in_form(_NAMES)
# Everywhere else `code` is the code of a product.
_GRANT_JSON, _GRANT_FORM = _in_json(r"\bcode"), _in_form(r"\bcode")
_GRANT_PATH = "/oauth"
# A part of a multipart body: its own headers, then the value.
_PART = re.compile(
    rf'({_NAMES}\]*+"?[^\r\n]{{0,200}}+(?:\r\n[^\r\n]{{1,200}}+){{0,9}}+\r\n\r\n)[^\r\n]+', re.IGNORECASE
)
# All runs are possessive, and this begins with one slash and not a run of them: else hostile texts would take minutes.
_SLASHES = r"(?:\\*+/|%(?:25)*+2F)++"
_ADDRESS = re.compile(rf"((?:/|2F)rest{_SLASHES}(?:api{_SLASHES})?\d++{_SLASHES})[^\s/?\"'\\&<>%]+", re.IGNORECASE)

_SECRET_HEADER = re.compile(r"cookie|auth|token|secret|password|api.?key|app.?key|signature", re.IGNORECASE)
_METHOD = re.compile(r"[A-Za-z]{1,15}|[A-Za-z]+(?:\.[A-Za-z]+)+")
_CODE = re.compile(r"[A-Za-z0-9]{16,}")


def masked_path(path: str) -> str:
    """An address without what may be a credential in it, wherever somebody has put that by mistake."""
    parts = path.split("/")
    below_rest = path.lstrip("/").lower().startswith("rest/")
    last = path.rstrip("/").count("/")
    return "/".join(
        MASK if _is_secret(part, below_rest=below_rest, last=at == last) else part for at, part in enumerate(parts)
    )


def _is_secret(part: str, *, below_rest: bool, last: bool) -> bool:
    if _CODE.fullmatch(part):
        return True
    if not part or not below_rest or part.isdigit() or part.lower() in {"rest", "api"}:
        return False
    return not (last and _METHOD.fullmatch(part))


def text_masker(path: str) -> Callable[[str], str]:
    """The function that masks texts of a call to *path*: what names a secret, and codes out of the path itself."""
    known = [part for part in path.split("/") if _CODE.fullmatch(part)]
    return partial(_masked, known, grant=path.startswith(_GRANT_PATH))


def _masked(known: Iterable[str], text: str, *, grant: bool) -> str:
    for secret in known:
        text = text.replace(secret, MASK)
    for pattern in (_JSON, _GRANT_JSON) if grant else (_JSON,):
        text = pattern.sub(_json_value, text)
    for pattern in (_FORM, _PART, _GRANT_FORM) if grant else (_FORM, _PART):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return _ADDRESS.sub(rf"\g<1>{MASK}", text)


def _json_value(match: re.Match[str]) -> str:
    name, value = match.groups()
    return name + (f'\\"{MASK}' if value.startswith("\\") else f'"{MASK}"')


def masked_headers(headers: Iterable[tuple[bytes, bytes]], mask: Callable[[str], str]) -> Headers:
    """Headers as text, without what identifies the caller; of an Authorization its scheme is left."""
    return [
        (name.decode("latin-1"), _header(name.decode("latin-1"), value.decode("latin-1"), mask))
        for name, value in headers
    ]


def _header(name: str, value: str, mask: Callable[[str], str]) -> str:
    if not _SECRET_HEADER.search(name):
        return mask(value)
    scheme, found, _ = value.partition(" ")
    return f"{scheme} {MASK}" if found and scheme.isalpha() else MASK
