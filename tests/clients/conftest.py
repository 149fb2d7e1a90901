"""Real servers with enough in them to page through, and what makes the clients trust the one with HTTPS."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trustme
from b24pysdk import BitrixWebhook, Client  # type: ignore[import-untyped]

from build import believing, fail_loudly, make_images, make_product
from forking import run
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.accounts import Application
from packshot.services import applications, keys, oauth, setup, users
from packshot.services.keys import Keys
from pictures import png
from replays import EXAMPLES
from serving import Server, serving

SIZES = (0, 1, 50, 51, 120)
"""How many rows a list has: none, one, a full page, one more than that, and three pages."""

PICTURE = png(2, 2)
SCRIPTS = Path(__file__).parent / "node"
OAUTH_HOST = "oauth.bitrix24.tech"
"""Where the vendor's Python SDK renews its tokens, whatever it is told."""

RULES = "503 every 2 on catalog.catalog.getFields; 503 on catalog.catalog.isOffers"
"""What fails on purpose: one method every other time, and one always."""


async def _stock(folder: Path) -> dict[str, Any]:
    """Make a store with, for each size, a product with that many images and that many products of one name."""
    async with app.open_core(folder, believing(Settings()), fail_loudly) as core:
        seed = await setup.create_account(core)
        assert seed is not None
        admin = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
        with_images, named = {}, {}
        for size in SIZES:
            with_images[size] = await make_product(core, admin, f"Has {size} images")
            await make_images(core, admin, with_images[size], size, PICTURE)
            named[size] = [await make_product(core, admin, f"One of {size}") for _ in range(size)]
    return {"user_id": seed.user_id, "webhook_code": seed.webhook_code, "with_images": with_images, "named": named}


def _certify(place: Path) -> None:
    """Put a certificate where the server looks for its own that is also good for the SDK's authorisation host."""
    place.mkdir(parents=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost", OAUTH_HOST)
    authority.cert_pem.write_to_path(place / "authority.pem")
    issued.cert_chain_pems[0].write_to_path(place / "server.pem")
    issued.private_key_pem.write_to_path(place / "server.key")


@contextmanager
def _stocked(folder: Path, *arguments: str) -> Iterator[Server]:
    if "--tls-dev" in arguments:
        _certify(folder / "tls-dev" / "local")
    facts = asyncio.run(_stock(folder))
    with serving(folder, *arguments, environment={"PACKSHOT_FAULTS_RULES": RULES}, facts=facts) as running:
        running.facts["folder"] = folder
        yield running


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over HTTPS.

    `facts["with_images"]` is the product with so many images, by number; `facts["named"]` the ids of so many
    products called "One of ..."; `facts["authority"]` the file that makes a client trust it.
    """
    folder = tmp_path_factory.mktemp("shop") / "data"
    with _stocked(folder, "--tls-dev") as running:
        running.facts["authority"] = str(folder / "tls-dev" / "local" / "authority.pem")
        yield running


@pytest.fixture(scope="session")
def plain_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same without HTTPS."""
    with _stocked(tmp_path_factory.mktemp("plain-shop") / "data") as running:
        yield running


@pytest.fixture
def pysdk(shop: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`pysdk()` makes a client of the vendor's Python SDK for a webhook of the shop; another token may be given."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", shop.facts["authority"])
    webhook = f"{shop.facts['user_id']}/{shop.facts['webhook_code']}"

    def connect(token: str = webhook, **options: Any) -> Any:
        return Client(BitrixWebhook(domain=urlsplit(shop.base_url).netloc, webhook_token=token), **options)

    return connect


@pytest.fixture
def narrow(shop: Server) -> str:
    """The token of a webhook that may do nothing with the catalogue."""
    return _narrow_token(shop.facts["folder"])


@lru_cache
def _narrow_token(folder: Path) -> str:
    done = run("webhook", "create", "--data", folder, "--scopes", "user")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().removeprefix("/rest/").strip("/")


async def _grant(folder: Path, age_s: int) -> dict[str, Any]:
    scopes = ("catalog", "user")
    async with app.open_core(folder, believing(Settings()), fail_loudly, lambda: time.time() - age_s) as core:
        wanted = Application(0, 0, "", "Proof", "https://shop.example/back", scopes, None)
        made = await applications.create(core, setup.ACCOUNT, wanted)
        somebody = await users.get(core, setup.ADMINISTRATOR)
        codes = [await oauth.authorize(core, made.application, somebody, oauth.Challenge()) for _ in range(2)]
        tokens = await oauth.exchange(core, (made.application.client_id, made.secret), codes[0])
    return {
        "client_id": made.application.client_id,
        "client_secret": made.secret,
        "code": codes[1],
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires": tokens.expires_at // 1_000_000,
        "member_id": tokens.member_id,
        "user_id": tokens.user_id,
    }


@pytest.fixture
def grant(shop: Server) -> Callable[..., dict[str, Any]]:
    """`grant()` is what a new application of the shop holds once a person agreed; `grant(7200)` did two hours ago."""

    def agree(age_s: int = 0) -> dict[str, Any]:
        return asyncio.run(_grant(shop.facts["folder"], age_s))

    return agree


def _run_script(script: str, values: dict[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    if not (SCRIPTS / "node_modules" / ".installed").exists():
        pytest.fail("the JavaScript clients are not installed: run `make node`")
    done = subprocess.run(
        ["node", f"{script}.mjs"],
        cwd=SCRIPTS, input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def node(shop: Server) -> Callable[..., Any]:
    """`node("call", calls=[...])` runs a script against the shop and returns what it prints."""

    def run(script: str, authority: str = shop.facts["authority"], **values: Any) -> Any:
        return _run_script(script, {"webhook": shop.webhook_url, **values}, {"NODE_EXTRA_CA_CERTS": authority})

    return run


@pytest.fixture(scope="session")
def run_script() -> Callable[..., Any]:
    """`run_script("replay", {...})` gives a script in `node` its input and returns what it prints."""
    return _run_script


# FinerWorks

PAGE = "https://page.example"
"""Where the web page comes from that may call the print shop."""

SENDERS = ("requests", "axios")
"""Who replays the examples, each in an account of its own."""


async def _stock_prints(folder: Path) -> dict[str, Any]:
    pairs = {}
    async with app.open_core(folder, believing(Settings()), fail_loudly) as core:
        await setup.create_account(core)
        for account in [f"{sender} {name}" for sender in SENDERS for name in EXAMPLES]:
            await setup.create_account(core, account)
            pairs[account] = await keys.create(core, account)
    return {"folder": folder, "pairs": pairs, "user_id": 0, "webhook_code": ""}


@pytest.fixture(scope="session")
def print_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that speaks to clients of FinerWorks; `facts["pairs"]` has the keys of an account by its name."""
    folder = tmp_path_factory.mktemp("print-shop") / "data"
    facts = asyncio.run(_stock_prints(folder))
    with serving(folder, environment={"PACKSHOT_CORS_ORIGINS": PAGE}, facts=facts) as running:
        yield running


@pytest.fixture
def new_pair(print_shop: Server) -> Callable[..., Keys]:
    """`new_pair("name")` is the keys of a new account of the print shop."""

    def make(account: str, *options: str) -> Keys:
        done = run("keys", "create", "--data", print_shop.facts["folder"], "--account", account, "--json", *options)
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout, type=Keys)

    return make
