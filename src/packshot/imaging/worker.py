"""An image worker: a process that decodes, draws and answers, and that is shut in before it sees its first picture.

Started by `pool` as a fresh interpreter, with one end of a pair of sockets as its standard input.
"""

import io
import mmap
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import cast

import msgspec

from packshot.domain.errors import UnacceptableImage, UndecodableImage
from packshot.domain.originals import EXTENSIONS, Header, MediaType
from packshot.domain.renditions import MEDIA_TYPES, RenditionSpec
from packshot.imaging import sandbox
from packshot.imaging.jobs import (
    LENGTHS,
    MAX_JOB_BYTES,
    MAX_WHY_CHARACTERS,
    Answer,
    Broken,
    Examine,
    Job,
    Ready,
    Refused,
    Render,
    Rendered,
    Strip,
    Stripped,
    refused,
)

Perform = Callable[[Job, memoryview], Answer]

_CHANNEL = 0
_DESCRIPTOR = struct.Struct("=i")
_SAMPLE_PX = 64
# The web process comes first: a request would else wait out a worker's slice. More hardly helps, less does not.
_NICE = 15


def main() -> None:
    """Work until the parent is gone."""
    serve(_learn)


def serve(learn: Callable[[], Perform]) -> None:
    """Do the jobs that come, one after the other, with what *learn* gives; return when there will be no more.

    *learn* has to import and open everything that any job may need. The arguments of the process are its parent's
    pid, the bytes of memory it may have and the seconds it may compute for one job.
    """
    parent, memory_bytes, cpu_s = (int(word) for word in sys.argv[1:])
    own_network = sandbox.leave_network()
    sandbox.die_with(parent)
    sandbox.drop_privileges()
    os.nice(_NICE)  # threads that start later inherit it
    # Whoever ends the server and all its processes gently means the server, which still needs us to finish its work.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=_CHANNEL)
    try:
        perform = learn()
        sandbox.limit(memory_bytes)
        ready = Ready(sandbox.close_files(), sandbox.close_calls(), own_network)
    except Exception:  # noqa: BLE001 - whoever started us has to be told, and nobody else listens
        return _say(_broken())
    _say(ready)
    jobs = msgspec.msgpack.Decoder(Job)
    answer: Answer | None = None
    while not isinstance(answer, Broken):
        # A job is so short that it arrives as a whole.
        message, files, _, _ = channel.recvmsg(MAX_JOB_BYTES, socket.CMSG_SPACE(_DESCRIPTOR.size))
        if not message:
            return None
        sandbox.limit_cpu(cpu_s)
        answer = _answer(perform, jobs.decode(message), *_DESCRIPTOR.unpack(files[0][2]))
        _say(answer)
    return None


def _answer(perform: Perform, job: Job, source: int) -> Answer:
    try:
        return perform(job, _mapped(source))
    except UnacceptableImage as error:
        return refused(error)
    except MemoryError:
        return Refused("unacceptable", "The image needs more memory than one image may take")
    except Exception:  # noqa: BLE001 - whatever it is, it costs this answer and this process, and gets into a log
        return _broken()


def _broken() -> Broken:
    """The exception under way; its end says most."""
    return Broken(traceback.format_exc()[-MAX_WHY_CHARACTERS:])


def _mapped(source: int) -> memoryview:
    """The bytes of a file. They are let go when nobody looks at them any more: decoders may keep them for a while."""
    try:
        if not os.fstat(source).st_size:
            raise UndecodableImage("The file is empty")
        return memoryview(mmap.mmap(source, 0, prot=mmap.PROT_READ))
    finally:
        os.close(source)


def _say(answer: Answer | Ready) -> None:
    """Write to the channel as to a file: the calls that send are closed to us."""
    picture = b""
    if isinstance(answer, Rendered | Stripped):
        answer, picture = msgspec.structs.replace(answer, data=b""), answer.data
    words = msgspec.msgpack.encode(answer)
    for part in (LENGTHS.pack(len(words), len(picture)), words, picture):
        left = memoryview(part)
        while left:
            left = left[os.write(_CHANNEL, left) :]


def _learn() -> Perform:
    """Everything a real worker can do, imported and tried once."""
    from packshot.imaging import copies, examine, render

    def perform(job: Job, source: memoryview) -> Answer:
        if isinstance(job, Examine):
            return examine.examine(source, job.header, decode=job.decode)
        if isinstance(job, Render):
            return render.render(source, job.header, job.spec)
        return copies.copied(source, job.header, job.keep)

    for header, data in _samples():
        perform(Examine(header, decode=True), memoryview(data))
        perform(Strip(header, "nothing"), memoryview(data))
        for form, media_type in MEDIA_TYPES.items():
            if media_type == header.media_type:
                perform(Render(header, RenditionSpec(8, 8, format=form)), memoryview(data))
    return perform


def _samples() -> Iterator[tuple[Header, bytes]]:
    """A small picture in each format, so that libraries load what they load late."""
    import pyvips  # type: ignore[import-untyped]
    from PIL import Image

    bitmap = io.BytesIO()
    Image.new("RGB", (_SAMPLE_PX, _SAMPLE_PX)).save(bitmap, "BMP")
    grey = pyvips.Image.black(_SAMPLE_PX, _SAMPLE_PX, bands=3).copy(interpretation="srgb")
    for media_type, name in EXTENSIONS.items():
        data = bitmap.getvalue() if name == "bmp" else grey.write_to_buffer(f".{name}")
        yield Header(cast("MediaType", media_type), _SAMPLE_PX, _SAMPLE_PX), data


if __name__ == "__main__":
    main()
