"""Who acts on the bytes of one digest, what there is in the beginning, and what has to hold: see interleaving.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs

import stock
from faults.interleaving import Act, Steps, Store, Wrong
from packshot.domain.errors import NotFound
from packshot.domain.libraries import NewLibraryImage, Place
from packshot.services import images, libraries, originals, restoring, scrub, upkeep
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.storage import backup, blob_rows
from packshot.storage.database import Tx
from stock import CALLER, LONE

PICTURE, DIGEST = stock.PICTURES[2], stock.DIGESTS[2]
SHOWN, BINNED = "shown", "binned"
"""Guids of the image that is there in the beginning, and of the one that lies in the trash."""


# What actors do


async def add(core: Core) -> str:
    upload = Upload("a.png", len(PICTURE), lambda: PICTURE)
    return (await images.add_to_product(core, CALLER, LONE, "more", upload)).guid


async def add_to_library(core: Core) -> str:
    new = NewLibraryImage(
        guid=images.new_guid(), place=Place(), name="a", title="a", description=None, created_at=core.now(),
        address=images.new_address(),
    )  # fmt: skip

    async def work(tx: Tx, blob_ids: list[int]) -> None:
        await libraries.put(tx, CALLER, [(new, blob_ids[0])])

    examined = await originals.examine(core, Upload("a", len(PICTURE), lambda: PICTURE))
    await originals.store(core, CALLER.account_id, [examined], work)
    return new.guid


async def delete(core: Core) -> set[str]:
    return await libraries.remove_images(core, CALLER, [SHOWN], None)


async def doom(core: Core) -> None:
    await upkeep.empty_trash(core)
    await upkeep.doom(core)


async def restore(core: Core) -> str:
    await restoring.restore(core, CALLER, 1)
    return BINNED


async def purge(core: Core) -> None:
    await restoring.purge(core, CALLER, 1)


async def look_for_rot(core: Core) -> None:
    await scrub.run_once(core, lambda _: None)


async def repair(core: Core) -> None:
    await scrub.repair(core, scrub.Pace(0))


async def back_up(core: Core) -> set[str]:
    """The steps of services/backup.py on the store; the keys that were lost on the way."""
    hold_id = await core.db.write(partial(backup.take_hold, expires_at=core.now() + 1_000_000, now=core.now()))
    lost = set()
    for blob in await blob_rows.walk(core.db, 0, 100):
        if blob.state == "live" and await core.blobs.find_size(blob.key) != blob.size_bytes:
            lost.add(blob.key)
    await core.db.write(partial(backup.drop_hold, hold_id=hold_id))
    return lost


ACTS: dict[str, Act] = {
    "add": add,
    "add too": add,
    "add to library": add_to_library,
    "delete": delete,
    "doom": doom,
    "reap": upkeep.reap,
    "sweep": upkeep.sweep,
    "empty trash": upkeep.empty_trash,
    "purge": purge,
    "restore": restore,
    "scrub": look_for_rot,
    "repair": repair,
    "back up": back_up,
}
MAY_MISS = {"purge", "restore"}
"""What they want may be gone by then, which they say."""
MODEL = ("add", "add too", "delete", "doom", "reap", "sweep")
"""The model of the design."""


# What there is in the beginning


Scene = Callable[[Store], None]


def bare(store: Store) -> None:
    """Nothing at all."""
    _ = store


def shown(store: Store) -> None:
    """An image, and nothing else."""
    store.alone(add)
    store.connection.execute("UPDATE image SET guid = ?1 WHERE guid LIKE 'alone%'", (SHOWN,))


def binned(store: Store) -> None:
    """An image in the trash, and nothing else."""
    store.alone(add)
    store.connection.execute("UPDATE image SET guid = ?1 WHERE guid LIKE 'alone%'", (BINNED,))
    store.alone(lambda core: libraries.remove_images(core, CALLER, [BINNED], None))


def orphaned(store: Store) -> None:
    """Bytes that nothing points at, doomed ones from before, and a file that nobody knows."""
    for name in ("first", "second"):
        shown(store)
        store.alone(delete)
        store.alone(upkeep.empty_trash)
        if name == "first":
            store.alone(upkeep.doom)
    store.folder.files[f"{DIGEST}.{'5' * 16}"] = PICTURE, "stranger"


def full(store: Store) -> None:
    """All of this: one image is shown, one lies in the trash, older bytes are doomed, and a file nobody knows."""
    orphaned(store)
    store.alone(upkeep.doom)
    binned(store)
    shown(store)


def missing(store: Store) -> None:
    """An image whose bytes are gone, and nobody has noticed."""
    shown(store)
    store.folder.files.clear()


def damaged(store: Store) -> None:
    """An image whose bytes have changed, and nobody has noticed; there is a second copy."""
    shown(store)
    for key in store.folder.files:
        store.folder.files[key] = PICTURE[:-1] + b"!", SHOWN
    store.folder.copies = {DIGEST: PICTURE}


def returned(store: Store) -> None:
    """An image that was taken out of use and whose bytes are good again."""
    shown(store)
    store.connection.execute("UPDATE blob SET state = 'corrupt'")


def lost(store: Store) -> None:
    """An image in the trash whose bytes are gone, and nobody has noticed."""
    binned(store)
    store.folder.files.clear()


SCENES: tuple[Scene, ...] = (bare, shown, binned, orphaned, full, missing, damaged, returned, lost)
WITH_TRASH = (binned, full, lost)


# What has to hold


@dataclass(frozen=True)
class Laws:
    """What holds in every state, and at the end.

    *rotten*: keys whose bytes were bad in the beginning; *suspect*: what may be out of use for that. *noted*:
    how many events of which name there were.
    """

    rotten: frozenset[str]
    suspect: frozenset[tuple[str, str]]
    noted: Mapping[str, int]

    def look(self, store: Store) -> None:
        """In every state."""
        rows = store.connection.execute("SELECT id, key, state FROM blob").fetchall()
        whole = {blob_id for blob_id, key, _ in rows if is_whole(store, key)}
        known = {blob_id for blob_id, key, _ in rows if key in self.rotten}
        live = {blob_id for blob_id, _, state in rows if state == "live"}
        if len(live) > 1:
            raise Wrong(f"{len(live)} live blobs have one digest")
        if live - whole - known:
            raise Wrong("a live blob has no bytes, or others")
        here = _pointing(store, "SELECT guid, blob_id FROM image")
        kept = _pointing(store, "SELECT name, blob_id FROM trash")
        out = {blob_id for blob_id, key, state in rows if state != "live" and (state, key) not in self.suspect}
        if not out.isdisjoint({*here.values(), *kept.values()}):
            raise Wrong("something points at bytes that are out of use")
        for actor in store.actors:
            self._told(actor, here, whole, known)

    def _told(self, actor: Steps, here: Mapping[str, int], whole: set[int], known: set[int]) -> None:
        if actor.error and not (actor.name in MAY_MISS and isinstance(actor.error, NotFound)):
            raise Wrong(f"{actor.name}: {actor.error!r}")
        if isinstance(actor.result, str):
            fine = whole | known if actor.name == "restore" else whole
            if here.get(actor.result) not in fine:
                raise Wrong(f"what {actor.name} was told is stored has no bytes")
        if actor.name == "back up" and actor.ended and actor.result - self.rotten:
            raise Wrong("a backup lost what it held")

    def judge(self, store: Store) -> None:
        """In the end, and then after a last upkeep that nobody disturbs: there is what should be, and nothing else."""
        gone = {guid for actor in store.actors if actor.name == "delete" for guid in actor.result}
        if _pointing(store, "SELECT guid, blob_id FROM image").keys() & gone:
            raise Wrong("what was deleted is there")
        added = [actor for actor in store.actors if actor.name.startswith("add") and actor.result]
        due = {"ADD": len(added), "DELETE": len(gone)}
        told = noted(store)
        if any(told.get(name, 0) - self.noted.get(name, 0) != count for name, count in due.items()):
            raise Wrong(f"other events than {due}: {told}")
        store.alone(tidy)
        self.look(store)
        self._left(store, healed=bool(added or store.folder.copies))

    def _left(self, store: Store, *, healed: bool) -> None:
        rows = dict(store.connection.execute("SELECT key, state FROM blob").fetchall())
        if "doomed" in rows.values() or store.folder.files.keys() - rows.keys() or store.folder.staged:
            raise Wrong("something is left that nobody needs")
        if healed and not all(state == "live" and is_whole(store, key) for key, state in rows.items()):
            raise Wrong("something is not healed")
        if store.connection.execute("PRAGMA foreign_key_check").fetchall():
            raise Wrong("a row points at nothing")


def is_whole(store: Store, key: str) -> bool:
    """Whether the key's bytes are there, and are the picture's."""
    return store.folder.files.get(key, (b"",))[0] == PICTURE


def _pointing(store: Store, sql: str) -> dict[str, int]:
    return dict(store.connection.execute(sql).fetchall())


def noted(store: Store) -> dict[str, int]:
    """How many events of images there are, by the last words of their names."""
    counts = store.connection.execute("SELECT event, count(*) FROM outbox GROUP BY event").fetchall()
    return {event.rpartition(".")[2]: count for event, count in counts if event.startswith("PACKSHOT.")}


async def tidy(core: Core) -> None:
    """Upkeep when nobody else is about: even the youngest file that nobody knows goes."""
    await scrub.run_once(core, lambda _: None)
    for _ in range(2):
        await doom(core)
        await upkeep.reap(core)
        await upkeep.sweep(replace(core, upkeep=structs.replace(core.upkeep, grace_s=0)))


def laws_of(store: Store) -> Laws:
    """The laws for a store that begins like this."""
    rows = store.connection.execute("SELECT key, state FROM blob WHERE state <> 'doomed'").fetchall()
    rotten = frozenset(key for key, _ in rows if not is_whole(store, key))
    suspect = frozenset(("corrupt", key) for key, state in rows if key in rotten or state == "corrupt")
    return Laws(rotten, suspect, noted(store))
