"""The handles every use case needs, in one frozen value."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from packshot.domain.access import Principal
from packshot.domain.originals import ImageLimits, PrintLimits, Privacy
from packshot.domain.renditions import RenditionSpec
from packshot.imaging.pool import Workers
from packshot.services.making import Making
from packshot.services.outbound import Outbound
from packshot.storage.blobs import BlobStore
from packshot.storage.database import Database
from packshot.storage.folder import Sealer
from packshot.storage.renditions import Renditions
from packshot.storage.reserve import Reserve

DAY_S = 86_400

LAST_S = 2**32 - 1
"""The last Unix second that signed addresses can name, in the year 2106."""


class DownloadSettings(msgspec.Struct, frozen=True):
    """How long download links live; those made by an inbound webhook for `webhook_ttl_s` seconds."""

    webhook_ttl_s: int = 7 * DAY_S


class UpkeepSettings(msgspec.Struct, frozen=True):
    """How long bytes outlive what pointed at them, in seconds.

    `every_s`: pause between two rounds. `young_s`: an orphan younger than this may belong to an upload under
    way. `retention_s`: from an orphan's doom to its deletion.
    `grace_s`: age at which files nobody knows are deleted. `scrub_every_s`: how often all originals are read again to
    see whether they are what was stored, at `scrub_bytes_s` bytes a second; 0 of either leaves that to commands.
    """

    every_s: int = 600
    young_s: int = 3_600
    retention_s: int = DAY_S
    grace_s: int = DAY_S
    scrub_every_s: int = 7 * DAY_S
    scrub_bytes_s: int = 5_000_000


class TrashSettings(msgspec.Struct, frozen=True):
    """What is deleted can be taken back for `keep_s` seconds, with `packshot trash`."""

    keep_s: int = 30 * DAY_S


class AuditSettings(msgspec.Struct, frozen=True):
    """What was done to images is known for `keep_s` seconds, by `packshot audit`; 0 is for ever."""

    keep_s: int = 365 * DAY_S


class IdempotencySettings(msgspec.Struct, frozen=True):
    """What a call with an `Idempotency-Key` came to is kept for `keep_s` seconds, for those who repeat it."""

    keep_s: int = DAY_S


class EventSettings(msgspec.Struct, frozen=True):
    """What is told to those who listen.

    `image_changes_product`: a new or deleted image is told as a change of its product, too. `max_waiting`: with more
    events than this waiting for one receiver, no more are noted for it until half of them are through.
    """

    image_changes_product: bool = True
    max_waiting: int = 10_000


class LibrarySettings(msgspec.Struct, frozen=True):
    """What libraries hold.

    `shared_library`: images of products stand in the inventory library, too. `ingest`: the files of images that are
    added by address are fetched and hosted here. `temporary_s`: how many seconds images stay in a temporary library.
    """

    shared_library: bool = True
    ingest: bool = False
    temporary_s: int = 14 * DAY_S


class IntakeSettings(msgspec.Struct, frozen=True):
    """How closely uploads are looked at before they are acknowledged.

    `verify`: `full` decodes every pixel in an image worker, so that damaged pictures are refused; `header` believes
    what the first bytes say, for bulk loads of pictures that are known to be sound.
    """

    verify: Literal["full", "header"] = "full"


class OriginalSettings(msgspec.Struct, frozen=True):
    """What everybody gets to see of originals; download links give the exact bytes.

    `privacy`: `strip_location` shows a copy that does not tell where and with which device it was taken, `strip_all`
    one that tells nothing but its pixels and their colours, `keep` the original. An image may have its own.
    """

    privacy: Privacy = "strip_location"


class RenditionSettings(msgspec.Struct, frozen=True):
    """What is made of originals.

    `presets`: renditions that everybody may see, each a name and a spec without its format: `hero=1600x900-cover`.
    Those named here come beside, or in the place of, `thumbnail`, `card`, `preview` and `zoom`. `avif`: also make
    AVIF, in the background. `cache_bytes`: how much is kept; what was used least recently goes first.
    """

    presets: tuple[str, ...] = ()
    avif: bool = True
    cache_bytes: int = 2 * 1024 * 1024 * 1024


class DeliverySettings(msgspec.Struct, frozen=True):
    """How pictures are sent to everybody.

    `base_url`: the address of the host that links to pictures name, if it is another one. `max_age_s`: how long
    caches may keep them without asking; with `immutable` they need not even ask when somebody reloads the page.
    `accel_redirect`: where nginx finds the data folder for itself, such as `/_packshot/`; empty without it. `presign`:
    clients fetch large originals from the bucket themselves, whose store they reach at `presign_endpoint`, or else
    where we do.
    """

    base_url: str = ""
    max_age_s: int = DAY_S
    immutable: bool = False
    accel_redirect: str = ""
    presign: bool = False
    presign_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Core:
    """What services work with. `clock` gives Unix seconds; `signing_keys` are by id, the highest one signs.

    `sealer` encrypts the secrets that have to be kept readable, under the key file beside the database.
    `outbound` sends to addresses from outside and fetches from there. `event_counts` has what metrics show of events,
    `blob_counts` what they show of originals that are read again. `tried` says when upkeep may try again to repair one.
    `presets` are all there are, by name. `renditions` keeps what was made of originals, `making` makes it once.
    `hashing` bounds how many passwords are hashed at once. `staging` has the files of uploads that come in piece by
    piece, which `prints.at_once` bounds. `reserve` is what the disk has set aside for deleting. `node` is the name of
    this process among those that share the store, where there may be several; `node_counts` has what metrics show of
    them: those `seen`, and the `rounds` of upkeep that this one has done.
    """

    db: Database
    blobs: BlobStore
    reserve: Reserve
    threads: ThreadPoolExecutor
    clock: Callable[[], float]
    signing_keys: Mapping[int, bytes]
    sealer: Sealer
    limits: ImageLimits
    prints: PrintLimits
    downloads: DownloadSettings
    upkeep: UpkeepSettings
    events: EventSettings
    trash: TrashSettings
    audit: AuditSettings
    idempotency: IdempotencySettings
    libraries: LibrarySettings
    outbound: Outbound
    intake: IntakeSettings
    workers: Workers
    originals: OriginalSettings
    pictures: RenditionSettings
    presets: Mapping[str, RenditionSpec]
    delivery: DeliverySettings
    renditions: Renditions
    node: str
    making: Making = field(default_factory=Making)
    event_counts: Counter[str] = field(default_factory=Counter)
    blob_counts: Counter[str] = field(default_factory=Counter)
    node_counts: Counter[str] = field(default_factory=Counter)
    tried: dict[int, int] = field(default_factory=dict)
    principals: dict[tuple[int, str], tuple[float, Principal]] = field(default_factory=dict)
    staging: set[Path] = field(default_factory=set)
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    def now(self) -> int:
        """This moment as the store keeps it: Unix microseconds, cut to the whole second that both protocols show.

        A filter for the time that an answer printed then finds that row.
        """
        return int(self.clock()) * 1_000_000
