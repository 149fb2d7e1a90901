"""Who is calling: inbound webhooks, made and recognised."""

import hashlib
import secrets
from base64 import b32encode

from packshot.domain.access import Principal
from packshot.domain.errors import NotFound, Unauthenticated
from packshot.services.core import Core
from packshot.storage import accounts, credentials

CODE_CHARACTERS = 32
REMEMBERED_S = 1.0
_REMEMBERED = 1_000


def random_text(characters: int) -> str:
    """Unguessable text of a-z and 2-7: 32 characters carry 160 bits, in one call for randomness."""
    return b32encode(secrets.token_bytes(characters * 5 // 8)).decode().lower()


def hash_code(code: str) -> str:
    """How a webhook code is stored. It carries 160 random bits, so one round of SHA-256 cannot be searched."""
    return hashlib.sha256(code.encode()).hexdigest()


async def by_webhook(core: Core, user_id: int, code: str) -> Principal:
    """Whom that user's inbound webhook speaks for.

    An answer is remembered for one second at most, so revoking a webhook works almost at once.

    Raises:
        Unauthenticated: there is no such webhook, it was revoked, or it has expired.
    """
    key, now = (user_id, code), core.clock()
    remembered = core.principals.get(key)
    if remembered is not None and 0 <= now - remembered[0] < REMEMBERED_S:
        return remembered[1]
    caller = await credentials.find_webhook(core.db, user_id, hash_code(code), core.now())
    if caller is None:
        core.principals.pop(key, None)
        raise Unauthenticated("wrong")
    if len(core.principals) >= _REMEMBERED:
        core.principals.clear()
    core.principals[key] = (now, caller)
    return caller


async def create_webhook(
    core: Core, account: str, user_id: int, scopes: frozenset[str], expires_in_s: int | None = None
) -> str:
    """Make an inbound webhook for that user and return its code, which is shown this once and never stored.

    Raises:
        NotFound: no such account, or it has no such user.
    """
    code, now = random_text(CODE_CHARACTERS), core.now()
    expires_at = None if expires_in_s is None else now + expires_in_s * 1_000_000
    account_id = await accounts.find_account(core.db, account)
    if account_id is None:
        raise NotFound("account", account)
    if not await accounts.has_user(core.db, account_id, user_id):
        raise NotFound("user", user_id)
    await core.db.write(
        lambda tx: credentials.add_webhook(tx, (account_id, user_id), hash_code(code), scopes, now, expires_at)
    )
    return code
