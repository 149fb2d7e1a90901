"""The keys that sign download links: kept in the database, encrypted under the key file."""

import secrets
from typing import Protocol

from packshot.storage import credentials, locks
from packshot.storage.database import Database, Tx

KEY_BYTES = 32


class Sealer(Protocol):
    """What encrypts and decrypts small secrets."""

    def encrypt(self, data: bytes) -> bytes:
        """The sealed bytes."""

    def decrypt(self, token: bytes) -> bytes:
        """The bytes that were sealed."""


async def signing_keys(db: Database, sealer: Sealer, now: int) -> dict[int, bytes]:
    """All signing keys by id, oldest first; the first one is made when there is none."""

    async def work(tx: Tx) -> list[tuple[int, bytes]]:
        await locks.alone(tx, "signing_key")
        if not await credentials.of_signing_keys(tx):
            await credentials.add_signing_key(tx, sealer.encrypt(secrets.token_bytes(KEY_BYTES)), now)
        return await credentials.of_signing_keys(tx)

    sealed = await credentials.of_signing_keys(db) or await db.write(work)
    return {key_id: sealer.decrypt(secret) for key_id, secret in sealed}
