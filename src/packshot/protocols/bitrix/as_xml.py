"""Answers as XML, for calls whose method ends in `.xml`. Source: page "How to call REST", the one example there is.

Each key is an element, each row of a list an `item`. What cannot be the name of an element, a batch's own keys
for instance, is an `item` with the key as its attribute. True is 1; false and null are empty.
"""

import re
from typing import Any
from xml.etree import ElementTree as ET

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode(answer: dict[str, Any]) -> bytes:
    """The whole answer below the root `response`; characters that XML does not have become U+FFFD."""
    root = ET.Element("response")
    _fill(root, answer)
    text: bytes = ET.tostring(root, "utf-8", xml_declaration=True, short_empty_elements=False)
    return text


def _fill(element: ET.Element, value: Any) -> None:
    match value:
        case dict():
            for key, item in value.items():
                _fill(_child(element, str(key)), item)
        case list():
            for item in value:
                _fill(ET.SubElement(element, "item"), item)
        case bool() | None:
            element.text = "1" if value else ""
        case _:
            element.text = _NOT_IN_XML.sub("\ufffd", str(value))


def _child(element: ET.Element, key: str) -> ET.Element:
    if _NAME.fullmatch(key):
        return ET.SubElement(element, key)
    return ET.SubElement(element, "item", {"key": _NOT_IN_XML.sub("\ufffd", key)})
