"""`/oauth/authorize/`: somebody logs in, agrees or not, and is sent back to the application with a code."""

import hmac
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from packshot.domain.accounts import Account, Application, User
from packshot.domain.errors import InvalidRequest, Unauthenticated
from packshot.protocols.bitrix import pages
from packshot.protocols.bitrix.pages import Header, Send
from packshot.services import applications, oauth, users
from packshot.services.access import random_text
from packshot.services.attempts import Attempts
from packshot.services.core import Core
from packshot.services.oauth import Challenge

COOKIE = "packshot_login"


class Visit(msgspec.Struct, frozen=True):
    """A request to authorize: what its address asks for, and whose browser it comes from.

    `session` is the secret in the cookie: of a login, or of somebody who has not logged in yet.
    """

    application: Application
    account: Account
    state: str
    wanted: Challenge
    base_url: str
    address: str
    source: str
    session: str
    is_new: bool


async def visit(
    core: Core, scope: dict[str, Any], headers: dict[bytes, bytes], query: dict[str, Any], base_url: str
) -> Visit:
    """Read a request's address and cookie.

    Source: page "Full OAuth 2.0 authorization", step 1; `redirect_uri` and the challenge are ours.

    Raises:
        InvalidRequest: the address asks for something that cannot be.
        NotFound: no such application.
        AccountStopped: nobody may call its account.
    """
    asked = {name: value for name, value in query.items() if isinstance(value, str)}
    if not asked.get("client_id"):
        raise InvalidRequest("", "It names no application: client_id is missing.")
    application = await applications.get(core, asked["client_id"])
    if asked.get("response_type", "code") not in {"", "code"}:
        raise InvalidRequest("", "It asks for something else than a code: response_type can only be code.")
    if asked.get("redirect_uri", application.redirect_uri) != application.redirect_uri:
        raise InvalidRequest("", "It leads back to another place than the application is registered with.")
    session = _cookie(headers, base_url)
    return Visit(
        application=application,
        account=await oauth.account_of(core, application),
        state=asked.get("state", ""),
        wanted=oauth.challenge(asked.get("code_challenge", ""), asked.get("code_challenge_method", "")),
        base_url=base_url,
        address=f"{scope['path']}?{scope['query_string'].decode('latin-1')}",
        source=scope["client"][0] if scope["client"] else "",
        session=session or random_text(users.SESSION_CHARACTERS),
        is_new=not session,
    )


async def look(core: Core, send: Send, seen: Visit) -> None:
    """Show what comes next: the question, or the login before it."""
    user = await users.of_session(core, seen.session)
    if user is None:
        await _ask_login(core, send, seen)
        return
    try:
        oauth.require_user(seen.application, user)
    except Unauthenticated:
        notice = f"{user.login} may not use this application. Log in as somebody who may."
        await _ask_login(core, send, seen, notice)
        return
    facts = {
        "application": seen.application,
        "account": seen.account,
        "user": user,
        "scopes": pages.words_of(seen.application.scopes),
        "destination": urlsplit(seen.application.redirect_uri).netloc,
        "form_token": users.form_token(core, seen.session),
    }
    await pages.show(send, "consent.html", facts, leaves=True)


async def act(core: Core, send: Send, attempts: Attempts, seen: Visit, form: dict[str, Any]) -> None:
    """Do what a form says.

    Raises:
        Unauthenticated: the form is not one that we made for this browser.
        LimitReached: too many logins from there have failed.
        InvalidRequest: no button of ours was pressed.
    """
    if not hmac.compare_digest(users.form_token(core, seen.session).encode(), _text(form, "form_token").encode()):
        raise Unauthenticated("forged")
    action = _text(form, "action")
    if action == "login":
        await _log_in(core, send, attempts, seen, form)
    elif action == "logout":
        await users.log_out(core, seen.session)
        await pages.redirect(send, seen.address, [_set_cookie(seen.base_url, random_text(users.SESSION_CHARACTERS))])
    elif action == "allow":
        user = await users.of_session(core, seen.session)
        await (_allow(core, send, seen, user) if user else _ask_login(core, send, seen))
    elif action == "deny":
        text = f"{seen.application.name} was given nothing. You can close this page."
        await pages.show(send, "message.html", {"title": "Not allowed", "text": text})
    else:
        raise InvalidRequest("", "It was sent without pressing one of the page's buttons.")


async def _log_in(core: Core, send: Send, attempts: Attempts, seen: Visit, form: dict[str, Any]) -> None:
    attempts.begin(seen.source)
    login = _text(form, "login")
    try:
        session = await users.log_in(core, login, _text(form, "password"))
    except Unauthenticated:
        await _ask_login(core, send, seen, "Login and password do not match. Try again.", login)
        return
    attempts.succeeded(seen.source)
    # Another secret than before the login: whoever planted the old one has nothing.
    await pages.redirect(send, seen.address, [_set_cookie(seen.base_url, session)])


async def _allow(core: Core, send: Send, seen: Visit, user: User) -> None:
    """Source: page "Full OAuth 2.0 authorization", step 2."""
    code = await oauth.authorize(core, seen.application, user, seen.wanted)
    host = urlsplit(seen.base_url).netloc
    values = {
        "code": code,
        "state": seen.state,
        "domain": host,
        "member_id": seen.account.member_id,
        "scope": ",".join(seen.application.scopes),
        "server_domain": host,
    }
    target = seen.application.redirect_uri
    await pages.redirect(send, f"{target}{'&' if '?' in target else '?'}{urlencode(values)}")


async def _ask_login(core: Core, send: Send, seen: Visit, notice: str = "", login: str = "") -> None:
    facts = {
        "application": seen.application,
        "notice": notice,
        "login": login,
        "form_token": users.form_token(core, seen.session),
    }
    cookies = [_set_cookie(seen.base_url, seen.session)] if seen.is_new else []
    await pages.show(send, "login.html", facts, 403 if notice else 200, cookies)


def _cookie_name(base_url: str) -> str:
    # Browsers take a cookie of this prefix from the host itself only, and over https only.
    return f"__Host-{COOKIE}" if base_url.startswith("https://") else COOKIE


def _set_cookie(base_url: str, session: str) -> Header:
    secure = "; Secure" if base_url.startswith("https://") else ""
    text = f"{_cookie_name(base_url)}={session}; Path=/; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", text.encode()


def _cookie(headers: dict[bytes, bytes], base_url: str) -> str:
    wanted = _cookie_name(base_url)
    pairs = (part.strip().partition("=") for part in headers.get(b"cookie", b"").decode("latin-1").split(";"))
    value = next((value for name, _, value in pairs if name == wanted), "")
    return value if value.isascii() and value.isalnum() and len(value) == users.SESSION_CHARACTERS else ""


def _text(form: dict[str, Any], name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
