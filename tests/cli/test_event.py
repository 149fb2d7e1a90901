"""`packshot event`: outgoing webhooks made, listed and deleted; what waits shown and sent again."""

import re
from pathlib import Path

import pytest

from build import fail_loudly, make_library_image
from forking import run
from packshot import app
from prints import CALLER
from receiver import PRIVATE

URL = "http://127.0.0.1:9/told"
ALLOWED = {"PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true"}


def event(folder: Path, *arguments: str) -> str:
    done = run("event", *arguments, "--data", folder, environment=ALLOWED)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_webhook_is_made_listed_and_deleted(folder: Path) -> None:
    names = ["--event", "catalog.product.on.add", "--event", "PACKSHOT.IMAGE.ON.ADD"]

    made = event(folder, "hook", "add", URL, *names)
    listed = event(folder, "hook", "list")
    event(folder, "hook", "delete", "1")

    assert re.fullmatch(r"outgoing webhook 1\napplication_token: [a-z2-7]{32}\nHMAC secret: [a-z2-7]{32}\n", made)
    assert listed == f"1 main {URL} CATALOG.PRODUCT.ON.ADD PACKSHOT.IMAGE.ON.ADD\n"
    assert event(folder, "hook", "list") == ""


async def test_an_event_of_an_image_on_no_product_is_shown_with_the_image(folder: Path) -> None:
    event(folder, "hook", "add", URL, "--event", "PACKSHOT.IMAGE.ON.ADD")
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        image = await make_library_image(core, CALLER)

    assert f"1 PACKSHOT.IMAGE.ON.ADD image {image.id} to {URL}, " in event(folder, "pending")


def test_secrets_are_not_kept_in_the_clear(folder: Path) -> None:
    made = event(folder, "hook", "add", URL, "--event", "CATALOG.PRODUCT.ON.ADD")

    secrets = re.findall(r": ([a-z2-7]{32})\n", made)
    stored = b"".join(path.read_bytes() for path in folder.glob("packshot.sqlite3*"))
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret.encode() in stored]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["hook", "add", URL, "--event", "ONCRMLEADADD"],
            "unknown event ONCRMLEADADD: there are CATALOG.PRODUCT.ON.ADD, ",
        ),
        (
            ["hook", "add", URL, "--event", "CATALOG.PRODUCT.ON.ADD", "--account", "none"],
            "there is no account none: `packshot account list`",
        ),
        (["hook", "add", "ftp://x/", "--event", "CATALOG.PRODUCT.ON.ADD"], "The address is not one"),
        (["hook", "delete", "7"], "there is no outgoing webhook 7: `packshot event hook list`"),
        (["retry", "7"], "there is no event 7: `packshot event pending`"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder: Path, arguments: list[str], why: str) -> None:
    done = run("event", *arguments, "--data", folder, environment=ALLOWED)

    assert done.returncode == 2
    assert done.stderr.startswith(f"packshot: {why}")
    assert done.stderr.count("\n") == 1


def test_a_private_address_is_refused_unless_the_setting_allows_it(folder: Path) -> None:
    done = run("event", "hook", "add", URL, "--event", "CATALOG.PRODUCT.ON.ADD", "--data", folder)

    assert done.returncode == 2
    assert "The address is not one that everybody can reach" in done.stderr
    assert "set PACKSHOT_OUTBOUND_ALLOW_PRIVATE=true" in done.stderr
