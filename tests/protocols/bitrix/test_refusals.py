"""The error tables of the method pages (sheet 3.3 to 3.7), row by row; rows for rights and quotas come later."""

from typing import Any

import pytest

import pictures
from build import Call, file_content, filled, make_image, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.originals import ImageLimits
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import catalogs

ADD = "catalog.productImage.add"
GET = "catalog.productImage.get"
LIST = "catalog.productImage.list"
DELETE = "catalog.productImage.delete"

NOBODY = 999_999
PICTURE = file_content(pictures.png())
TEXT = PICTURE[1]

# $product has the image $image, $other is a product without any; the sentence may go on after the given words.
MISSING = "Could not find value for parameter {%s}"
TABLES: list[tuple[str, Any, int, str]] = [
    (ADD, {}, 100, MISSING % "fields"),
    (ADD, {"fileContent": PICTURE}, 100, MISSING % "fields"),
    (ADD, {"fields": {}, "fileContent": PICTURE}, 100, MISSING % "fields"),
    (ADD, {"fields": [], "fileContent": PICTURE}, 100, MISSING % "fields"),
    (ADD, {"fields": "", "fileContent": PICTURE}, 100, MISSING % "fields"),
    (ADD, {"fields": {"productId": "$product"}}, 100, MISSING % "fileContent"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": []}, 100, MISSING % "fileContent"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ""}, 100, MISSING % "fileContent"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["", TEXT]}, 0, "The file name is not specified"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": [None, TEXT]}, 0, "The file name is not specified"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": TEXT}, 0, "The file name is not specified"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a.png"]}, 0, "The file's content must be a base64"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": {"0": "a.png"}}, 0, "The file's content must be a base"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a/b.png", TEXT]}, 0, "The file name contains invalid"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a" * 256, TEXT]}, 0, "The file name is longer than"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a.png", "SGVsbG8="]}, 0, "Invalid file type"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a.png", ""]}, 0, "The file is empty"),
    (ADD, {"fields": {"productId": "$product"}, "fileContent": ["a.png", "$large"]}, 0, "Maximum upload file size"),
    (ADD, {"fields": {"productId": "$bare"}, "fileContent": PICTURE}, 0, "The product has no property for more"),
    (ADD, {"fields": {"productId": NOBODY}, "fileContent": PICTURE}, 0, "Product with the specified identifier not"),
    (ADD, {"fields": {"type": "MORE_PHOTO"}, "fileContent": PICTURE}, 0, "Required fields: productId"),
    (ADD, {"fields": {"productId": ""}, "fileContent": PICTURE}, 0, "Required fields: productId"),
    (ADD, {"fields": {"productId": "$product", "type": "ICON"}, "fileContent": PICTURE}, 0, "The type must be one of"),
    *(
        row
        for method in (GET, DELETE)
        for row in (
            (method, {"id": "$image"}, 100, MISSING % "productId"),
            (method, {"productId": "", "id": "$image"}, 100, MISSING % "productId"),
            (method, {"productId": None, "id": "$image"}, 100, MISSING % "productId"),
            (method, {"productId": "$product"}, 100, MISSING % "id"),
            (method, {"productId": "$product", "id": ""}, 100, MISSING % "id"),
            (method, {"productId": NOBODY, "id": "$image"}, 0, "Product with the specified identifier not found"),
            (method, {"productId": "$product", "id": NOBODY}, 0, "Image with the specified identifier not found"),
            (method, {"productId": "$other", "id": "$image"}, 0, "Image with the specified identifier not found"),
        )
    ),
    (LIST, {}, 100, MISSING % "productId"),
    (LIST, {"productId": ""}, 100, MISSING % "productId"),
    (LIST, {"productId": NOBODY}, 0, "Product with the specified identifier not found"),
]
LIMITS = ImageLimits(upload_bytes=2000)


@pytest.fixture
async def known(core: Core, admin: Principal, seed: Seed) -> dict[str, Any]:
    product = await make_product(core, admin)
    bare = await core.db.write(lambda tx: catalogs.add_catalog(tx, seed.account_id, "Without a gallery"))
    return {
        "product": product,
        "image": (await make_image(core, admin, product, pictures.png())).id,
        "other": await make_product(core, admin),
        "bare": await make_product(core, admin, catalog_id=bare),
        "large": file_content(pictures.jpeg_of_size(2001))[1],
    }


async def refused(call: Call, method: str, params: Any, code: int | str, sentence: str) -> None:
    answer = await call(method, params, status=400)

    assert answer.keys() == {"error", "error_description"}
    assert type(answer["error"]) is type(code)
    assert answer["error"] == code
    assert answer["error_description"].startswith(sentence)


@pytest.mark.parametrize("settings", [Settings(images=LIMITS)], ids=["documented"])
@pytest.mark.parametrize(("method", "params", "code", "sentence"), TABLES)
async def test_vector_9_each_documented_error_has_its_code_as_a_bare_number(
    method: str, params: Any, code: int, sentence: str, call: Call, known: dict[str, Any]
) -> None:
    await refused(call, method, filled(params, known), code, sentence)


@pytest.mark.parametrize("settings", [Settings(images=LIMITS, bitrix=BitrixSettings(error_codes="string"))])
async def test_vector_9_each_documented_error_has_its_code_as_text_by_a_setting(
    call: Call, known: dict[str, Any]
) -> None:
    for method, params, code, sentence in TABLES:
        await refused(call, method, filled(params, known), str(code), sentence)


async def test_a_refused_picture_leaves_nothing_behind(call: Call, core: Core, known: dict[str, Any]) -> None:
    keys = await core.blobs.of_keys(0)

    for method, params, code, sentence in TABLES:
        if method == ADD and "$large" not in str(params):
            await refused(call, method, filled(params, known), code, sentence)

    assert await core.blobs.of_keys(0) == keys
    listed = await call(LIST, {"productId": known["product"]})
    assert listed["total"] == 1
