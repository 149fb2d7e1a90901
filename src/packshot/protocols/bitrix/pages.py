"""The few pages that people see: rendered from templates, never cached, without scripts and without anything inline."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import jinja2

from packshot.domain.errors import (
    AccountStopped,
    InvalidRequest,
    LimitReached,
    NotFound,
    PackshotError,
    Unauthenticated,
)
from packshot.protocols.bitrix.errors import SystemRefusal

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
_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
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
    send: Send,
    page: str,
    facts: dict[str, Any],
    status: int = 200,
    more: Iterable[Header] = (),
    *,
    leaves: bool = False,
) -> None:
    """Send a page; its form leads to ourselves, and from there away if it *leaves*."""
    content = _TEMPLATES.get_template(page).render(facts).encode()
    # Chromium holds every redirect behind a form against form-action, also those of the application behind ours.
    policy = _POLICY if leaves else f"{_POLICY}; form-action 'self'"
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", policy.encode()), *more]
    await respond(send, status, content, headers)


async def show_problem(send: Send, error: Exception, status: int, more: Iterable[Header] = ()) -> None:
    """Say in plain words why it cannot go on. What the address got wrong is told as it is: only its author can act."""
    title, text = next(_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS)
    if isinstance(error, InvalidRequest):
        title, text = "This address cannot be used", str(error)
    elif isinstance(error, SystemRefusal):
        title, text = "This cannot be done", str(error)
    elif isinstance(error, NotFound):
        status = 404
    elif isinstance(error, LimitReached):
        status = 429
    await show(send, "message.html", {"title": title, "text": text}, status, more)


async def send_style(send: Send) -> None:
    """The style sheet of all pages."""
    await respond(send, 200, (_FOLDER / "style.css").read_bytes(), [(b"content-type", b"text/css; charset=utf-8")])


async def redirect(send: Send, target: str, more: Iterable[Header] = ()) -> None:
    """Send the browser on to *target*, by GET."""
    await respond(send, 303, b"", [(b"location", target.encode("latin-1")), *more])


async def respond(send: Send, status: int, content: bytes, headers: Iterable[Header]) -> None:
    """Send an answer that nobody may keep."""
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [length, *_SAFE, *headers]})
    await send({"type": "http.response.body", "body": content})
