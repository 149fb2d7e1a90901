"""The whole method table: what can be called, and how."""

from packshot.protocols.finerworks import (
    account,
    additions,
    deletions,
    images,
    inventory,
    pictures,
    selections,
    uploads,
)
from packshot.protocols.finerworks.call import Method, Upload

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("test_my_credentials", ("GET", "POST"), account.get_user),
        Method("get_user", ("GET",), account.get_user),
        Method("get_company_info", ("GET",), account.get_company_info),
        Method("add_event", ("POST",), account.add_event),
        Method("add_images", ("POST",), additions.add_images),
        Method("delete_images", ("DELETE",), deletions.delete_images),
        Method("update_file_selection", ("PUT",), selections.update_file_selection),
        Method("list_file_selection", ("GET",), selections.list_file_selection),
        Method("list_images", ("POST",), images.list_images),
        Method("update_images", ("PUT",), images.update_images),
        Method("list_virtual_inventory", ("POST",), inventory.list_virtual_inventory),
        Method("update_virtual_inventory", ("PUT",), inventory.update_virtual_inventory),
        Method("delete_virtual_inventory", ("DELETE",), inventory.delete_virtual_inventory),
        Method("disconnect_virtual_inventory", ("PUT",), inventory.disconnect_virtual_inventory),
        Method("submit_product", ("POST",), inventory.submit_product),
    )
}
"""By name, which is lower case here and any case in an address."""

OWN: dict[str, Method] = {
    method.name: method
    for method in (
        Method("delete_preview", ("POST",), deletions.delete_preview),
        Method("describe_images", ("POST",), pictures.describe_images),
        Method("sign_renditions", ("POST",), pictures.sign_renditions),
        Method("update_pictures", ("PUT",), pictures.update_pictures),
    )
}
"""What FinerWorks does not have: the same below `/packshot/v3/`, so that no real server is ever asked for it."""

UPLOADS: dict[str, Upload] = {
    upload.name: upload
    for upload in (Upload("upload", ("POST",), uploads.upload), Upload("images", ("PUT",), uploads.put))
}
"""The same for files: `upload`, and `images` with a guid behind it."""
