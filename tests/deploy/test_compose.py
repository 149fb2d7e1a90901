"""deploy/compose.yaml and prepare.sh: nothing is missing, nothing secret stands there, and its parts fit together."""

import re
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.fernet import Fernet

from deployed import DEPLOY, composed, image_environment, instructions, prepared, settings_of
from packshot.server import DRAIN_S

pytestmark = [pytest.mark.needs("yq"), pytest.mark.needs("openssl")]

TEXT = (DEPLOY / "compose.yaml").read_text("utf-8")
NODES = ("node1", "node2")


@pytest.fixture
def content(tmp_path: Path) -> Any:
    return composed(prepared(tmp_path))


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# Secrets


def test_what_is_asked_for_is_what_is_prepared(tmp_path: Path) -> None:
    asked = set(re.findall(r"\$\{(\w+):\?run sh prepare\.sh HOST first\}", TEXT))

    assert prepared(tmp_path).keys() == asked


def test_no_two_are_prepared_alike_and_nothing_is_prepared_twice(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    one, two, again = (prepared(tmp_path / name) for name in ("one", "two", "one"))

    assert one == again
    assert {name for name in one if one[name] == two[name]} == {"PUBLIC_HOST"}
    keys = [(tmp_path / name / "secrets/secret.key").read_bytes() for name in ("one", "two")]
    assert keys[0] != keys[1]


def test_only_its_owner_comes_to_what_is_prepared(tmp_path: Path) -> None:
    prepared(tmp_path)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (".env", "secrets")]
    # Whoever a container runs as reads these, which are mounted one by one.
    within = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "secrets").iterdir()}

    assert modes == [0o600, 0o700]
    assert within == {0o444}


def test_the_key_seals_and_the_certificate_is_for_the_host(tmp_path: Path) -> None:
    prepared(tmp_path)
    secrets = tmp_path / "secrets"

    sealed = Fernet((secrets / "secret.key").read_bytes()).encrypt(b"a secret")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(secrets / "certificate.pem", secrets / "certificate.key")

    certificate = x509.load_pem_x509_certificate((secrets / "certificate.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pictures.example"]
    assert sealed


def test_nothing_is_prepared_for_no_host(tmp_path: Path) -> None:
    (tmp_path / "prepare.sh").write_bytes((DEPLOY / "prepare.sh").read_bytes())

    done = subprocess.run(["sh", tmp_path / "prepare.sh"], capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "name the host" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["prepare.sh"]


def test_what_is_prepared_is_kept_out_of_commits_and_images() -> None:
    assert (DEPLOY / ".gitignore").read_text("utf-8").split() == ["/.env", "/secrets/", "/kubernetes/secrets/"]
    assert "\n*\n" in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")


# Nodes


@pytest.mark.parametrize("node", NODES)
def test_a_node_understands_its_settings(content: Any, node: str) -> None:
    environment = content["services"][node]["environment"]

    settings = settings_of(image_environment() | environment)

    password = content["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert settings.database.url == f"postgresql://packshot:{password}@postgres/packshot"
    assert settings.server.public_url == "https://pictures.example"
    assert settings.bitrix.require_https
    store = content["services"]["seaweedfs"]["environment"]
    assert {environment[name] for name in store} == set(store.values())


@pytest.mark.parametrize("node", NODES)
def test_a_node_writes_to_its_own_data_and_tmp_only(content: Any, node: str) -> None:
    service = content["services"][node]

    assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert service["volumes"] == [f"{node}:{image_environment()['PACKSHOT_DATA']}"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service  # the image's own


def test_the_nodes_have_one_key_and_nginx_its_certificate(content: Any, tmp_path: Path) -> None:
    files = {name: tmp_path / secret["file"] for name, secret in content["secrets"].items()}

    assert all(file.exists() for file in files.values())
    for node in NODES:
        (name,) = content["services"][node]["secrets"]
        assert content["services"][node]["environment"]["PACKSHOT_KEYS_FILE"] == f"/run/secrets/{name}"
    asked = re.findall(r"ssl_certificate\w* /run/secrets/(\S+);", (DEPLOY / "nginx.conf").read_text("utf-8"))
    assert asked == content["services"]["nginx"]["secrets"]


def test_nginx_leads_to_the_nodes_and_they_believe_it(content: Any) -> None:
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    port = image_environment()["PACKSHOT_PORT"]

    assert re.findall(r"server (\S+) resolve", nginx) == [f"{node}:{port}" for node in NODES] * 2
    (subnet,) = content["networks"]["front"]["ipam"]["config"]
    for node in NODES:
        assert content["services"][node]["environment"]["PACKSHOT_SERVER_TRUSTED_PROXIES"] == subnet["subnet"]
    assert content["services"]["nginx"]["networks"] == ["front"]
    assert content["services"]["nginx"]["ports"] == ["443:8443"]
    assert "listen 8443 ssl;" in nginx


# All of them


def test_nobody_comes_in_but_through_nginx(content: Any) -> None:
    services = content["services"]

    assert [name for name in services if "ports" in services[name] or "network_mode" in services[name]] == ["nginx"]
    assert content["networks"]["back"]["internal"] is True
    assert {name for name in services if services[name]["networks"] == ["back"]} == {"postgres", "seaweedfs"}
    inside = [word for word in services["seaweedfs"]["command"] if word.startswith("-ip")]
    assert inside == ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]


def test_images_have_versions_and_services_a_health(content: Any) -> None:
    for name, service in content["services"].items():
        assert service["restart"] == "unless-stopped"
        if name not in NODES:
            assert re.search(r":\d+(\.\d+)?(-\w+)?$", service["image"])
            assert service["healthcheck"]["test"][0] == "CMD"
    assert "HEALTHCHECK" in dict(instructions())


def test_services_wait_for_others_that_are_healthy_and_stop_in_peace(content: Any) -> None:
    services = content["services"]
    waits = {name: set(service.get("depends_on", ())) for name, service in services.items()}

    assert waits["nginx"] == set(NODES)
    assert all(waits[node] == {"postgres", "seaweedfs"} for node in NODES)
    for service in services.values():
        assert {how["condition"] for how in service.get("depends_on", {}).values()} <= {"service_healthy"}
    assert all(seconds(services[node]["stop_grace_period"]) > DRAIN_S for node in NODES)
    assert seconds(services["nginx"]["stop_grace_period"]) > seconds(services["node1"]["stop_grace_period"])


def test_every_volume_and_network_that_is_named_is_there(content: Any) -> None:
    for service in content["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in content["volumes"]
        assert set(service["networks"]) <= content["networks"].keys()
    build = content["x-node"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
