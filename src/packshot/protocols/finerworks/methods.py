"""The whole method table: what can be called, and how."""

from packshot.protocols.finerworks import account
from packshot.protocols.finerworks.call import Method

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("test_my_credentials", ("GET", "POST"), account.get_user),
        Method("get_user", ("GET",), account.get_user),
        Method("get_company_info", ("GET",), account.get_company_info),
        Method("add_event", ("POST",), account.add_event),
    )
}
"""By name, which is lower case here and any case in an address."""

OWN: dict[str, Method] = {}
"""What FinerWorks does not have: the same below `/packshot/v3/`, so that no real server is ever asked for it."""
