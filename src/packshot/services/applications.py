"""Applications: registered, listed, limited to some users, deleted."""

import secrets

import msgspec

from packshot.domain.accounts import Application, named, web_address
from packshot.domain.errors import NotFound
from packshot.services import events
from packshot.services.access import account_called, hash_code, random_text
from packshot.services.core import Core
from packshot.storage import accounts, applications, locks
from packshot.storage.database import Reads, Tx

SECRET_CHARACTERS = 48
TOKEN_CHARACTERS = 32


class Registration(msgspec.Struct, frozen=True):
    """A new application with its two secrets.

    `secret` proves the application to us, and is shown this once; `application_token` proves us to the application.
    """

    application: Application
    secret: str
    application_token: str


async def create(core: Core, account: str, wanted: Application) -> Registration:
    """Register *wanted*, whatever its ids say, in the account of that name; its handler will be told.

    Raises:
        InvalidValue: the name or one of the addresses cannot be used.
        NotFound: no such account, or it has no such user.
    """
    name = named("name", wanted.name)
    web_address("redirect URI", wanted.redirect_uri)
    if wanted.handler is not None:
        web_address("handler", wanted.handler)
    account_id, now = await account_called(core, account), core.now()
    client_id = f"local.{secrets.token_hex(7)[:13]}.{secrets.randbelow(10**8):08}"
    secret, token = random_text(SECRET_CHARACTERS), random_text(TOKEN_CHARACTERS)
    new = msgspec.structs.replace(wanted, account_id=account_id, client_id=client_id, name=name)
    sealed = core.sealer.encrypt(token.encode())

    async def work(tx: Tx) -> Application:
        await _require_users(tx, account_id, new.members)
        made = await applications.add_application(tx, new, hash_code(secret), sealed, now)
        await applications.set_members(tx, made, new.members)
        registered = msgspec.structs.replace(new, id=made)
        if new.handler is not None:
            await events.note_install(tx, registered, new.handler, now)
        return registered

    return Registration(await core.db.write(work), secret, token)


async def of_account(core: Core, account: str) -> list[Application]:
    """All applications of the account of that name, by id. Raises: NotFound."""
    return await applications.of_applications(core.db, await account_called(core, account))


async def get(core: Core, client_id: str) -> Application:
    """The application of that client id. Raises: NotFound."""
    application = await applications.find_application(core.db, client_id)
    if application is None:
        raise NotFound("application", client_id)
    return application


async def set_users(core: Core, client_id: str, users: tuple[int, ...]) -> None:
    """Let only these users of its account use the application; everybody, if there are none. Raises: NotFound."""
    application = await get(core, client_id)

    async def work(tx: Tx) -> None:
        await locks.hold(tx, "application", [application.id])
        await _require_users(tx, application.account_id, users)
        await applications.set_members(tx, application.id, users)

    await core.db.write(work, makes_room=True)


async def delete(core: Core, client_id: str) -> None:
    """Delete the application with all its tokens; within a second they are good for nothing. Raises: NotFound."""
    application = await get(core, client_id)
    account_id = application.account_id
    await core.db.write(lambda tx: applications.remove_application(tx, account_id, client_id), makes_room=True)


async def application_token(core: Core, application_id: int) -> str:
    """What proves to the application that an event comes from us. Raises: NotFound."""
    sealed = await applications.find_sealed_token(core.db, application_id)
    if sealed is None:
        raise NotFound("application", application_id)
    return core.sealer.decrypt(sealed).decode()


async def _require_users(reads: Reads, account_id: int, users: tuple[int, ...]) -> None:
    for user_id in users:
        if not await accounts.has_user(reads, account_id, user_id):
            raise NotFound("user", user_id)
