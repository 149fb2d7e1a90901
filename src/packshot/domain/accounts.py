"""Accounts and what belongs to them: users, inbound webhooks, pairs of keys, applications and their tokens."""

import re
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from packshot.domain.access import AccountState, Mode, Role
from packshot.domain.errors import InvalidValue

LOCAL = "L"
"""The status of an application that was registered in one account only, as opposed to one from a market."""

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 200
_MAX_NAME_CHARACTERS = 100
_MAX_ADDRESS_CHARACTERS = 1_000
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Account(msgspec.Struct, frozen=True):
    """A tenant. `member_id` is its name of 32 hex digits in OAuth; `quota_bytes` is None where there is no limit."""

    id: int
    name: str
    member_id: str
    state: AccountState
    quota_bytes: int | None
    created_at: int

    @property
    def account_key(self) -> str:
        """What a privileged pair of keys names it by: the same `member_id`, written as a UUID."""
        return str(UUID(self.member_id))


class User(msgspec.Struct, frozen=True):
    """Somebody with a role in an account; without a `login` they call through webhooks only."""

    id: int
    account_id: int
    role: Role
    login: str | None
    name: str
    last_name: str
    email: str
    created_at: int
    disabled_at: int | None
    last_login_at: int | None


class Webhook(msgspec.Struct, frozen=True):
    """An inbound webhook; its code is known to nobody but those who have its address."""

    id: int
    user_id: int
    title: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None


class KeyPair(msgspec.Struct, frozen=True):
    """A web_api_key with its app_key; both are known to nobody but those who were shown them."""

    id: int
    mode: Mode
    privileged: bool
    created_at: int


class Application(msgspec.Struct, frozen=True):
    """What asks people for their consent, and then calls with tokens of its own.

    `handler` is its own address, where that is another than `redirect_uri`. `members` are the ids of those who
    may use it; everybody if empty.
    """

    id: int
    account_id: int
    client_id: str
    name: str
    redirect_uri: str
    scopes: tuple[str, ...]
    handler: str | None
    members: tuple[int, ...] = ()


class Tokens(msgspec.Struct, frozen=True):
    """What an application calls with. `expires_at` is in Unix microseconds; `refresh_token` may be empty."""

    access_token: str
    refresh_token: str
    expires_at: int
    scopes: tuple[str, ...]
    user_id: int
    member_id: str
    status: str = LOCAL


def named(what: str, text: str) -> str:
    """*text* as the name of *what*, without spaces around it. Raises: InvalidValue."""
    text = text.strip()
    if not text or len(text) > _MAX_NAME_CHARACTERS or not text.isprintable():
        raise InvalidValue(what, f"has 1 to {_MAX_NAME_CHARACTERS} printable characters")
    return text


def login_of(text: str) -> str:
    """*text* as a login: a-z, digits and `._@+-`, whatever case it was typed in. Raises: InvalidValue."""
    login = text.strip().casefold()
    if not _LOGIN.fullmatch(login):
        raise InvalidValue(
            "login", "has 1 to 100 of the characters a-z, 0-9 and ._@+-, beginning with a letter or digit"
        )
    return login


def check_password(password: str) -> None:
    """Refuse a password that is too short to be one, or too long to be hashed. Raises: InvalidValue."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidValue("password", f"has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters")


def web_address(what: str, text: str) -> str:
    """*text* as an absolute http or https address without a fragment, as it stands. Raises: InvalidValue."""
    if not _is_web_address(text):
        raise InvalidValue(what, "has to be an address like https://app.example/callback, without a fragment")
    return text


def _is_web_address(text: str) -> bool:
    if (
        len(text) > _MAX_ADDRESS_CHARACTERS
        or not text.isascii()
        or not text.isprintable()
        or set(text) & set(' #"<>\\')
    ):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in {"http", "https"} and bool(_HOST.fullmatch(parts.netloc))
