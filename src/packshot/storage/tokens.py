"""Rows of what OAuth hands out: authorization codes, consents, refresh and access tokens. Only hashes are stored."""

import msgspec

from packshot.domain.access import Credential, Principal
from packshot.storage import locks
from packshot.storage.database import Reads, Tx

_LISTED = (
    "(NOT EXISTS (SELECT 1 FROM application_member u WHERE u.application_id = t.application_id) OR EXISTS"
    " (SELECT 1 FROM application_member u WHERE u.application_id = t.application_id AND u.member_id = t.member_id))"
)


class Code(msgspec.Struct, frozen=True):
    """An authorization code: for whom, of which application, and what its holder has to prove."""

    id: int
    application_id: int
    user_id: int
    challenge: str
    challenge_method: str
    expires_at: int
    used_at: int | None = None
    consent_id: int | None = None


class Family(msgspec.Struct, frozen=True):
    """A refresh token with its consent: how far that has gone, and which token went last, and when."""

    token_id: int
    token_generation: int
    token_expires_at: int
    consent_id: int
    application_id: int
    user_id: int
    generation: int
    used_id: int | None
    used_at: int | None


class NewAccess(msgspec.Struct, frozen=True):
    """An access token to be stored; one without a consent is renewed by nothing."""

    application_id: int
    user_id: int
    consent_id: int | None
    token_hash: str
    expires_at: int


async def find_access(reads: Reads, token_hash: str) -> Credential | None:
    """Whom an access token speaks for, also when its time is over: `expires_at` of the principal says so."""
    row = await reads.one(
        "SELECT p.account_id, t.member_id, m.role, p.scopes, t.id, t.application_id, t.expires_at, a.state,"
        f" m.disabled_at, {_LISTED}"
        " FROM access_token t JOIN application p ON p.id = t.application_id JOIN account a ON a.id = p.account_id"
        " JOIN member m ON m.id = t.member_id WHERE t.token_hash = ?1",
        token_hash,
    )
    if row is None:
        return None
    account_id, user_id, role, scopes, token_id, application_id, expires_at, state, disabled_at, listed = row
    caller = Principal(account_id, user_id, role, frozenset(scopes.split()), token_id, application_id, expires_at)
    return Credential(caller, state, disabled_at is not None, not listed)


async def access_is_valid(reads: Reads, account_id: int, token_id: int, now: int) -> bool:
    """Whether that access token would still be let in at *now*."""
    row = await reads.one(
        "SELECT 1 FROM access_token t JOIN application p ON p.id = t.application_id"
        " JOIN account a ON a.id = p.account_id JOIN member m ON m.id = t.member_id"
        " WHERE t.id = ?1 AND p.account_id = ?2 AND t.expires_at > ?3 AND m.disabled_at IS NULL AND a.state = 'normal'"
        f" AND {_LISTED}",
        token_id, account_id, now,
    )  # fmt: skip
    return row is not None


async def add_access(tx: Tx, new: NewAccess) -> None:
    """Insert an access token."""
    await tx.run(
        "INSERT INTO access_token (application_id, member_id, consent_id, token_hash, expires_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5)",
        new.application_id, new.user_id, new.consent_id, new.token_hash, new.expires_at,
    )  # fmt: skip


async def add_code(tx: Tx, new: Code, code_hash: str) -> None:
    """Insert an authorization code, whatever its `id` says."""
    await tx.run(
        "INSERT INTO authorization_code"
        " (application_id, member_id, code_hash, challenge, challenge_method, expires_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        new.application_id, new.user_id, code_hash, new.challenge, new.challenge_method, new.expires_at,
    )  # fmt: skip


async def hold_code(tx: Tx, code_hash: str) -> Code | None:
    """The authorization code, also when it was used or its time is over; nobody else uses it until the work's end."""
    row = await tx.one(
        "SELECT id, application_id, member_id, challenge, challenge_method, expires_at, used_at, consent_id"
        f" FROM authorization_code WHERE code_hash = ?1{locks.held(tx)}",
        code_hash,
    )
    return None if row is None else Code(*row)


async def use_code(tx: Tx, code_id: int, consent_id: int | None, now: int) -> None:
    """Write down that a code was used, and what came of it."""
    await tx.run("UPDATE authorization_code SET used_at = ?2, consent_id = ?3 WHERE id = ?1", code_id, now, consent_id)


async def add_consent(tx: Tx, application_id: int, user_id: int, expires_at: int) -> int:
    """Insert a consent, the head of a family of tokens, and return its id."""
    return await tx.insert(
        "INSERT INTO consent (application_id, member_id, expires_at) VALUES (?1, ?2, ?3) RETURNING id",
        application_id, user_id, expires_at,
    )  # fmt: skip


async def add_refresh(tx: Tx, consent_id: int, token_hash: str, generation: int, expires_at: int) -> None:
    """Insert a refresh token; its consent lives as long."""
    await tx.run(
        "INSERT INTO refresh_token (consent_id, token_hash, generation, expires_at) VALUES (?1, ?2, ?3, ?4)",
        consent_id, token_hash, generation, expires_at,
    )  # fmt: skip
    await tx.run("UPDATE consent SET expires_at = ?2 WHERE id = ?1", consent_id, expires_at)


async def hold_refresh(tx: Tx, token_hash: str) -> Family | None:
    """The refresh token with its consent, also when its time is over; nobody else has that until the work's end."""
    row = await tx.one(
        "SELECT r.id, r.generation, r.expires_at, c.id, c.application_id, c.member_id, c.generation,"
        " c.used_id, c.used_at FROM refresh_token r JOIN consent c ON c.id = r.consent_id WHERE r.token_hash = ?1"
        + locks.held(tx, "NO KEY UPDATE OF c"),
        token_hash,
    )
    return None if row is None else Family(*row)


async def advance(tx: Tx, family: Family, now: int, forget_before: int) -> None:
    """Write down that a refresh token was used for the first time, and forget access tokens that ended long ago.

    The newest one is never forgotten: whoever comes back with it has to be told that it has expired.
    """
    await tx.run(
        "UPDATE consent SET generation = ?2, used_id = ?3, used_at = ?4 WHERE id = ?1",
        family.consent_id, family.token_generation, family.token_id, now,
    )  # fmt: skip
    await tx.run("DELETE FROM access_token WHERE consent_id = ?1 AND expires_at < ?2", family.consent_id, forget_before)


async def remove_consent(tx: Tx, consent_id: int) -> None:
    """End a family: none of its tokens is known any more."""
    await tx.run("DELETE FROM consent WHERE id = ?1", consent_id)


async def purge(tx: Tx, now: int, before: int, limit: int) -> int:
    """Delete up to *limit* rows of each kind that nobody will ask for any more, and return how many.

    Families end at *now*; codes and tokens without a family are kept until they ended *before* that.
    """
    return sum(
        [
            await tx.run(
                f"DELETE FROM {table} WHERE +expires_at < ?1 AND id IN"
                f" (SELECT id FROM {table} WHERE expires_at < ?1 {more} ORDER BY expires_at LIMIT ?2)",
                moment, limit,
            )
            for table, more, moment in (
                ("refresh_token", "", now),
                ("consent", "", now),
                ("authorization_code", "", before),
                ("access_token", "AND consent_id IS NULL", before),
                ("login_session", "", now),
            )
        ]
    )  # fmt: skip
