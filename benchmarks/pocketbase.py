"""PocketBase beside us: the same number of records, and its own "get one record" as its client calls it.

The collection `images` has the fields of a product image and a rule: only signed-in users may read. A client signs in
once and sends its token with each request, so each time PocketBase verifies the token and reads the user and the
record, as Packshot verifies the webhook code and reads the image. The collection `public` holds the same records
without a rule, for whoever finds that comparison unfair.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load import PER_PRODUCT, Call, Candidate, Catalogue
from benchmarks.servers import Server, ServerError, ask, free_port, program, run_once, running

ADMINISTRATOR = ("root@example.org", "a-long-password")
READER = ("reader@example.org", "another-long-password")
FIELDS = (
    {"name": "product", "type": "number", "onlyInt": True},
    {"name": "name", "type": "text"},
    {"name": "role", "type": "text"},
    {"name": "digest", "type": "text"},
    {"name": "picture", "type": "file", "maxSelect": 1, "maxSize": 10_000_000},
    {"name": "created", "type": "autodate", "onCreate": True},
)


@dataclass(frozen=True, slots=True)
class PocketBase:
    """A running PocketBase, filled; `token` is that of a signed-in reader."""

    server: Server
    token: str
    catalogue: Catalogue

    def with_token(self) -> Candidate:
        """Get one record, as a signed-in client does."""
        call = Call("GET", "/api/collections/images/records/@record@", authorization=self.token)
        return Candidate(f"{self.server.name}, token", self.server.pid, self.server.port, call, self.catalogue)

    def public(self) -> Candidate:
        """Get one record that everybody may read."""
        call = Call("GET", "/api/collections/public/records/@record@")
        return Candidate(f"{self.server.name}, public", self.server.pid, self.server.port, call, self.catalogue)


@contextlib.contextmanager
def started(folder: Path, images: int, *, logs: bool = True) -> Iterator[PocketBase]:
    """PocketBase on an empty folder, as it comes out of the box; without `logs` it does not write its request log.

    Raises:
        ServerError: it did not start or refused the set-up.
    """
    data, port, command = folder / "pocketbase", free_port(), program("pocketbase")
    run_once([command, "superuser", "upsert", *ADMINISTRATOR, f"--dir={data}"])
    serve = [command, "serve", f"--http=127.0.0.1:{port}", f"--dir={data}"]
    with running("PocketBase" if logs else "PocketBase without log", serve, port, folder / "pocketbase.log") as server:
        token = _set_up(port, logs=logs)
        _fill(data / "data.db", images)
        _check(port, token, images)
        yield PocketBase(server, token, Catalogue(images))


def _set_up(port: int, *, logs: bool) -> str:
    administrator = _sign_in(port, "_superusers", ADMINISTRATOR)
    for name, rule in (("images", "@request.auth.id != ''"), ("public", "")):
        _call(
            port,
            "POST",
            "collections",
            {"name": name, "type": "base", "fields": FIELDS, "viewRule": rule},
            administrator,
        )
    if not logs:
        _call(port, "PATCH", "settings", {"logs": {"maxDays": 0}}, administrator)
    user = {"email": READER[0], "password": READER[1], "passwordConfirm": READER[1]}
    _call(port, "POST", "collections/users/records", user, administrator)
    return _sign_in(port, "users", READER)


def _sign_in(port: int, collection: str, who: tuple[str, str]) -> str:
    words = {"identity": who[0], "password": who[1]}
    token: str = _call(port, "POST", f"collections/{collection}/auth-with-password", words)["token"]
    return token


def _call(port: int, method: str, path: str, words: object, token: str = "") -> dict[str, Any]:
    status, text = ask(port, method, f"/api/{path}", msgspec.json.encode(words), {"Authorization": token})
    if status != 200:
        raise ServerError(f"PocketBase answered {status} to {method} {path}: {text.decode()}")
    return msgspec.json.decode(text, type=dict[str, Any])


def _fill(database: Path, images: int) -> None:
    rows = [
        (
            f"{number + 1:015}",
            number // PER_PRODUCT + 1,
            f"front-{number}.jpeg",
            f"{number:064x}",
            f"front_{number:010}.jpeg",
        )
        for number in range(images)
    ]
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for table in ("images", "public"):
            connection.executemany(
                f"INSERT INTO {table} (id, product, name, role, digest, picture, created)"
                " VALUES (?, ?, ?, 'MORE_PHOTO', ?, ?, '2026-01-01 00:00:00.000Z')",
                rows,
            )


def _check(port: int, token: str, images: int) -> None:
    """The last record answers to the reader, and to nobody else."""
    path = f"/api/collections/images/records/{images:015}"
    (status, text), (refused, _) = ask(port, "GET", path, headers={"Authorization": token}), ask(port, "GET", path)
    if status != 200 or f"front-{images - 1}.jpeg".encode() not in text or refused != 404:
        raise ServerError(f"PocketBase is not as it was filled: {status} {text.decode()}, {refused} without token")
