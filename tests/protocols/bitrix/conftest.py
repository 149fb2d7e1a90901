"""What most tests at the Bitrix24 door begin with: a webhook's address, a product, an image on it."""

import pytest

import pictures
from build import make_image, make_product
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.services.core import Core
from packshot.services.setup import Seed


@pytest.fixture
def hook(seed: Seed) -> str:
    """The path of the seed's webhook; a method's name comes behind it."""
    return f"/rest/{seed.user_id}/{seed.webhook_code}/"


@pytest.fixture
async def product(core: Core, admin: Principal) -> int:
    return await make_product(core, admin)


@pytest.fixture
async def image(core: Core, admin: Principal, product: int) -> ProductImage:
    return await make_image(core, admin, product, pictures.png())
