"""Fixtures: a core over a temporary folder, the account in it, and a client at its door."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest

from build import Clock, believing, fail_loudly, is_shared, lent_store, placed, visiting
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import setup
from packshot.services.core import Core
from packshot.services.setup import Seed

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("packshot", deadline=None)
hypothesis.settings.load_profile("packshot")

# For the commands and servers that tests start: as `believing` does for what they open themselves.
os.environ["PACKSHOT_INTAKE_VERIFY"] = "header"
os.environ["PACKSHOT_ORIGINALS_PRIVACY"] = "keep"
os.environ["PACKSHOT_DISK_RESERVE_BYTES"] = "0"  # so many of them would fill the disk


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=["sqlite", "postgresql"], default="sqlite", help="where stores are kept")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["PACKSHOT_TESTS_STORE"] = config.getoption("--store")  # for the processes that tests start, too


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a run on PostgreSQL and a bucket, leave out what is about files of ours: `pytestmark = on_files("why")`."""
    if is_shared():
        left = [item for item in items if item.get_closest_marker("on_files")]
        items[:] = [item for item in items if item not in set(left)]
        config.hook.pytest_deselected(items=left)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out tests whose program is missing, except in CI, which leaves out nothing."""
    for marker in item.iter_markers("needs"):
        (program,) = marker.args
        if shutil.which(program) is None:
            why = f"{program} is not installed (see tests/debian-packages.sh)"
            if os.environ.get("CI") == "true":
                pytest.fail(why)
            pytest.skip(why)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests leave what the next one may use again: see `lent_store`."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
async def core(tmp_path: Path, settings: Settings, clock: Clock, shelf: Path) -> AsyncIterator[Core]:
    folder = tmp_path / "data"
    with lent_store(shelf, folder), placed(believing(settings)) as here:
        async with app.open_core(folder, here, fail_loudly, clock) as opened:
            yield opened


@pytest.fixture
async def seed(core: Core) -> Seed:
    made = await setup.create_account(core)
    assert made is not None
    return made


@pytest.fixture
def admin(seed: Seed) -> Principal:
    return Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)


@pytest.fixture
async def client(core: Core, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(core, settings) as opened:
        yield opened


@pytest.fixture
def call(client: httpx.AsyncClient, seed: Seed) -> Callable[..., Awaitable[Any]]:
    """`await call("catalog.product.add", {...})` posts JSON through the seed's webhook and returns the answer."""

    async def post(method: str, params: Any = None, status: int = 200) -> Any:
        response = await client.post(f"/rest/{seed.user_id}/{seed.webhook_code}/{method}", json=params or {})
        assert response.status_code == status, response.text
        return response.json()

    return post
