"""deploy/kubernetes: rendered by kubectl, without a cluster; whether names, ports, files and times fit together."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from deployed import DEPLOY, documents, image_environment, instructions, settings_of, variables
from packshot import __version__, front
from packshot.server import DRAIN_S

pytestmark = [pytest.mark.needs("kubectl"), pytest.mark.needs("yq"), pytest.mark.needs("openssl")]

README = (DEPLOY / "README.md").read_text("utf-8")


def kubectl(*arguments: object, given: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["kubectl", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder deploy/ after the README's commands."""
    place = tmp_path_factory.mktemp("deploy")
    shutil.copytree(DEPLOY / "kubernetes", place / "kubernetes", ignore=shutil.ignore_patterns("secrets"))
    marked = README.partition("<!-- runs as a test: tests/deploy/test_kubernetes.py -->\n```sh\n")[2]
    commands = marked.partition("```")[0]
    subprocess.run(["sh", "-euc", commands], cwd=place, check=True)
    return place


@pytest.fixture(scope="module")
def rendered(place: Path) -> str:
    done = kubectl("kustomize", place / "kubernetes")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def objects(rendered: str) -> list[Any]:
    return documents(rendered)


def of_kind(objects: list[Any], kind: str) -> Any:
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def pod(objects: list[Any]) -> Any:
    return of_kind(objects, "Deployment")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (found,) = pod["containers"]
    return found


def paths(value: Any, path: str = "") -> set[str]:
    """The path of every field in an object."""
    if isinstance(value, dict):
        return {path} | {one for name, inner in value.items() for one in paths(inner, f"{path}.{name}")}
    if isinstance(value, list):
        return {path} | {one for inner in value for one in paths(inner, f"{path}[]")}
    return {path}


def test_nothing_is_rendered_without_secrets(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "kubernetes", tmp_path / "kubernetes", ignore=shutil.ignore_patterns("secrets"))

    done = kubectl("kustomize", tmp_path / "kubernetes")

    assert done.returncode != 0
    assert "secrets/packshot.env" in done.stderr


def test_kubernetes_knows_every_field_of_the_deployment(objects: list[Any]) -> None:
    deployment = of_kind(objects, "Deployment")

    # What it reads into its own types, it writes again without what it does not know.
    done = kubectl("set", "env", "--local", "--filename=-", "--output=json", "A=b", given=json.dumps(deployment))

    assert done.returncode == 0, done.stderr
    assert not paths(deployment) - paths(json.loads(done.stdout))


def test_a_node_understands_its_settings(objects: list[Any], container: Any, place: Path) -> None:
    given = of_kind(objects, "ConfigMap")
    secrets = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "Secret"}
    first, second = container["envFrom"]
    assert first["configMapRef"]["name"] == given["metadata"]["name"]
    secret = secrets[second["secretRef"]["name"]]
    hidden = {name: base64.b64decode(value).decode() for name, value in secret.items()}

    settings = settings_of(image_environment() | given["data"] | hidden)

    assert hidden == variables(place / "kubernetes/secrets/packshot.env")
    assert (settings.database.url, settings.blobs.url) == (
        hidden["PACKSHOT_DATABASE_URL"],
        hidden["PACKSHOT_BLOBS_URL"],
    )
    assert settings.bitrix.require_https
    assert settings.server.trusted_proxies


def test_all_nodes_have_one_key_file(objects: list[Any], pod: Any, container: Any) -> None:
    data = of_kind(objects, "ConfigMap")["data"]
    folder, _, name = data["PACKSHOT_KEYS_FILE"].rpartition("/")
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == folder]
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    (secret,) = [one for one in objects if one["metadata"]["name"] == volume["secret"]["secretName"]]

    assert mount["readOnly"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert Fernet(base64.b64decode(secret["data"][name])).encrypt(b"a secret")


def test_no_variable_of_the_service_is_taken_for_a_setting(pod: Any) -> None:
    assert pod["enableServiceLinks"] is False


def test_a_node_writes_to_data_and_tmp_only_and_is_nobody(pod: Any, container: Any) -> None:
    writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}

    assert writable == {image_environment()["PACKSHOT_DATA"], "/tmp"}
    own = container["securityContext"]
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}
    user = pod["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == dict(instructions())["USER"]
    assert user["runAsNonRoot"]
    assert user["seccompProfile"] == {"type": "RuntimeDefault"}


def test_probes_ask_what_is_served(container: Any) -> None:
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}

    assert {name: ask["path"] for name, ask in asked.items()} == {
        "startup": "/readyz",
        "readiness": "/readyz",
        "liveness": "/healthz",
    }
    assert {ask["path"] for ask in asked.values()} == front._HEALTH  # noqa: SLF001
    (port,) = container["ports"]
    assert str(port["containerPort"]) == image_environment()["PACKSHOT_PORT"]
    assert {ask["port"] for ask in asked.values()} == {port["name"]}


def test_a_node_that_goes_is_left_alone_first_and_has_time(pod: Any, container: Any) -> None:
    pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pause_s > container["readinessProbe"]["periodSeconds"]
    assert pod["terminationGracePeriodSeconds"] > pause_s + DRAIN_S


def test_the_ingress_leads_to_the_service_and_that_to_the_nodes(objects: list[Any], container: Any) -> None:
    service, deployment, ingress = (of_kind(objects, kind) for kind in ("Service", "Deployment", "Ingress"))
    budget = of_kind(objects, "PodDisruptionBudget")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]

    (port,) = service["spec"]["ports"]
    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    assert port["targetPort"] == container["ports"][0]["name"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    assert budget["spec"]["selector"]["matchLabels"] == labels
    url = of_kind(objects, "ConfigMap")["data"]["PACKSHOT_SERVER_PUBLIC_URL"]
    assert {f"https://{rule['host']}"} == {url} == {f"https://{host}" for host in ingress["spec"]["tls"][0]["hosts"]}


def test_a_rollout_and_a_drain_leave_nodes_to_serve(objects: list[Any]) -> None:
    spec = of_kind(objects, "Deployment")["spec"]

    assert spec["replicas"] >= 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert of_kind(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] < spec["replicas"]


def test_the_image_has_a_version(container: Any) -> None:
    assert container["image"] == f"registry.example/packshot:{__version__}"
