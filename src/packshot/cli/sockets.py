"""The socket to serve on: opened here, or by the parent, which keeps it while one server stops and the next starts."""

import errno
import os
import socket

from packshot import server
from packshot.cli.common import stop

FIRST = 3
"""The descriptor that sockets begin at, in the protocol of systemd's sd_listen_fds(3)."""

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def listening(host: str, port: int) -> tuple[socket.socket, str]:
    """The listening socket that the parent hands over, or a new one, and the host it listens on. Raises: typer.Exit."""
    inherited = _inherited()
    if inherited:
        return inherited, str(inherited.getsockname()[0])
    try:
        return server.listen(host, port), host
    except OSError as error:
        hint = ". Another --port may be free" if error.errno == errno.EADDRINUSE else ""
        raise stop(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None


def _inherited() -> socket.socket | None:
    pid, count, *_ = (os.environ.pop(name, "") for name in _VARIABLES)  # no child is to believe that they mean it
    if pid != str(os.getpid()):
        return None
    if count != "1":
        raise stop(f"LISTEN_FDS is {count}: packshot serves on one socket")
    try:
        given = socket.socket(fileno=FIRST)
        listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise stop(f"LISTEN_FDS is 1, but descriptor {FIRST} is no socket: {error.strerror}") from None
    if not listens or given.type != socket.SOCK_STREAM or given.family not in {socket.AF_INET, socket.AF_INET6}:
        raise stop(f"the socket at descriptor {FIRST} does not listen for TCP: give it a ListenStream=HOST:PORT")
    given.set_inheritable(False)
    return given
