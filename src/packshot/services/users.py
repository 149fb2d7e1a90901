"""Users: who may log in, with what password, and until when."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from packshot.domain.access import Principal, Role
from packshot.domain.accounts import User, check_password, login_of, named
from packshot.domain.errors import Conflict, InvalidValue, NotFound, Unauthenticated
from packshot.services.access import account_called, hash_code, random_text
from packshot.services.core import Core
from packshot.storage import accounts, locks, sessions
from packshot.storage.database import Tx

Result = TypeVar("Result")

SESSION_CHARACTERS = 32
SESSION_S = 12 * 3600

# 19 MiB and two rounds, about 20 ms: what OWASP asks of argon2id, and little enough that a few logins at once
# do no harm.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODYS_HASH = f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p=1${'A' * 22}${'A' * 43}"
"""Costs as much to verify as any, and no password is known for it."""


async def add(core: Core, account: str, login: str, role: Role, person: tuple[str, str, str] = ("", "", "")) -> int:
    """Make a user and return their id; until a password is set they cannot log in.

    *person* is first name, last name and e-mail address.

    Raises:
        NotFound: no such account.
        InvalidValue: the login cannot be used, or something about the person cannot be shown.
        Conflict: somebody has that login, in whatever account.
    """
    login, now = login_of(login), core.now()
    first_name, last_name, email = (named("text about a person", text) if text else "" for text in person)
    account_id = await account_called(core, account)

    async def work(tx: Tx) -> int:
        if await accounts.find_login(tx, login):
            raise Conflict(f"The login {login} is taken")
        user_id = await accounts.add_user(tx, account_id, role, now, login)
        await accounts.set_person(tx, user_id, first_name, last_name, email)
        return user_id

    return await core.db.write(work)


async def set_password(core: Core, login: str, password: str) -> None:
    """Give the user a new password, and end all their logins. Raises: NotFound, InvalidValue."""
    check_password(password)
    user = await get(core, login)
    password_hash = await _on_a_thread(core, lambda: _HASHER.hash(password))

    async def work(tx: Tx) -> None:
        await accounts.set_password(tx, user.id, password_hash)
        await sessions.remove_sessions(tx, user.id)

    await core.db.write(work, makes_room=True)


async def disable(core: Core, login: str) -> None:
    """Shut the user out: no login, webhook or token of theirs is good while this lasts. Raises: NotFound."""
    user, now = await get(core, login), core.now()

    async def work(tx: Tx) -> None:
        await accounts.set_disabled(tx, user.id, now)
        await sessions.remove_sessions(tx, user.id)

    await core.db.write(work, makes_room=True)


async def enable(core: Core, login: str) -> None:
    """Let the user in again. Raises: NotFound."""
    user = await get(core, login)
    await core.db.write(lambda tx: accounts.set_disabled(tx, user.id, None))


async def get(core: Core, login: str) -> User:
    """The user with that login. Raises: NotFound."""
    found = await accounts.find_login(core.db, login.strip().casefold())
    if found is None:
        raise NotFound("user", login)
    return found[0]


async def of_id(core: Core, caller: Principal, user_id: int) -> User:
    """The user of that id in the caller's account. Raises: NotFound."""
    found = await accounts.find_user(core.db, caller.account_id, user_id)
    if found is None:
        raise NotFound("user", user_id)
    return found


async def of_account(core: Core, account: str) -> list[User]:
    """All users of the account of that name, by id. Raises: NotFound."""
    return await accounts.of_users(core.db, await account_called(core, account))


async def log_in(core: Core, login: str, password: str) -> str:
    """The secret of a new login in a browser, good for `SESSION_S` seconds.

    It takes as long for a login that nobody has as for a wrong password.

    Raises:
        Unauthenticated: login and password do not match, or the user has none or was shut out.
    """
    found = await accounts.find_login(core.db, login.strip().casefold())
    user, password_hash = found or (None, None)
    matches = await _on_a_thread(core, lambda: _matches(password_hash or _NOBODYS_HASH, password))
    if user is None or password_hash is None or not matches:
        raise Unauthenticated("wrong")
    session, now = random_text(SESSION_CHARACTERS), core.now()

    async def work(tx: Tx) -> None:
        # Looked at again: whoever shuts a user out or changes the password ends the logins that are there already.
        await locks.hold(tx, "member", [user.id])
        current = await accounts.find_login(tx, str(user.login))
        if current is None or current[1] != password_hash or current[0].disabled_at is not None:
            raise Unauthenticated("wrong")
        await sessions.add_session(tx, user.id, hash_code(session), now + SESSION_S * 1_000_000)
        await accounts.set_last_login(tx, user.id, now)

    await core.db.write(work, makes_room=True)
    return session


async def of_session(core: Core, session: str) -> User | None:
    """The user behind a login in a browser; None where it has ended."""
    found = await sessions.find_session(core.db, hash_code(session), core.now())
    return None if found is None else await accounts.find_user(core.db, *found)


async def log_out(core: Core, session: str) -> None:
    """End a login in a browser."""
    await core.db.write(lambda tx: sessions.remove_session(tx, hash_code(session)), makes_room=True)


def form_token(core: Core, session: str) -> str:
    """What a form has to bring along to show that we made it for the browser with that session."""
    key = core.signing_keys[max(core.signing_keys)]
    return hashlib.blake2b(session.encode(), key=key, digest_size=20, person=b"form").hexdigest()


async def _on_a_thread(core: Core, work: Callable[[], Result]) -> Result:
    # A crowd that logs in waits for itself, and leaves the threads to the pictures.
    async with core.hashing:
        return await asyncio.get_running_loop().run_in_executor(core.threads, work)


def _matches(password_hash: str, password: str) -> bool:
    try:
        check_password(password)
        return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError, InvalidValue):
        return False
