"""Who is calling: inbound webhooks, made and recognised, and access tokens, recognised."""

import hashlib
import secrets
from base64 import b32encode
from collections.abc import Awaitable
from typing import Literal

from packshot.domain.access import Credential, Principal, admit
from packshot.domain.accounts import Webhook, named
from packshot.domain.errors import NotFound, Unauthenticated
from packshot.services.core import Core
from packshot.storage import accounts, credentials, tokens
from packshot.storage.database import Tx

CODE_CHARACTERS = 32
REMEMBERED_S = 1.0
_REMEMBERED = 1_000
_NO_USER = -1
"""Stands for the user id where a token is remembered: no path can name it, so none can pass a token for a code."""


def random_text(characters: int) -> str:
    """Unguessable text of a-z and 2-7: 32 characters carry 160 bits, in one call for randomness."""
    return b32encode(secrets.token_bytes(characters * 5 // 8)).decode().lower()


def hash_code(code: str) -> str:
    """How a secret of ours is stored. It carries 160 random bits, so one round of SHA-256 cannot be searched."""
    return hashlib.sha256(code.encode()).hexdigest()


async def by_webhook(core: Core, user_id: int, code: str) -> Principal:
    """Whom that user's inbound webhook speaks for.

    An answer is remembered for one second at most, so revoking a webhook works almost at once.

    Raises:
        Unauthenticated: there is no such webhook, it was revoked or has expired, or its user was shut out.
        AccountStopped: nobody may call its account.
    """
    key = (user_id, code)
    if caller := remembered(core, key):
        return caller
    return await looked_up(core, key, credentials.find_webhook(core.db, user_id, hash_code(code), core.now()), "wrong")


async def by_token(core: Core, token: str) -> Principal:
    """Whom that access token speaks for; an answer is remembered for one second at most.

    Raises:
        Unauthenticated: nobody issued the token, it was revoked or has expired, its user was shut out, or is not
            among the users of its application.
        AccountStopped: nobody may call its account.
    """
    key = (_NO_USER, token)
    caller = remembered(core, key)
    if caller is None:
        caller = await looked_up(core, key, tokens.find_access(core.db, hash_code(token)), "unknown_token")
    if caller.expires_at is not None and caller.expires_at <= core.clock() * 1_000_000:
        raise Unauthenticated("expired")
    return caller


def remembered(core: Core, key: tuple[int, str]) -> Principal | None:
    """Whom the credential *key* spoke for when it was looked up less than a second ago."""
    known = core.principals.get(key)
    if known is not None and 0 <= core.clock() - known[0] < REMEMBERED_S:
        return known[1]
    return None


async def looked_up(
    core: Core,
    key: tuple[int, str],
    looking: Awaitable[Credential | None],
    otherwise: Literal["wrong", "unknown_token"],
) -> Principal:
    """Whom the credential *key* speaks for, remembered from now on; *otherwise* says why nobody.

    Raises: Unauthenticated, AccountStopped.
    """
    core.principals.pop(key, None)
    credential = await looking
    if credential is None:
        raise Unauthenticated(otherwise)
    caller = admit(credential)
    if len(core.principals) >= _REMEMBERED:
        core.principals.clear()
    core.principals[key] = (core.clock(), caller)
    return caller


async def create_webhook(
    core: Core,
    account: str,
    user_id: int,
    scopes: frozenset[str],
    expires_in_s: int | None = None,
    title: str = "",
) -> str:
    """Make an inbound webhook for that user and return its code, which is shown this once and never stored.

    Raises:
        NotFound: no such account, or it has no such user.
        InvalidValue: the title is too long.
    """
    code, now = random_text(CODE_CHARACTERS), core.now()
    expires_at = None if expires_in_s is None else now + expires_in_s * 1_000_000
    title = named("title", title) if title else ""
    account_id = await account_called(core, account)
    if not await accounts.has_user(core.db, account_id, user_id):
        raise NotFound("user", user_id)

    async def work(tx: Tx) -> None:
        made = await credentials.add_webhook(tx, (account_id, user_id), hash_code(code), scopes, now, expires_at)
        await credentials.set_title(tx, made, title)

    await core.db.write(work)
    return code


async def of_webhooks(core: Core, account: str) -> list[Webhook]:
    """All inbound webhooks of the account of that name, by id. Raises: NotFound."""
    return await credentials.of_webhooks(core.db, await account_called(core, account))


async def revoke_webhook(core: Core, account: str, webhook_id: int) -> None:
    """Delete an inbound webhook; within a second nobody calls with it any more. Raises: NotFound."""
    account_id = await account_called(core, account)
    if not await core.db.write(lambda tx: credentials.remove_webhook(tx, account_id, webhook_id), makes_room=True):
        raise NotFound("webhook", webhook_id)


async def account_called(core: Core, name: str) -> int:
    """The id of the account of that name. Raises: NotFound."""
    account_id = await accounts.find_account(core.db, name)
    if account_id is None:
        raise NotFound("account", name)
    return account_id
