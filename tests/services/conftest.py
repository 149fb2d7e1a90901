"""Fixtures that the tests of services share."""

import ssl

import pytest
import trustme

from build import make_product
from moments import with_ages
from packshot.domain.access import Principal
from packshot.services.core import Core


@pytest.fixture
async def shirt(core: Core, admin: Principal) -> int:
    return await make_product(core, admin)


@pytest.fixture
def at_once(core: Core) -> Core:
    """The core whose upkeep waits for nothing but the next second."""
    return with_ages(core)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
