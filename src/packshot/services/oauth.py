"""OAuth 2.0: people let applications act for them, and applications get tokens. Source: page "OAuth 2.0"."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

import msgspec

from packshot.domain.access import Principal, admit
from packshot.domain.accounts import Account, Application, Tokens, User
from packshot.domain.errors import AccountStopped, Forbidden, InvalidRequest, NotFound, Unauthenticated
from packshot.services.access import hash_code, random_text
from packshot.services.core import DAY_S, Core
from packshot.storage import accounts, applications, tokens
from packshot.storage.database import Tx
from packshot.storage.tokens import Code, Family, NewAccess

CODE_S = 30
ACCESS_S = 3_600
REFRESH_S = 180 * DAY_S
AGAIN_S = 60
"""How long a refresh token works again after its first use, for clients that lost the answer or race each other."""

TOKEN_CHARACTERS = 40
_SECOND = 1_000_000
_PROOF = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Challenge(msgspec.Struct, frozen=True):
    """What an application will have to prove when it comes with its code (PKCE); nothing by default."""

    text: str = ""
    method: str = ""


async def account_of(core: Core, application: Application) -> Account:
    """The account that *application* is registered in. Raises: AccountStopped, if it takes no calls."""
    account = await accounts.get_account(core.db, application.account_id)
    if account.state != "normal":
        raise AccountStopped(account.state)
    return account


def require_user(application: Application, user: User) -> None:
    """Refuse a user of another account, or one who is not among those of the application. Raises: Unauthenticated."""
    if user.account_id != application.account_id or (application.members and user.id not in application.members):
        raise Unauthenticated("excluded")


def challenge(text: str, method: str) -> Challenge:
    """What a request asks to be proven; without a method, `plain`. Raises: InvalidRequest."""
    if not text and not method:
        return Challenge()
    if method not in {"", "plain", "S256"} or not _PROOF.fullmatch(text):
        raise InvalidRequest("", "The code challenge cannot be used: 43 to 128 characters, method S256 or plain.")
    return Challenge(text, method or "plain")


async def authorize(core: Core, application: Application, user: User, wanted: Challenge) -> str:
    """The code that *application* gets since *user* agreed: good once, for `CODE_S` seconds.

    Raises:
        Unauthenticated: this user may not use the application.
    """
    require_user(application, user)
    code, ends = random_text(TOKEN_CHARACTERS), core.now() + CODE_S * _SECOND
    new = Code(0, application.id, user.id, wanted.text, wanted.method, ends)
    await core.db.write(lambda tx: tokens.add_code(tx, new, hash_code(code)), makes_room=True)
    return code


async def exchange(core: Core, client: tuple[str, str], code: str, verifier: str = "") -> Tokens:
    """The tokens for a code; *client* is the application's id and secret.

    A code that comes a second time ends whatever came of the first.

    Raises:
        Unauthenticated: no such application or a wrong secret; the code is not good; the user was shut out or is
            not among those of the application.
        AccountStopped: nobody may call the account.
    """
    application, now, fresh = await _proven(core, client), core.now(), _fresh()

    async def work(tx: Tx) -> Tokens | None:
        found = await tokens.hold_code(tx, hash_code(code))
        if found is None or found.application_id != application.id:
            return None
        if found.used_at is not None or found.expires_at <= now or not _proves(found, verifier):
            if found.consent_id is not None:
                await tokens.remove_consent(tx, found.consent_id)
            await tokens.use_code(tx, found.id, None, now)
            return None
        consent_id = await tokens.add_consent(tx, application.id, found.user_id, now + REFRESH_S * _SECOND)
        await tokens.use_code(tx, found.id, consent_id, now)
        return await _hand_out(tx, application, found.user_id, fresh, (consent_id, 1), now)

    return _good(await core.db.write(work, makes_room=True))


async def refresh(core: Core, client: tuple[str, str], refresh_token: str) -> Tokens:
    """New tokens for a refresh token, which the new one replaces.

    The last one used works again for `AGAIN_S` seconds, or until its successor is used. One that is older ends the
    whole family: two hold it, and one of them stole it.

    Raises:
        Unauthenticated: as for `exchange`.
        AccountStopped: nobody may call the account.
    """
    application, now, fresh = await _proven(core, client), core.now(), _fresh()

    async def work(tx: Tx) -> Tokens | None:
        family = await tokens.hold_refresh(tx, hash_code(refresh_token))
        if family is None or family.application_id != application.id or family.token_expires_at <= now:
            return None
        if family.token_generation > family.generation:
            await tokens.advance(tx, family, now, now - DAY_S * _SECOND)
        elif not _works_again(family, now):
            await tokens.remove_consent(tx, family.consent_id)
            return None
        place = (family.consent_id, family.token_generation + 1)
        return await _hand_out(tx, application, family.user_id, fresh, place, now)

    return _good(await core.db.write(work, makes_room=True))


async def issue_tokens(core: Core, application_id: int, user_id: int, *, renewable: bool = False) -> Tokens:
    """An access token with which the application acts for that user; a *renewable* one has a refresh token.

    Raises:
        NotFound: there is no such application, or its account has no such user.
        Unauthenticated, AccountStopped: with that token nobody would be let in.
    """
    now, fresh = core.now(), _fresh()

    async def work(tx: Tx) -> Tokens:
        application = await applications.find_by_id(tx, application_id)
        if application is None:
            raise NotFound("application", application_id)
        if not await accounts.has_user(tx, application.account_id, user_id):
            raise NotFound("user", user_id)
        ends = now + REFRESH_S * _SECOND
        place = (await tokens.add_consent(tx, application.id, user_id, ends), 1) if renewable else None
        return await _hand_out(tx, application, user_id, fresh, place, now)

    return await core.db.write(work, makes_room=True)


async def describe(core: Core, caller: Principal) -> tuple[Application, Account]:
    """The application behind an access token, and the account it is installed in. Raises: Forbidden."""
    application = caller.application_id and await applications.find_by_id(core.db, caller.application_id)
    if not application:
        raise Forbidden("application")
    return application, await accounts.get_account(core.db, caller.account_id)


async def _proven(core: Core, client: tuple[str, str]) -> Application:
    client_id, secret = client
    application = await applications.find_application(core.db, client_id)
    if application is None:
        raise Unauthenticated("client")
    if not hmac.compare_digest(await applications.find_secret_hash(core.db, application.id), hash_code(secret)):
        raise Unauthenticated("client")
    return application


def _fresh() -> tuple[str, str]:
    """The texts of an access and a refresh token; made outside of the work, which may be run twice."""
    return random_text(TOKEN_CHARACTERS), random_text(TOKEN_CHARACTERS)


def _good(handed_out: Tokens | None) -> Tokens:
    # Refused here and not in the work: what the work has taken away from a thief has to be kept.
    if handed_out is None:
        raise Unauthenticated("grant")
    return handed_out


def _works_again(family: Family, now: int) -> bool:
    return family.used_id == family.token_id and now - (family.used_at or 0) <= AGAIN_S * _SECOND


def _proves(code: Code, verifier: str) -> bool:
    if not code.challenge_method:
        return not verifier  # whoever brings a proof had asked for it: somebody cut the challenge out of the address
    shown = verifier.encode()
    if code.challenge_method == "S256":
        shown = urlsafe_b64encode(hashlib.sha256(shown).digest()).rstrip(b"=")
    return hmac.compare_digest(shown, code.challenge.encode())


async def _hand_out(
    tx: Tx, application: Application, user_id: int, fresh: tuple[str, str], place: tuple[int, int] | None, now: int
) -> Tokens:
    """Store a pair of tokens; *place* is the consent and the generation of the refresh token, if there is to be one."""
    (access, refreshing), ends = fresh, now + ACCESS_S * _SECOND
    consent_id, generation = place or (None, 0)
    await tokens.add_access(tx, NewAccess(application.id, user_id, consent_id, hash_code(access), ends))
    if consent_id is not None:
        await tokens.add_refresh(tx, consent_id, hash_code(refreshing), generation, now + REFRESH_S * _SECOND)
    made = await tokens.find_access(tx, hash_code(access))
    if made is None:
        raise NotFound("user", user_id)
    admit(made)
    account = await accounts.get_account(tx, application.account_id)
    return Tokens(access, refreshing if place else "", ends, application.scopes, user_id, account.member_id)
