"""Settings: defaults, then one TOML file, then the environment, checked as a whole before anything starts.

`section.name` in the file is `PACKSHOT_SECTION_NAME` in the environment. No other module reads either.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from packshot.domain.errors import InvalidValue
from packshot.domain.originals import ImageLimits, PrintLimits
from packshot.domain.renditions import presets
from packshot.emulator import faults
from packshot.emulator.faults import FaultSettings
from packshot.emulator.recorder import EmulatorSettings
from packshot.imaging.pool import WorkerSettings
from packshot.observability import LogSettings
from packshot.protocols.bitrix import simulate
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.protocols.bitrix.limits import LimitSettings
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.body import BodyLimits
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services.core import (
    AuditSettings,
    DeliverySettings,
    DownloadSettings,
    EventSettings,
    IdempotencySettings,
    IntakeSettings,
    OriginalSettings,
    RenditionSettings,
    TrashSettings,
    UpkeepSettings,
)
from packshot.services.outbound import OutboundSettings
from packshot.storage.blobs import BlobSettings, presigned
from packshot.storage.database import DatabaseSettings
from packshot.storage.folder import KeySettings
from packshot.storage.reserve import DiskSettings

PREFIX = "PACKSHOT_"


class BadSetting(Exception):
    """A setting that cannot be used; the message names it and says what it takes."""


class ServerSettings(msgspec.Struct, frozen=True):
    """How the server shows itself.

    `public_url`: the address clients use (`https://pictures.example`); when set, links are built from it and
    requests for other hosts are refused. `timezone`: the zone of every time in an answer. `metrics`: who may
    read /metrics: `local` means clients on this machine that come through no proxy. `trusted_proxies`: addresses
    or networks whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's, if empty.
    """

    public_url: str = ""
    timezone: str = "UTC"
    metrics: Literal["local", "on", "off"] = "local"
    trusted_proxies: tuple[str, ...] = ()


class CorsSettings(msgspec.Struct, frozen=True):
    """Which web pages may call us from a browser.

    `origins`: their origins, like `https://shop.example`; `*` means every page there is, which is only safe where
    no page can know a credential.
    """

    origins: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True):
    """All settings, by section."""

    server: ServerSettings = ServerSettings()
    bitrix: BitrixSettings = BitrixSettings()
    finerworks: FinerWorksSettings = FinerWorksSettings()
    limits: LimitSettings = LimitSettings()
    faults: FaultSettings = FaultSettings()
    cors: CorsSettings = CorsSettings()
    downloads: DownloadSettings = DownloadSettings()
    events: EventSettings = EventSettings()
    outbound: OutboundSettings = OutboundSettings()
    emulator: EmulatorSettings = EmulatorSettings()
    images: ImageLimits = ImageLimits()
    intake: IntakeSettings = IntakeSettings()
    originals: OriginalSettings = OriginalSettings()
    renditions: RenditionSettings = RenditionSettings()
    delivery: DeliverySettings = DeliverySettings()
    workers: WorkerSettings = WorkerSettings()
    prints: PrintLimits = PrintLimits()
    requests: BodyLimits = BodyLimits()
    database: DatabaseSettings = DatabaseSettings()
    keys: KeySettings = KeySettings()
    blobs: BlobSettings = BlobSettings()
    disk: DiskSettings = DiskSettings()
    trash: TrashSettings = TrashSettings()
    audit: AuditSettings = AuditSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    log: LogSettings = LogSettings()


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this run.

    Raises:
        BadSetting: the file cannot be read, or a setting is unknown or does not fit.
    """
    values = _from_file(path) if path else {}
    for section, name in _names():
        text = environment.get(f"{PREFIX}{section}_{name}".upper())
        if text is not None:
            is_list = isinstance(getattr(getattr(Settings(), section), name), tuple)
            values.setdefault(section, {})[name] = _split(text) if is_list else text
    try:
        # strict=False: the environment holds text only, "8" has to do for 8 and "true" for true.
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_sentence(str(error))) from None
    _check(settings)
    _check_presigning(settings, environment)
    server = msgspec.structs.replace(settings.server, public_url=settings.server.public_url.rstrip("/"))
    delivery = msgspec.structs.replace(settings.delivery, base_url=settings.delivery.base_url.rstrip("/"))
    return msgspec.structs.replace(settings, server=server, delivery=delivery)


def _split(text: str) -> list[str]:
    """A list as one text, as the environment holds it: separated by commas or semicolons."""
    return [part.strip() for part in re.split("[,;]", text) if part.strip()]


def _names() -> list[tuple[str, str]]:
    return [
        (section.name, field.name)
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    ]


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"The settings file {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"The settings file {path} is no TOML: {error}") from None
    known = {section: {name for part, name in _names() if part == section} for section, _ in _names()}
    for section, entries in values.items():
        if section not in known or not isinstance(entries, dict):
            raise BadSetting(f"The settings file {path} has an unknown section [{section}]: {', '.join(known)} exist")
        for name in entries.keys() - known[section]:
            raise BadSetting(
                f"{section}.{name} in {path} is not a setting: [{section}] has {', '.join(known[section])}"
            )
    return values


