"""The few pages that people see: rendered from templates, never cached, without scripts and without anything inline."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from packshot.domain.errors import (
    AccountStopped,
    InvalidRequest,
    LimitReached,
    NotFound,
    PackshotError,
    Unauthenticated,
)

Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, auto_reload=False
)
_SCOPES = {
    "catalog": "see and change catalogs, products and their pictures",
    "user": "see who you are",
    "user_basic": "see your name and e-mail address",
    "user_brief": "see your name",
}
_SAFE: list[Header] = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_PROBLEMS: dict[type, tuple[str, str]] = {
    NotFound: ("Not found", "There is no such page, or no application has the client_id in its address."),
    Unauthenticated: ("This form is not good any more", "Go back, load the page again, and repeat what you did."),
    AccountStopped: (
        "This account takes no calls",
        "It was blocked or closed. Those who run this server can open it again.",
    ),
    LimitReached: ("Too many attempts", "Too many logins from your network address have failed. Try again later."),
    PackshotError: ("This cannot be done now", "The server could not do what was asked. Try again later."),
    Exception: ("Something went wrong here", "This is a mistake of the server, not yours. Try again later."),
}


def words_of(scopes: Iterable[str]) -> list[str]:
    """What scopes mean, for people."""
    return [_SCOPES.get(scope, scope) for scope in scopes]


async def show(
    send: Send, page: str, facts: dict[str, Any], status: int = 200, more: Iterable[Header] = (), leads_to: str = ""
) -> None:
    """Send a page; its form leads to ourselves, or by way of a redirect to the site of *leads_to*."""
    content = _TEMPLATES.get_template(page).render(facts).encode()
    sites = f"'self' {_site(leads_to)}".rstrip()
    # Browsers look at form-action again when the answer to a form redirects.
    policy = f"default-src 'none'; style-src 'self'; form-action {sites}; frame-ancestors 'none'; base-uri 'none'"
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode("ascii", "ignore")),
        *more,
    ]
    await respond(send, status, content, headers)


async def show_problem(send: Send, error: Exception, status: int) -> None:
    """Say in plain words why it cannot go on. What the address got wrong is told as it is: only its author can act."""
    title, text = next(_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS)
    more: list[Header] = []
    if isinstance(error, InvalidRequest):
        title, text = "This address cannot be used", str(error)
    elif isinstance(error, NotFound):
        status = 404
    elif isinstance(error, LimitReached):
        status, more = 429, [(b"retry-after", b"%d" % error.retry_after_s)]
    await show(send, "message.html", {"title": title, "text": text}, status, more)


async def send_style(send: Send) -> None:
    """The style sheet of all pages."""
    await respond(send, 200, (_FOLDER / "style.css").read_bytes(), [(b"content-type", b"text/css; charset=utf-8")])


async def redirect(send: Send, target: str, more: Iterable[Header] = ()) -> None:
    """Send the browser on to *target*, by GET."""
    await respond(send, 303, b"", [(b"location", target.encode()), *more])


async def respond(send: Send, status: int, content: bytes, headers: Iterable[Header]) -> None:
    """Send an answer that nobody may keep."""
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [length, *_SAFE, *headers]})
    await send({"type": "http.response.body", "body": content})


def _site(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
