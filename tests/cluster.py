"""Three nodes of one store behind nginx: one PostgreSQL and one bucket, each reached through a proxy that can break.

All are real processes, the database flushes what it commits, and the nodes have little patience: upkeep comes every
second, dooms what nothing points at, and deletes it a second later.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

import bucket
import postgres
from bucket import free_port
from deployed import nginx
from faultproxy import HttpProxy, TcpProxy
from faults import server_killing
from forking import run
from packshot import config
from packshot.config import Settings
from serving import PACKSHOT, Server, init, serving

NODES = 3

ENVIRONMENT = {
    "PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true",
    "PACKSHOT_LOG_LEVEL": "info",
    "PACKSHOT_LOG_REQUESTS": "false",
    "PACKSHOT_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    "PACKSHOT_UPKEEP_EVERY_S": "1",
    "PACKSHOT_UPKEEP_RETENTION_S": "1",
    "PACKSHOT_TRASH_KEEP_S": "2",
    "PACKSHOT_EVENTS_MAX_WAITING": "1000000",
}

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_GROW_OLD = f"""
UPDATE blob SET created_at = created_at - 7200000000 WHERE id IN (SELECT id FROM blob
    WHERE created_at > {_NOW} - 3600000000 FOR NO KEY UPDATE SKIP LOCKED);
UPDATE idempotency SET lease_ends_at = 0 WHERE result IS NULL AND lease_ends_at < {_NOW} + 56000000
"""
"""As if two hours had passed for blobs: nothing is too young to be doomed. As if a minute had for calls that take more
than four seconds: whoever does them still is overtaken by those who repeat them."""

_BURY = "UPDATE job SET until = 0; UPDATE outbox SET claimed_until = 0 WHERE claimed_until IS NOT NULL"
"""As if half a minute had passed since a node was killed; others that are at work are overtaken."""


_AT_DOOMED = "SELECT i.id, b.key FROM image i JOIN blob b ON b.id = i.blob_id WHERE b.state = 'doomed'"

_FORESEEN = {"the blob store does not answer: uploads and pictures wait until it does"}
"""What a server that starts may call an error here."""


@dataclass
class Node:
    """A place for a server at a port, and the server that is there now.

    With a `listener`, which serves that port, connections wait while there is none.
    """

    folder: Path
    port: int
    environment: Mapping[str, str]
    facts: dict[str, Any]
    program: Sequence[str]
    listener: socket.socket | None
    stack: ExitStack = field(default_factory=ExitStack)
    server: Server | None = None
    said: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start a server, and another one where that could not: what it needs may be down just then."""
        started = serving(
            self.folder, "--port", str(self.port), environment=self.environment, facts=self.facts, program=self.program,
            listener=self.listener,
        )  # fmt: skip
        try:
            self.server = self.stack.enter_context(started)
        except AssertionError as error:
            self.said[str(error).splitlines()[-1]] += 1
            self.start()

    def stop(self) -> None:
        """End the server as an operator does."""
        process = self._running().process
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        self._end()
        if code:
            self.wrong.append(f"a server that was to stop ended with {code}")

    def kill(self) -> None:
        server_killing.kill(self._running().process)
        self._end()

    def _running(self) -> Server:
        assert self.server
        return self.server

    def _end(self) -> None:
        printed = self._running().printed()
        if "Traceback" in printed:
            self.wrong.append(printed[printed.index("Traceback") :][:3_000])
        for line in printed.splitlines():
            if line.startswith("{"):
                self._hear(json.loads(line))
        self.stack.close()
        self.server = None

    def _hear(self, said: dict[str, Any]) -> None:
        self.said[f"{said['level']}: {said['event']}"] += 1
        if said["event"] == "upkeep":
            self.said |= {name: self.said[name] + said[name] for name in ("doomed", "reaped", "repaired", "given_up")}
        if said["level"] in {"error", "critical"} and said["event"] not in _FORESEEN:
            self.wrong.append(str(said))


