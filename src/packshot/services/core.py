"""The handles every use case needs, in one frozen value."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec

from packshot.domain.access import Principal
from packshot.domain.originals import ImageLimits
from packshot.storage.blobs import BlobStore
from packshot.storage.database import Database

DAY_S = 86_400


class DownloadSettings(msgspec.Struct, frozen=True):
    """How long download links live; those made by an inbound webhook for `webhook_ttl_s` seconds."""

    webhook_ttl_s: int = 7 * DAY_S


class UpkeepSettings(msgspec.Struct, frozen=True):
    """How long bytes outlive what pointed at them, in seconds.

    `every_s`: pause between two rounds. `young_s`: an orphan younger than this may belong to an upload under
    way. `retention_s`: from an orphan's doom to its deletion; keep it above the interval of your backups.
    `grace_s`: age at which files nobody knows are deleted.
    """

    every_s: int = 600
    young_s: int = 3_600
    retention_s: int = DAY_S
    grace_s: int = DAY_S


@dataclass(frozen=True, slots=True)
class Core:
    """What services work with. `clock` gives Unix seconds; `signing_keys` are by id, the highest one signs."""

    db: Database
    blobs: BlobStore
    threads: ThreadPoolExecutor
    clock: Callable[[], float]
    signing_keys: Mapping[int, bytes]
    limits: ImageLimits
    downloads: DownloadSettings
    upkeep: UpkeepSettings
    principals: dict[tuple[int, str], tuple[float, Principal]] = field(default_factory=dict)

    def now(self) -> int:
        """This moment as the store keeps it: Unix microseconds, cut to the whole second that both protocols show.

        A filter for the time that an answer printed then finds that row.
        """
        return int(self.clock()) * 1_000_000
