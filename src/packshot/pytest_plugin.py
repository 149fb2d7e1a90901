"""Fixtures for tests of client code: `packshot_server`, a fresh server of this run, and `packshot`, the same emptied.

This module is loaded by every pytest run: before a test asks for one of them nothing is imported that pytest has not
imported itself.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

START_S = 30.0
STOP_S = 15.0
KEPT = 200

# What the command line decides here; all other settings may come from the environment.
_OUR_OWN = {
    f"PACKSHOT_{name}" for name in ("DATA", "HOST", "PORT", "DEMO", "SEED", "RECORD", "TLS_DEV", "SERVER_PUBLIC_URL")
}


@dataclass
class PackshotServer:
    """A running server over a store of its own.

    `webhook_url` ends with a slash: a method's name goes behind it. `catalog_id` and `variations_id` are the first
    catalog and the first one of variations. `ids` are those of what the seed file gave keys to. With TLS,
    `authority` is the certificate that clients have to trust, and `environment` are variables that make them.
    """

    base_url: str
    webhook_url: str
    user_id: int
    code: str
    data: Path
    authority: Path | None
    environment: dict[str, str]
    seed: Path | None
    demo: bool
    catalog_id: int = 0
    variations_id: int | None = None
    ids: dict[str, int] = field(default_factory=dict)
    _drawn: dict[Any, bytes] = field(default_factory=dict, repr=False)
    _since: float = 0.0

    def reset(self) -> None:
        """Bring the store back to its seed file or samples, with ids from 1; webhooks stay as they are."""
        from concurrent.futures import ThreadPoolExecutor

        # On a thread of its own, since there may be an event loop in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._reset).result()
        self._since = time.time()

    def _reset(self) -> None:
        from packshot.cli import reset, seed_files
        from packshot.services.seeds import Contents

        contents = seed_files.load(self.seed) if self.seed else Contents()
        settings = Path(os.environ["PACKSHOT_CONFIG"]) if os.environ.get("PACKSHOT_CONFIG") else None
        self.ids = reset.bring_back(self.data, settings, contents, demo=self.demo, drawn=self._drawn)
        kinds = {catalog.variations_of is not None: self.ids[catalog.key] for catalog in reversed(contents.catalogs)}
        self.catalog_id, self.variations_id = kinds[False], kinds.get(True)

    def requests(self) -> list[dict[str, Any]]:
        """The calls since the last reset as they went over the wire, oldest first, but the last 200 at most.

        They are what `packshot requests --json` prints.
        """
        import msgspec

        from packshot.emulator import calls

        _is_ready(self.base_url, self.authority)  # whoever asks that has all calls before it written down
        kept = [call for call in calls.read(self.data) if call.at >= self._since]
        return [msgspec.to_builtins(call) for call in kept[-KEPT:]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, and the same in the ini file."""
    group = parser.getgroup("packshot", "a Packshot server for tests")
    group.addoption("--packshot-seed", metavar="FILE", help="fill the server from this seed file")
    group.addoption("--packshot-demo", action="store_true", help="fill the server with the sample catalogue")
    group.addoption("--packshot-tls", action="store_true", help="let the server speak HTTPS")
    parser.addini("packshot_seed", "a seed file, relative to the folder of the ini file", default="")
    parser.addini("packshot_demo", "whether the server is filled with the sample catalogue", "bool", default=False)
    parser.addini("packshot_tls", "whether the server speaks HTTPS", "bool", default=False)


@pytest.fixture(scope="session")
def packshot_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackshotServer]:
    """A server on a free port, over a new store in a temporary folder, for the whole run."""
    folder = tmp_path_factory.mktemp("packshot")
    tls = bool(pytestconfig.getoption("--packshot-tls") or pytestconfig.getini("packshot_tls"))
    command = [sys.executable, "-m", "packshot", "serve", "--data", str(folder / "data"), "--port", "0", "--record"]
    environment = {name: value for name, value in os.environ.items() if name not in _OUR_OWN}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *(["--tls-dev"] if tls else [])],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
    try:
        server = _started(process, folder, pytestconfig)
        server.reset()
        yield server
    finally:
        _stop(process)


@pytest.fixture
def packshot(packshot_server: PackshotServer) -> PackshotServer:
    """The server of this run, brought back to its seed file or samples before each test."""
    packshot_server.reset()
    return packshot_server


def _started(process: "subprocess.Popen[bytes]", folder: Path, config: pytest.Config) -> PackshotServer:
    """The server, once it takes requests."""
    end = time.monotonic() + START_S
    output = folder / "output"
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"Webhook address [^\n]*: (https?://\S+)/rest/(\d+)/([^/\s]+)/\n", output.read_text("utf-8"))
        authority = next((folder / "data").glob("tls-dev/*/authority.pem"), None)
        if found and _is_ready(found[1], authority):
            return _described(found, folder / "data", authority, config)
        time.sleep(0.02)
    raise RuntimeError(f"the Packshot server did not start:\n{output.read_text('utf-8')}")


def _described(found: re.Match[str], data: Path, authority: Path | None, config: pytest.Config) -> PackshotServer:
    from packshot.cli import tls

    return PackshotServer(
        base_url=found[1],
        webhook_url=f"{found[1]}/rest/{found[2]}/{found[3]}/",
        user_id=int(found[2]),
        code=found[3],
        data=data,
        authority=authority,
        environment=tls.variables(authority) if authority else {},
        seed=_seed(config),
        demo=bool(config.getoption("--packshot-demo") or config.getini("packshot_demo")),
    )


def _seed(config: pytest.Config) -> Path | None:
    given = config.getoption("--packshot-seed")
    if given:
        return config.invocation_params.dir / str(given)
    in_file: str = config.getini("packshot_seed")
    return (config.inipath.parent if config.inipath else config.rootpath) / in_file if in_file else None


def _is_ready(base_url: str, authority: Path | None) -> bool:
    import http.client
    import ssl

    address = urlsplit(base_url)
    host, port = address.hostname or "", address.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=5, context=ssl.create_default_context(cafile=authority))
        if authority
        else http.client.HTTPConnection(host, port, timeout=5)
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
