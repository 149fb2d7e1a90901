"""Request bodies, the same for every protocol: bounded reading, then JSON, form or multipart into one mapping."""

from packshot.protocols.body.as_json import decode_json, parse_json
from packshot.protocols.body.forms import parse_form
from packshot.protocols.body.loose_json import decode_loosely
from packshot.protocols.body.media import merge, parse
from packshot.protocols.body.multipart_form import FileForm, parse_multipart
from packshot.protocols.body.read import BodyLimits, InFlight, reading
from packshot.protocols.body.stream import Take, pour

__all__ = [
    "BodyLimits",
    "FileForm",
    "InFlight",
    "Take",
    "decode_json",
    "decode_loosely",
    "merge",
    "parse",
    "parse_form",
    "parse_json",
    "parse_multipart",
    "pour",
    "reading",
]
