"""What the first start prints: the webhook address, and commands that work as they are."""

import base64
import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from packshot.imaging.sketch import tiny_png


def quoted(path: Path) -> str:
    """A path as it has to be typed."""
    return shlex.quote(str(path))


def program() -> str:
    """This command as it can be typed here: by its name where a shell would find it, by its path otherwise."""
    path = Path(sys.argv[0])
    return quoted(path) if path.name == "packshot" and not shutil.which("packshot") else "packshot"


def visible(text: str) -> str:
    """One line of text that others wrote, safe for a terminal: what cannot be seen stands there by its number."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def addresses(base_url: str, user_id: int, code: str) -> dict[str, str | int]:
    """The facts a script needs, by the names that `packshot init --json` prints."""
    return {
        "base_url": base_url,
        "user_id": user_id,
        "webhook_code": code,
        "webhook_url": f"{base_url}/rest/{user_id}/{code}/",
    }


def day(moment: int) -> str:
    """Unix microseconds as people read them."""
    return datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts_of(facts: Mapping[str, object]) -> list[str]:
    """One line for each fact."""
    return [f"{name}: {fact}" for name, fact in facts.items()]


def commands(
    webhook_url: str, product_id: int, image_id: int, authority: Path | None = None, catalog_id: int = 1
) -> list[tuple[str, str]]:
    """Five commands with what each does: the ids are those that the first and second one will get.

    *authority* is the certificate that curl has to trust, where it would not by itself.
    """
    curl = _curl(authority)
    picture = base64.b64encode(tiny_png()).decode()
    place = {"productId": product_id, "id": image_id}
    calls: list[tuple[str, str, dict[str, object]]] = [
        ("Add a product", "catalog.product.add", {"fields": {"iblockId": catalog_id, "name": "Blue shirt"}}),
        (
            "Give it a picture",
            "catalog.productImage.add",
            {"fields": {"productId": product_id, "type": "MORE_PHOTO"}, "fileContent": ["shirt.png", picture]},
        ),
        ("List its pictures", "catalog.productImage.list", {"productId": product_id}),
        ("Get one of them", "catalog.productImage.get", dict(place)),
        ("Delete it", "catalog.productImage.delete", dict(place)),
    ]
    return [(title, f"{curl} {webhook_url}{method} \\\n  -d '{json.dumps(values)}'") for title, method, values in calls]


def library_commands(
    base_url: str, pair: Mapping[str, object], guids: Sequence[str], authority: Path | None = None
) -> list[tuple[str, str]]:
    """The same as FinerWorks' clients call: list the library and, if images of it are named, delete these."""
    curl = " ".join([_curl(authority), *(f"-H '{name}: {pair[name]}'" for name in ("web_api_key", "app_key"))])
    wanted, doomed = json.dumps({"list_products": True}), json.dumps({"guids": list(guids), "library": None})
    listing = ("List the library", f"{curl} {base_url}/v3/list_images \\\n  -d '{wanted}'")
    deletion = ("Delete two of its images", f"{curl} -X DELETE {base_url}/v3/delete_images \\\n  -d '{doomed}'")
    return [listing, deletion] if guids else [listing]


def _curl(authority: Path | None) -> str:
    trust = f" --cacert {quoted(authority)}" if authority else ""
    return f"curl -sS -w '\\n'{trust} -H 'Content-Type: application/json'"


def welcome(webhook_url: str) -> str:
    """What a person has to keep of the first start."""
    return f"\n  Webhook address (shown this once, keep it): {webhook_url}\n"


def first_keys(pair: Mapping[str, object]) -> str:
    """What else a person has to keep of the first start: the pair of keys."""
    return "\n".join(["  Keys for FinerWorks clients (shown this once, too):", *facts_of(pair)]).replace("\n", "\n    ")


def picture(url: str) -> str:
    """Where to see what the store does with pictures."""
    return f"  A picture for your browser, as a card (or thumbnail, preview, zoom): {url}\n\n"


def examples(titled: Sequence[tuple[str, str]]) -> str:
    """What a person sees last at the first start: the commands, ready to paste."""
    lines = ["  Try it: paste these one after the other.", ""]
    for title, command in titled:
        lines += [f"# {title}", command, ""]
    return "\n".join(lines)


def welcome_back(base_url: str, folder: Path, user_id: int, account: str = "") -> str:
    """The lines a person sees after every later start; *account* is named where it is not the usual one."""
    place = f"--data {quoted(folder)}" + (f" --account {shlex.quote(account)}" if account else "")
    return (
        f"\n  Webhook address: {base_url}/rest/{user_id}/<code>/\n"
        f"  The code was shown at the first start. For a new one: {program()} webhook create {place}\n"
        f"  For keys of FinerWorks clients: {program()} keys create {place}\n"
    )
