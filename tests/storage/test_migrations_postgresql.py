"""A PostgreSQL database is brought up to date once, whole or not at all, while others are using it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

import postgres
from bucket import free_port
from packshot.storage import migrations
from packshot.storage.migrations import NotMigrated, SchemaTooNew, SchemaTooOld, on_postgresql, steps
from packshot.storage.migrations.on_postgresql import NotAllowed, ServerUnusable, create, place, rehearse, upgrade

EVERY = steps("postgresql")
NEWEST = EVERY[-1][0]
OLD = NEWEST - 2


@pytest.fixture
def url() -> str:
    """The address of an empty database."""
    return postgres.new()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def look(url: str) -> tuple[int, set[str]]:
    """The step that a database is at, and all its tables and indexes, whatever their schema."""
    async with opened(url) as connection:
        names = await connection.fetch(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        )
        return await on_postgresql.version(connection), {row[0] for row in names}


def know(monkeypatch: pytest.MonkeyPatch, *more: str, until: int = NEWEST) -> None:
    """From now on these are the steps: all up to that one, and then more of them."""
    added = [(number, f"{number:04}_test", sql) for number, sql in enumerate(more, until + 1)]
    monkeypatch.setattr(migrations, "steps", lambda _: [*EVERY[:until], *added])


@pytest.fixture
async def old(url: str) -> str:
    """The address of a database as the version before left it."""
    with pytest.MonkeyPatch.context() as patch:
        know(patch, until=OLD)
        await create(url)
    return url


async def test_an_empty_database_gets_every_step(url: str) -> None:
    await create(url)

    async with opened(url) as connection:
        applied = await connection.fetch("SELECT number, name FROM migration ORDER BY number")
    assert [tuple(row) for row in applied] == [step[:2] for step in EVERY]


async def test_a_database_that_is_up_to_date_stays_as_it_is(url: str) -> None:
    await create(url)
    before = await look(url)

    await create(url)

    assert await upgrade(url) is None
    assert await rehearse(url) is None
    assert await look(url) == before


async def test_an_empty_database_is_not_upgraded(url: str) -> None:
    assert await upgrade(url) is None
    assert await look(url) == (0, set())


async def test_servers_that_start_at_once_share_the_work(url: str) -> None:
    await asyncio.gather(*(create(url) for _ in range(4)))

    assert (await look(url))[0] == NEWEST


async def test_of_servers_that_upgrade_at_once_one_does_it(old: str) -> None:
    upgraded = await asyncio.gather(*(upgrade(old) for _ in range(4)))

    assert [str(one) for one in upgraded if one] == [f"Brought the database from step {OLD} to {NEWEST}"]
    assert (await look(old))[0] == NEWEST


async def test_rows_outlive_the_steps_that_follow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(url)
    async with opened(url) as connection:
        await connection.execute("INSERT INTO account (name, created_at) VALUES ('kept', 1)")
    know(monkeypatch, "ALTER TABLE account ADD COLUMN more BIGINT NOT NULL DEFAULT 5")

    await upgrade(url)

    async with opened(url) as connection:
        assert tuple(await connection.fetchrow("SELECT name, more FROM account")) == ("kept", 5)


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    await create(url)
    async with opened(url) as connection:
        await connection.execute(f"INSERT INTO migration VALUES ({NEWEST + 1}, 'from the future', 1)")
    before = await look(url)

    for use in (create, upgrade, rehearse):
        with pytest.raises(SchemaTooNew, match=f"at schema {NEWEST + 1}, this version of Packshot knows {NEWEST}"):
            await use(url)

    assert await look(url) == before


async def test_whoever_only_opens_an_old_database_is_refused(old: str) -> None:
    before = await look(old)

    with pytest.raises(SchemaTooOld, match=f"{OLD}, this version of Packshot works with {NEWEST}: start a server of"):
        await create(old)

    assert await look(old) == before


@pytest.mark.parametrize("use", [upgrade, rehearse])
async def test_a_failing_step_is_named_and_leaves_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, use: Any
) -> None:  # fmt: skip
    await create(url)
    before = await look(url)
    know(monkeypatch, "CREATE TABLE whole (id BIGINT)", "CREATE TABLE half (id BIGINT); INSERT INTO nowhere VALUES (1)")

    with pytest.raises(NotMigrated, match=rf'up to date: step {NEWEST + 2:04}_test failed, .*"nowhere" does not exist'):
        await use(url)

    assert await look(url) == before


async def test_functions_with_semicolons_are_made_whole(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(url)
    know(monkeypatch, "CREATE FUNCTION six() RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM 1; RETURN 6; END$$; --;")

    await upgrade(url)

    async with opened(url) as connection:
        assert await connection.fetchval("SELECT six()") == 6


async def test_a_rehearsal_tells_what_is_lacking_and_leaves_nothing(old: str) -> None:
    before = await look(old)

    trial = await rehearse(old)

    assert trial
    assert (trial.found, trial.lacking) == (OLD, [name for _, name, _ in EVERY[OLD:]])
    assert trial.size_bytes > 1_000_000
    assert await look(old) == before


async def test_a_rehearsal_waits_for_nobody(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, "ALTER TABLE image ADD COLUMN more BIGINT")
    async with opened(old) as other, other.transaction():
        await other.execute("LOCK TABLE image")

        assert await asyncio.wait_for(rehearse(old), 30)


async def test_short_locks_of_others_are_waited_for_again_and_again(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    know(monkeypatch, "ALTER TABLE account ADD COLUMN more BIGINT; ALTER TABLE image ADD COLUMN more BIGINT", until=OLD)
    monkeypatch.setattr(on_postgresql, "LOCK_MS", 50)
    monkeypatch.setattr(on_postgresql, "_PAUSE_S", 0.05)
    async with opened(old) as other, opened(old) as third:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("LOCK TABLE image IN ACCESS SHARE MODE")

        upgrading = asyncio.create_task(upgrade(old))
        await asyncio.sleep(0.5)

        assert not upgrading.done()
        # It gave way in between: others get at the table that it had locked already.
        await asyncio.wait_for(third.execute("SELECT count(*) FROM account"), 10)
        await transaction.rollback()
        assert await upgrading


async def test_locks_that_stay_are_named_in_the_end(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, "ALTER TABLE image ADD COLUMN more BIGINT", until=OLD)
    monkeypatch.setattr(on_postgresql, "LOCK_MS", 50)
    monkeypatch.setattr(on_postgresql, "PATIENCE_S", 0.0)
    async with opened(old) as other, other.transaction():
        await other.execute("LOCK TABLE image IN ACCESS SHARE MODE")

        with pytest.raises(NotMigrated, match="others held on to its tables for 0 s, canceling statement due to lock"):
            await asyncio.wait_for(upgrade(old), 30)

    assert (await look(old))[0] == OLD


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(ServerUnusable) as failed:
        await create(f"postgresql://packshot:secret@127.0.0.1:{free_port()}/shop?sslmode=disable")

    assert "/shop cannot be used: [Errno 111] Connect call failed" in str(failed.value)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("address", ["[::1/shop", "host:port/shop"])
async def test_what_is_no_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ServerUnusable) as failed:
        await create(f"postgresql://packshot:sec:r@et@{address}")

    told = "an address is postgresql://user:password@host/name"
    assert str(failed.value) == f"The database {address} cannot be used: {told}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://packshot:pa/ss@db.example:5433/shop", "db.example:5433/shop"),
        ("postgresql://db.example/shop?user=a@b&password=secret", "b"),
        ("postgresql:///shop?host=/run/postgresql&password=secret", "shop"),
    ],
)
def test_a_place_is_shown_without_user_password_and_options(url: str, shown: str) -> None:
    assert place(url) == shown


async def test_a_database_that_is_missing_is_named(url: str) -> None:
    with pytest.raises(ServerUnusable, match=r'x cannot be used: database "\w+x" does not exist. Make it with CREATE'):
        await create(f"{url}x")


async def test_a_wrong_password_is_named(url: str) -> None:
    server = postgres.shared()
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + rules.read_text("utf-8"), "utf-8")
    server.run("postgres", "CREATE ROLE locked LOGIN PASSWORD 'right'")
    server.run("postgres", "SELECT pg_reload_conf()")

    with pytest.raises(ServerUnusable, match='cannot be used: password authentication failed for user "locked"'):
        await create(url.replace("packshot@", "locked:wrong@"))


async def test_a_user_who_may_make_no_tables_is_told_so(url: str) -> None:
    server = postgres.shared()
    server.run("postgres", "CREATE ROLE guest LOGIN")

    with pytest.raises(NotAllowed, match=r"cannot be made or changed \(permission denied for schema public\): let its"):
        await create(url.replace("packshot@", "guest@"))

    assert await look(url) == (0, set())


async def test_an_owner_without_any_other_right_may_make_all_tables_and_indexes(url: str) -> None:
    server, name = postgres.shared(), url.rpartition("/")[2]
    server.run("postgres", f"CREATE ROLE owner_{name} LOGIN; ALTER DATABASE {name} OWNER TO owner_{name}")

    await create(url.replace("packshot@", f"owner_{name}@"))

    assert {"image", "image_in_inventory_by_part"} <= (await look(url))[1]


async def test_whoever_may_make_no_extension_has_all_tables_and_no_indexes_for_searches(url: str) -> None:
    server, name = postgres.shared(), url.rpartition("/")[2]
    server.run("postgres", f"CREATE ROLE maker_{name} LOGIN")
    server.run(name, f"GRANT CREATE ON SCHEMA public TO maker_{name}")

    await create(url.replace("packshot@", f"maker_{name}@"))

    made = (await look(url))[1]
    assert {"image", "image_in_inventory", "erasure"} <= made
    assert not [index for index in made if index.endswith("_by_part")]


async def test_an_older_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_postgresql, "OLDEST", 99)

    with pytest.raises(ServerUnusable, match=r"it is PostgreSQL \d+, and Packshot works with 99 or newer"):
        await create(url)


async def test_a_database_in_another_encoding_is_refused() -> None:
    server = postgres.shared()
    server.run("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")

    with pytest.raises(ServerUnusable, match=r"its encoding is LATIN1\. Make another one with ENCODING 'UTF8'"):
        await create(server.url("latin"))


async def test_a_server_that_takes_no_writes_says_so(url: str) -> None:
    name = url.rpartition("/")[2]
    postgres.shared().run("postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with pytest.raises(ServerUnusable, match="in a read-only transaction"):
        await create(url)


async def test_a_server_that_ends_in_the_middle_is_named_and_nothing_has_happened(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "CREATE TABLE half (id BIGINT); SELECT pg_terminate_backend(pg_backend_pid())", until=OLD)
    before = await look(old)

    with pytest.raises(ServerUnusable, match="cannot be used: the connection was lost"):
        await upgrade(old)

    assert await look(old) == before