@dataclass
class Cluster:
    """All of it, and the address that clients know."""

    place: Path
    url: str
    nodes: list[Node]
    database: postgres.Server
    name: str
    line: TcpProxy
    store: HttpProxy
    environment: Mapping[str, str]
    facts: dict[str, Any]
    wrong: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """What the nodes work with."""
        ours = {name: value for name, value in self.environment.items() if name.startswith(config.PREFIX)}
        return config.load(environment=ours)

    def ask(self, sql: str) -> list[Any]:
        """The rows that the database gives, asked without a proxy. Raises: OSError (it is away)."""

        async def asked() -> list[Any]:
            connection = await asyncpg.connect(self.database.url(self.name))
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        try:
            return postgres.wait_for(asyncio.wait_for(asked(), 30))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OSError(str(error)) from error

    def grow_old(self) -> None:
        """See `_GROW_OLD`; nothing where the database is away."""
        self._tell(_GROW_OLD)

    def look(self) -> None:
        """Note what may not be at any moment: that something points at a blob that is doomed."""
        with suppress(OSError):
            self.wrong += [f"at a doomed blob: {row}" for row in self.ask(_AT_DOOMED)]

    @property
    def is_wrong(self) -> bool:
        """Whether anything has been seen so far that may not be."""
        errors = '"level":"error"'
        return bool(self.wrong) or any(node.server and errors in node.server.printed() for node in self.nodes)

    def bury(self) -> None:
        """Somebody was killed: see `_BURY`."""
        self._tell(_BURY)

    def _tell(self, sql: str) -> None:
        with suppress(subprocess.CalledProcessError):
            self.database.run(self.name, sql)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that works on the store, from another machine as it were."""
        return run(*words, "--data", self.place / "by hand", environment=self.environment)

    def run_as_nodes_do(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The same by the program that the first node runs."""
        command = [*self.nodes[0].program, *words, "--data", str(self.place / "by hand")]
        variables = {**os.environ, **self.environment}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)


def at_once(nodes: Sequence[Node], what: Callable[[Node], None]) -> None:
    """Do that to all of them, beside each other."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        list(threads.map(what, nodes))


@cache
def _durable() -> postgres.Server:
    return postgres.start(options="")


@contextmanager
def running(
    place: Path, seed: int, program: Sequence[str] = PACKSHOT, *, patient: bool = False, **more: str
) -> Iterator[Cluster]:
    """A new store with its nodes, all of which have answered; *program* is what they run.

    *patient*: their sockets outlive them, as with systemd.
    """
    database, endpoint = _durable(), bucket.environment()["AWS_ENDPOINT_URL"]
    name = urlsplit(database.make()).path[1:]
    with ExitStack() as stack:
        line = stack.enter_context(TcpProxy("127.0.0.1", database.port))
        store = stack.enter_context(HttpProxy(endpoint, seed))
        environment = {
            **ENVIRONMENT,
            **bucket.environment(),
            "AWS_ENDPOINT_URL": store.url,
            "PACKSHOT_DATABASE_URL": database._replace(port=line.port).url(name),
            "PACKSHOT_BLOBS_URL": bucket.new(),
            "PACKSHOT_KEYS_FILE": str(place / "keys" / "store.key"),
            **more,
        }
        facts = init(place / "by hand", environment=environment)
        nodes = []
        for number in range(NODES):
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024) if patient else None
            port = stack.enter_context(listener).getsockname()[1] if listener else free_port()
            node = Node(place / f"node{number}", port, environment, facts, program, listener)
            stack.push(node.stack)
            nodes.append(node)
        at_once(nodes, Node.start)
        url = stack.enter_context(_before(place, nodes))
        yield Cluster(place, url, nodes, database, name, line, store, environment, facts)


@contextmanager
def _before(place: Path, nodes: Sequence[Node]) -> Iterator[str]:
    """The nginx of deploy/ with one more node, and without TLS, which would cost more than all the rest."""
    first, second, *others = (node.address for node in nodes)

    def change(configuration: str) -> str:
        text, count = re.subn(
            rf"server {second}.*;", lambda found: "".join(found[0].replace(second, one) for one in (second, *others)),
            configuration,
        )  # fmt: skip
        assert count == 2
        return re.sub(r"(listen \S+) ssl;", r"\1;", re.sub(r"\n\s+ssl_\w+ [^;]+;", "", text))

    with nginx(place / "nginx", place, [first, second], change) as front:
        yield f"http://127.0.0.1:{front.client.base_url.port}"