def _sentence(text: str) -> str:
    """msgspec's `Expected `int`, got `str` - at `$.upkeep.every_s`` the other way round."""
    why, _, where = text.partition(" - at `$.")
    name = where.rstrip("`").partition("[")[0]  # of a list: one of its elements does not fit
    variable = f"{PREFIX}{name.replace('.', '_')}".upper()
    if choices := _choices(name):
        why += f", it is one of {', '.join(choices)}"
    return f"The setting {name} ({variable}) does not fit: {why[:1].lower()}{why[1:]}"


def _choices(name: str) -> tuple[str, ...]:
    """The words a setting may be set to; empty where it takes anything else."""
    section, _, field = name.partition(".")
    parts = msgspec.structs.fields(Settings)
    kinds = {(part.name, own.name): own.type for part in parts for own in msgspec.structs.fields(part.type)}
    kind = kinds.get((section, field))
    return get_args(kind) if get_origin(kind) is Literal else ()


def _check(settings: Settings) -> None:
    try:
        ZoneInfo(settings.server.timezone)
    except (KeyError, ValueError, OSError):
        raise BadSetting(
            f"server.timezone is {settings.server.timezone!r}, which is no time zone like Europe/Berlin"
        ) from None
    try:
        presets(settings.renditions.presets)
    except InvalidValue as error:
        raise BadSetting(f"renditions.presets: {error.why}") from None
    _check_addresses(settings)
    _check_places(settings)
    _check_faults(settings)
    for section, name in _names():
        value = getattr(getattr(settings, section), name)
        if isinstance(value, int | float) and value < 0:
            raise BadSetting(f"{section}.{name} is {value}: it is not less than nothing")
    hour_s = 3600
    if settings.upkeep.grace_s < hour_s or settings.upkeep.young_s < hour_s:
        raise BadSetting(
            "upkeep.grace_s and upkeep.young_s are at least 3600: an upload under way looks like an orphan"
        )
    if settings.upkeep.every_s < 1:
        raise BadSetting("upkeep.every_s is at least 1")
    if settings.requests.min_rate_bytes_s < 1:
        raise BadSetting("requests.min_rate_bytes_s is at least 1")


def _check_faults(settings: Settings) -> None:
    try:
        simulate.check(settings.bitrix.simulate, METHODS)
    except InvalidValue as error:
        raise BadSetting(f"bitrix.simulate: {error.why}") from None
    for rule in settings.faults.rules:
        try:
            faults.parse(rule)
        except InvalidValue as error:
            raise BadSetting(f"faults.rules: {error.why}") from None


def _check_presigning(settings: Settings, environment: Mapping[str, str]) -> None:
    if not settings.delivery.presign:
        return
    if not settings.blobs.url.startswith("s3:"):
        raise BadSetting("delivery.presign needs originals in a bucket: see blobs.url")
    if not presigned.credentials(environment):
        raise BadSetting(
            "delivery.presign needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: a machine's role signs no addresses"
        )


def _check_addresses(settings: Settings) -> None:
    for name, url in (
        ("server.public_url", settings.server.public_url),
        ("delivery.base_url", settings.delivery.base_url),
        ("delivery.presign_endpoint", settings.delivery.presign_endpoint),
    ):
        if url and not _is_address(url):
            raise BadSetting(f"{name} is {url!r}: it has to look like https://pictures.example")
    for proxy in settings.server.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            raise BadSetting(
                f"server.trusted_proxies has {proxy!r}, which is no address or network like 10.0.0.0/8"
            ) from None
    for origin in settings.cors.origins:
        if origin != "*" and (not _is_address(origin) or origin.endswith("/")):
            raise BadSetting(f"cors.origins has {origin!r}: it has to look like https://shop.example, or be *")


def _check_places(settings: Settings) -> None:
    for name, value, shape, example in (
        ("database.url", settings.database.url, r"postgres(ql)?://.+", "postgresql://user:password@host/name"),
        ("blobs.url", settings.blobs.url, r"s3://[a-z0-9][a-z0-9.-]+(/.*)?|file:///.+", "s3://bucket/prefix"),
        ("delivery.accel_redirect", settings.delivery.accel_redirect, r"/([A-Za-z0-9_-]+/)+", "/_packshot/"),
    ):
        if value and not re.fullmatch(shape, value):
            told = "" if "password" in example else f" is {value!r}: it"
            raise BadSetting(f"{name}{told} has to look like {example}")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"}
            and len(parts.hostname or "") in range(1, 254)
            and parts.port != 0
            and parts.path in {"", "/"}
            and not {"?", "#", "@"} & set(url)
        )
    except ValueError:  # the port
        return False
