"""Access to a cluster: kubeconfigs, logins, faults, GPUs and the token's Secret, over real HTTP."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from api_server import ApiServer, certificate, cut, status, web_token
from grace.cluster.access import connection as access
from grace.cluster.access import kubeconfig
from grace.cluster.access.answers import ApiError, warnings_of
from grace.cluster.access.connection import connect
from grace.cluster.access.gpus import gpu_products
from grace.cluster.access.kubeconfig import expiry_of, find_kubeconfig, find_target
from grace.cluster.access.nodes import ClusterNode, Taint, list_nodes, why_not
from grace.cluster.access.secret import read_token
from grace.cluster.access.storage_classes import storage_classes
from grace.errors import ClusterError, InputError
from grace.policy.cluster_file import load_cluster
from limits import HANG

TOKEN = "hf_" + "a1B2c3D4" * 4
KUBECTL = shutil.which("kubectl")
OPENSSL = shutil.which("openssl")

needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """No kubeconfig, proxy or token of the machine that the tests run on; no waiting."""
    for name in os.environ:
        if name.upper().endswith("_PROXY") or name.startswith(("KUBE", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(access.Clock, "sleep", lambda clock, seconds: None)


@pytest.fixture
def server():
    with ApiServer() as running:
        running.add("{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}")
        yield running


@pytest.fixture
def config(server, tmp_path):
    return server.kubeconfig(tmp_path / "config")


def failing(*answers):
    """A fault that gives these answers to the first requests, then none."""

    async def fault(number, request):
        return answers[number - 1]() if number <= len(answers) else None

    return fault


def message_of(call, kind=ClusterError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


# Kubeconfigs


def write(path, **content):
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


def part(name, server, token="t"):
    """A kubeconfig's cluster, user and context of one name."""
    return {
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}],
    }


def test_the_file_given_goes_before_kubeconfig_and_that_before_the_home_folder(server, tmp_path, monkeypatch):
    home = server.kubeconfig(tmp_path / "home" / ".kube" / "config")
    assert find_kubeconfig().files == (home,)
    named = write(tmp_path / "named", **part("named", server.url), **{"current-context": "named"})
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'gone'}{os.pathsep}{named}")
    assert find_kubeconfig().files == (named,)
    given_file = write(tmp_path / "given", **part("given", server.url), **{"current-context": "given"})
    assert find_target(find_kubeconfig(given_file)).namespace == "ns-given"


def merged_files(tmp_path):
    first = write(tmp_path / "first", **part("a", "https://first:1"), **{"current-context": "a"})
    second = write(tmp_path / "second", **part("a", "https://second:2"), **{"current-context": "b"})
    with open(second, "a") as file:
        file.write("")
    content = yaml.safe_load(second.read_text())
    for kind, items in part("b", "https://third:3").items():
        content[kind] += items
    write(second, **content)
    return f"{first}{os.pathsep}{second}"


@needs_kubectl
@pytest.mark.parametrize("context", [None, "a", "b"])
def test_several_files_are_merged_as_kubectl_merges_them(tmp_path, monkeypatch, context):
    monkeypatch.setenv("KUBECONFIG", merged_files(tmp_path))
    command = [KUBECTL, "config", "view", "--minify", "-o", "json", *(["--context", context] if context else [])]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    ours = find_target(find_kubeconfig(), context)
    assert ours.server == theirs["clusters"][0]["cluster"]["server"]
    assert ours.namespace == theirs["contexts"][0]["context"]["namespace"]
    assert ours.context == theirs["current-context"]


def test_of_equal_names_the_first_file_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", merged_files(tmp_path))
    assert find_target(find_kubeconfig()).server == "https://first:1"
    assert find_target(find_kubeconfig(), "b").server == "https://third:3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[1, 2]", "is not a kubeconfig"),
        ("a: [b", "is not YAML (line"),
        ("users: [{name: x, user: {token: {password: hunter2}}}]", "users.x.user.token"),
        ("\x00", "is not YAML"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
        ("clusters: 5", "clusters"),
        ("clusters: [{name: x, cluster: {server: 'http://[::1'}}]", "clusters.x.cluster.server"),
        ("clusters: [{name: x, cluster: {server: 'cluster.example'}}]", "is not the address of a server"),
        ("current-context: x", "has no context 'x'"),
        ("contexts: [{name: dev, context: {cluster: c}}]\ncurrent-context: dve", "did you mean 'dev'?"),
        (
            "contexts: [{name: dev, context: {cluster: c}}]",
            "no current context; choose with --context NAME (it has dev)",
        ),
        ("contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x", "names the cluster 'c'"),
    ],
)
def test_a_bad_kubeconfig_is_named_and_its_secrets_are_not(tmp_path, text, words):
    path = tmp_path / "config"
    path.write_text(text)
    message = message_of(lambda: connect(path), InputError)
    assert words in message
    assert str(path) in message
    assert "hunter2" not in message


def test_without_any_kubeconfig_one_is_told_where_to_get_one():
    assert "get one from the cluster's portal" in message_of(connect, InputError)


def test_missing_files_are_named(tmp_path, monkeypatch):
    assert "No such file" in message_of(lambda: connect(tmp_path / "gone"), InputError)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    assert f"KUBECONFIG names {tmp_path / 'gone'}" in message_of(connect, InputError)


def test_a_file_that_others_can_read_is_warned_about(server, config):
    assert find_target(find_kubeconfig(config)).warnings == ()
    config.chmod(0o644)
    (warning,) = find_target(find_kubeconfig(config)).warnings
    assert f"chmod 600 {config}" in warning


def test_unsafe_connections_are_warned_about_or_refused(tmp_path):
    content = part("a", "https://cluster.example")
    content["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path = write(tmp_path / "config", **content, **{"current-context": "a"})
    assert "insecure-skip-tls-verify" in find_target(find_kubeconfig(path)).warnings[0]
    path = write(tmp_path / "config", **part("a", "http://cluster.example"), **{"current-context": "a"})
    assert "must begin with https" in message_of(lambda: connect(path), InputError)


def test_inside_a_pod_the_service_account_is_used_and_its_token_renewed(server, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("an-older-token\n")
    (tmp_path / "namespace").write_text("lab")
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    host, port = server.url.removeprefix("http://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    target = find_target(None)
    assert (target.server, target.namespace) == (f"https://{host}:{port}", "lab")
    plain = target.cluster.model_copy(update={"server": server.url, "certificate_authority": ""})
    with access.Api(type(target)(**{**target.__dict__, "cluster": plain})) as api:
        (tmp_path / "token").write_text(server.token)
        assert api.get("/version")["gitVersion"] == "v1.32.4"


@given(st.binary(max_size=200))
def test_any_bytes_as_kubeconfig_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("config") / "config"
    path.write_bytes(content)
    with pytest.raises(InputError):
        find_target(find_kubeconfig(path))


@given(st.text(max_size=100))
def test_any_token_has_an_expiry_or_none(text):
    assert expiry_of(text) is None or isinstance(expiry_of(text), float)


# Logins


def plugin(tmp_path, body, **more):
    """A user whose login plugin is a Python program."""
    path = tmp_path / "login.py"
    path.write_text(body)
    version = "client.authentication.k8s.io/v1"
    return {
        "exec": {
            "command": sys.executable,
            "args": [str(path)],
            "apiVersion": version,
            "interactiveMode": "Never",
            **more,
        }
    }


def prints(token):
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    return f"print({json.dumps(json.dumps(answer))})"


def test_a_login_plugin_gives_the_token(server, tmp_path):
    config = server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, prints(server.token)))
    with connect(config) as api:
        assert api.get("/version")


def test_the_program_that_logs_in_is_named_once(server, tmp_path, capfd):
    config = server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, prints(server.token)))
    for _ in range(2):
        connect(config).close()
    named = [line for line in capfd.readouterr().err.splitlines() if "logs in with" in line]
    assert len(named) == 1
    assert named[0].startswith(f"grace: context test of {config}: user ada logs in with ")
    assert named[0].endswith(sys.executable)


def test_a_plugin_is_found_beside_a_kubeconfig_that_is_given_by_a_relative_path(server, tmp_path, monkeypatch):
    """`./login` means a file, and `login` one of PATH."""
    script = tmp_path / "login"
    script.write_text(f"#!{sys.executable}\n{prints(server.token)}\n")
    script.chmod(0o700)
    server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, "", command="./login", args=[]))
    monkeypatch.chdir(tmp_path)
    with connect(Path("config")) as api:
        assert api.get("/version")


def test_the_plugin_has_its_variables(server, tmp_path):
    body = (
        "import os, json; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "assert info['spec']['cluster']['server'].startswith('http')\n"
        "print(json.dumps({'status': {'token': os.environ['THE_TOKEN']}}))"
    )
    env = [{"name": "THE_TOKEN", "value": server.token}]
    config = server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, body, env=env, provideClusterInfo=True))
    with connect(config) as api:
        assert api.get("/version")


def test_a_token_that_ends_meanwhile_is_renewed_once(server, tmp_path):
    """The plugin gives another token each time; the server takes only the second."""
    count = tmp_path / "count"
    body = f"""
import json, pathlib
count = pathlib.Path({str(count)!r})
count.write_text(count.read_text() + "x" if count.exists() else "x")
print(json.dumps({{"status": {{"token": "token-" + count.read_text()}}}}))
"""
    server.token = "token-xx"
    config = server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, body))
    with connect(config) as api:
        assert api.get("/version")
        server.token = "nobody has this"
        message = message_of(lambda: api.get("/version"), ApiError)
    assert "log in again" in message
    assert count.read_text() == "xxx"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "import sys; sys.exit('error: eyJhbGciOi.eyJzdWIiOi.c2ln has expired')",
            "failed with exit code 1 (error: ***",
        ),
        ("print('hello')", "printed no ExecCredential"),
        ("print('{\"status\": {}}')", "gave neither token nor certificate"),
        (prints(web_token(exp=time.time() - 60)), "expired at"),
    ],
)
def test_a_login_plugin_that_fails_is_named(server, tmp_path, body, words):
    config = server.kubeconfig(tmp_path / "config", user=plugin(tmp_path, body))
    message = message_of(lambda: connect(config))
    assert words in message
    assert "context test" in message
    assert "eyJ" not in message


def test_a_login_plugin_that_is_missing_says_what_to_install(server, tmp_path):
    user = plugin(tmp_path, "", command="kubectl-oidc_login_of_nobody", installHint="see the portal")
    config = server.kubeconfig(tmp_path / "config", user=user)
    message = message_of(lambda: connect(config), InputError)
    assert "kubectl-oidc_login_of_nobody, which is not installed here; see the portal" in message


def test_an_expired_token_is_said_before_anything_is_asked(server, tmp_path):
    for user in (
        {"token": web_token(exp=1_700_000_000)},
        {"auth-provider": {"name": "oidc", "config": {"id-token": web_token(exp=1_700_000_000)}}},
    ):
        config = server.kubeconfig(tmp_path / "config", user=user)
        message = message_of(lambda config=config: connect(config))
        assert "expired at 2023-11-14 22:13 UTC" in message
        assert "ServiceAccount" in message
    assert server.asked == []


def test_other_ways_to_log_in(server, tmp_path):
    (tmp_path / "token").write_text(f"{server.token}\n")
    with connect(server.kubeconfig(tmp_path / "config", user={"tokenFile": "token"})) as api:
        assert api.get("/version")
    config = server.kubeconfig(tmp_path / "config", user={"auth-provider": {"name": "gcp", "config": {}}})
    assert "which Kubernetes no longer supports" in message_of(lambda: connect(config), InputError)
    config = server.kubeconfig(tmp_path / "config", user={"client-certificate": "gone.crt", "client-key": "gone.key"})
    assert "gone.crt, which is not there" in message_of(lambda: connect(config), InputError)


# Faults


def test_transient_faults_are_repeated(server, config):

    server.fault = failing(
        lambda: status(429, "TooManyRequests", "slow down"), lambda: status(503, "Unavailable", ""), cut
    )
    with connect(config) as api:
        assert api.get("/version")
    assert len(server.asked) == 4


def test_the_pause_that_the_server_asks_for_is_kept(server, config, monkeypatch):
    waits = []
    monkeypatch.setattr(access.Clock, "sleep", lambda clock, seconds: waits.append(seconds))
    server.fault = failing(lambda: status(429, "TooManyRequests", "", [("Retry-After", "7")]))
    with connect(config) as api:
        assert api.get("/version")
    assert waits == [7]
    server.asked.clear()
    server.fault = failing(*[lambda: status(429, "TooManyRequests", "", [("Retry-After", "3600")])] * 9)
    with connect(config) as api:
        assert "too busy" in message_of(lambda: api.get("/version"), ApiError)
    assert len(server.asked) == 1


def test_what_may_have_been_done_is_not_done_again(server, config):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    path = "/api/v1/namespaces/lab/configmaps"
    server.fault = failing(cut)
    with connect(config) as api:
        assert "cut in the middle" in message_of(lambda: api.create(path, body), ApiError)
        assert len(server.asked) == 1
        server.asked.clear()
        server.fault = failing(lambda: status(429, "TooManyRequests", ""))
        api.create(path, body)
        assert len(server.asked) == 2
        server.asked.clear()
        server.fault = failing(cut)
        api.create(path, {**body, "metadata": {"name": "y"}}, dry_run=True)
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: status(403, "Forbidden", 'jobs is forbidden: User "ada" cannot list resource "jobs"'), "ask the adm"),
        (lambda: status(404, "NotFound", "no such thing"), "has no /version (404)"),
        (lambda: status(500, "InternalError", "etcd is tired"), "failed at GET /version (500): etcd is tired"),
        (lambda: web.Response(text="<html>log in to the hotel</html>"), "something that is not Kubernetes"),
        (lambda: web.Response(text='{"half": '), "with something that is not Kubernetes"),
        (lambda: web.Response(text="[" * 100_000), "answers GET /version with something"),
        (lambda: web.Response(status=302, headers={"Location": "http://elsewhere.example/"}), "not Kubernetes"),
        (cut, "cut in the middle"),
    ],
)
def test_faults_in_plain_words(server, config, answer, words):
    server.fault = failing(*[answer] * 9)
    with connect(config) as api:
        message = message_of(lambda: api.get("/version"), ApiError)
    assert words in message
    assert server.url in message


def test_no_message_holds_the_token_or_moves_the_cursor(server, config):
    server.fault = failing(
        lambda: status(400, "BadRequest", f"you sent {server.token} \x1b[2J\r\nand {web_token(a=1)}")
    )
    with connect(config) as api, pytest.raises(ApiError) as caught:
        api.get("/version")
    assert server.token not in str(caught.value)
    assert "eyJ" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert server.token not in repr(api.target)


def test_a_login_that_is_refused(server, tmp_path):
    config = server.kubeconfig(tmp_path / "config", user={"token": "another"})
    with connect(config) as api:
        message = message_of(lambda: api.get("/version"), ApiError)
    assert "does not take the login of user ada of context test" in message
    assert "ServiceAccount" in message
    assert len(server.asked) == 1


def test_a_server_that_hangs_is_left(server, config):
    async def hang(number, request):
        await asyncio.sleep(HANG)

    server.fault = hang
    with connect(config, read_seconds=0.3) as api:
        assert "no answer within 0.3 s" in message_of(lambda: api.get("/version"), ApiError)
    assert len(server.asked) == 2


def test_servers_that_are_not_there(server, tmp_path, unused_port):
    for address, words in (
        (f"http://127.0.0.1:{unused_port}", "nobody answers there"),
        ("https://no-such-host.invalid", "no server of that name"),
        (server.url.replace("http", "https"), "does not speak TLS"),
    ):
        config = server.kubeconfig(tmp_path / "config", cluster={"server": address})
        with connect(config) as api:
            message = message_of(lambda api=api: api.get("/version"), ApiError)
        assert words in message
        assert address in message


@needs_openssl
def test_tls(tmp_path):
    context, file = certificate(tmp_path)
    with ApiServer(tls=context) as server:
        data = base64.b64encode(file.read_bytes()).decode()
        for trust in (
            {"certificate-authority": file.name},
            {"certificate-authority-data": data},
            {"insecure-skip-tls-verify": True},
        ):
            with connect(server.kubeconfig(tmp_path / "config", cluster={"server": server.url, **trust})) as api:
                assert api.get("/version")
        for wrong, words in (
            ({}, "certificate-authority did not sign"),
            ({"certificate-authority-data": data, "tls-server-name": "other.example"}, "for another name"),
        ):
            config = server.kubeconfig(tmp_path / "config", cluster={"server": server.url, **wrong})
            with connect(config) as api:
                message = message_of(lambda api=api: api.get("/version"), ApiError)
            assert words in message
            assert str(config) in message
        config = server.kubeconfig(
            tmp_path / "config", cluster={"server": server.url, "certificate-authority-data": "%%%"}
        )
        assert "is not base64" in message_of(lambda: connect(config), InputError)


@needs_openssl
def test_a_client_certificate_leaves_no_file_behind(tmp_path, monkeypatch):
    context, file = certificate(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    user = {
        "token": "secret-token-of-the-user",
        "client-certificate-data": base64.b64encode(file.read_bytes()).decode(),
        "client-key-data": base64.b64encode((tmp_path / "server.key").read_bytes()).decode(),
    }
    with ApiServer(tls=context) as server:
        trust = {"server": server.url, "certificate-authority": str(file)}
        with connect(server.kubeconfig(tmp_path / "config", cluster=trust, user=user)) as api:
            assert api.get("/version")
            (folder,) = (tmp_path / "temporary").iterdir()
            assert folder.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_warning_header():
    assert warnings_of(['299 - "one", 299 - "two \\"quoted\\""', '299 - "one"']) == ["one", 'two "quoted"']
    assert warnings_of(["nothing", ""]) == []


def test_without_the_extra_one_is_told_to_install_it(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes.client.rest", None)
    assert "pip install 'grace-experiments[cluster]'" in message_of(lambda: connect(config), InputError)


# GPUs


def node(name, product="", memory="24576", gpus="", taints="[]", ready=True, cordoned=False, region="us-west"):
    gpu = f"{gpus}, " if gpus else ""
    return f"""
apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels: {{nvidia.com/gpu.product: "{product}", nvidia.com/gpu.memory: "{memory}", nvidia.com/cuda.driver.major: "580",
    topology.kubernetes.io/region: {region}, kubernetes.io/hostname: {name}}}
spec: {{taints: {taints}, unschedulable: {str(cordoned).lower()}}}
status:
  allocatable: {{{gpu}cpu: "64", memory: 512Gi, pods: "110"}}
  conditions: [{{type: Ready, status: "{ready}"}}]
"""


RESERVED = "[{key: nautilus.io/reservation, value: suncave, effect: NoSchedule}]"


@pytest.fixture
def gpu_nodes(server):
    for number in range(400):
        server.add(node(f"n{number}", "NVIDIA-GeForce-RTX-3090", gpus='nvidia.com/gpu: "4"'))
    server.add(node("suncave-1", "NVIDIA-GeForce-RTX-3090", gpus='nvidia.com/gpu: "2"', taints=RESERVED))
    server.add(node("sick", "NVIDIA-GeForce-RTX-3090", gpus='nvidia.com/gpu: "2"', ready=False))
    server.add(node("a1", "NVIDIA-A100-SXM4-80GB", "81920", 'nvidia.com/a100: "8"', region="us-east"))
    server.add(node("a2", "NVIDIA-A100-SXM4-80GB", "81920", 'nvidia.com/a100: "8"', cordoned=True))
    server.add(node("plain"))


@pytest.mark.usefixtures("gpu_nodes")
def test_gpus_of_400_nodes_come_in_pages(server, config):
    with connect(config) as api:
        products = gpu_products(list_nodes(api), load_cluster("nrp"))
    assert [asked.query.get("continue") for asked in server.asked] == [None, "100", "200", "300", "400"]
    rtx, a100 = products
    assert (rtx.nodes, rtx.usable, rtx.resources, rtx.usable_gpus) == (402, 400, {"nvidia.com/gpu": 1604}, 1600)
    assert rtx.taints == {"nautilus.io/reservation=suncave:NoSchedule": 1}
    assert (rtx.profiles, a100.profiles) == (("rtx3090",), ("a100",))
    assert (a100.gpus, a100.memory_mib, a100.regions, a100.cordoned) == (
        ("a100-80",),
        (81920,),
        ("us-east", "us-west"),
        1,
    )


@pytest.mark.usefixtures("gpu_nodes")
def test_the_command_prints_text_json_and_csv(server, config, grace):
    text = grace("cluster", "gpus", "--kubeconfig", config, "--product", "a100")
    assert text.code == 0
    assert "NVIDIA-A100-SXM4-80GB" in text.out
    assert "3090" not in text.out
    assert "How many are free cannot be known" in text.out
    listed = json.loads(grace("cluster", "gpus", "--kubeconfig", config, "--format", "json").out)
    assert [each["product"] for each in listed] == ["NVIDIA-GeForce-RTX-3090", "NVIDIA-A100-SXM4-80GB"]
    lines = grace("cluster", "gpus", "--kubeconfig", config, "--format", "csv").out.splitlines()
    assert len(lines) == 3
    assert "nvidia.com/gpu=1604" in lines[1]


def test_the_command_says_that_nodes_may_not_be_listed(server, config, grace):
    server.denied.add("list nodes")
    result = grace("cluster", "gpus", "--kubeconfig", config)
    assert result.code == 4
    assert "cannot list resource" in result.err
    assert "ask the administrators for this right" in result.err


def machine(**changes):
    usual = {
        "name": "n1",
        "labels": {"nvidia.com/gpu.product": "A", "nvidia.com/gpu.memory": "81920"},
        "taints": (),
        "allocatable": {"cpu": 8.0, "nvidia.com/gpu": 4.0},
        "ready": True,
        "cordoned": False,
    }
    return ClusterNode(**{**usual, **changes})


def affinity(*expressions):
    terms = [{"matchExpressions": list(expressions)}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key, operator, *values):
    return {"key": f"nvidia.com/gpu.{key}", "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ({}, ""),
        ({"nodeSelector": {"nvidia.com/gpu.product": "A"}}, ""),
        ({"nodeSelector": {"nvidia.com/gpu.product": "B"}}, "not selected"),
        ({"nodeName": "n2"}, "not selected"),
        (affinity(expression("product", "In", "B", "A")), ""),
        (affinity(expression("product", "NotIn", "A")), "not selected"),
        (affinity(expression("count", "NotIn", "A")), ""),
        (affinity(expression("memory", "Gt", "80000")), ""),
        (affinity(expression("memory", "Gt", "81920")), "not selected"),
        (affinity(expression("count", "Gt", "1")), "not selected"),
        (affinity(expression("memory", "Lt", "80000")), "not selected"),
        (affinity(expression("product", "Exists")), ""),
        (affinity(expression("product", "DoesNotExist")), "not selected"),
        (affinity(expression("product", "Exists"), expression("memory", "Lt", "1")), "not selected"),
        (affinity(), "not selected"),
    ],
)
def test_selectors_select_as_the_scheduler_does(pod, why):
    assert why_not(machine(), pod, {"nvidia.com/gpu": 1.0}) == why


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_tolerations_tolerate_as_the_scheduler_does(toleration, tolerated):
    tainted = machine(taints=(Taint("k", "v", "NoSchedule"),))
    assert why_not(tainted, {"tolerations": [toleration]}, {}) == ("" if tolerated else "taint k=v:NoSchedule")


def test_other_reasons_against_a_node():
    assert why_not(machine(ready=False), {}, {}) == "not ready"
    assert why_not(machine(cordoned=True), {}, {}) == "cordoned"
    assert why_not(machine(), {}, {"nvidia.com/gpu": 8.0}) == "has 4 of nvidia.com/gpu"
    assert why_not(machine(), {}, {"nvidia.com/a100": 1.0}) == "has 0 of nvidia.com/a100"
    assert why_not(machine(taints=(Taint("k", "", "PreferNoSchedule"),)), {}, {}) == ""


def test_storage_classes(server, config):
    server.add("""
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: rook-cephfs, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: rook.cephfs.csi.ceph.com
allowVolumeExpansion: true
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: block}, provisioner: x,
 volumeBindingMode: WaitForFirstConsumer}
""")
    with connect(config) as api:
        block, shared = storage_classes(api)
    assert (block.name, block.waits, block.default) == ("block", True, False)
    assert (shared.name, shared.default, shared.expandable) == ("rook-cephfs", True, True)


# The token's Secret


@pytest.fixture
def secret(grace, config, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def run(*options):
        result = grace("cluster", "secret", "--kubeconfig", config, "--namespace", "lab", *options)
        assert TOKEN not in result.out + result.err
        assert base64.b64encode(TOKEN.encode()).decode() not in result.out + result.err
        return result

    return run


def stored(server, name="huggingface-token"):
    return server.objects["secrets", "lab", name]


def test_the_secret_is_made_from_the_environment(server, secret):
    result = secret()
    assert result.code == 0
    assert "created; keys of huggingface-token: token" in result.out
    assert base64.b64decode(stored(server)["data"]["token"]).decode() == TOKEN
    assert stored(server)["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "grace"}
    assert server.asked[-1].method == "GET"
    assert "unchanged" in secret().out


@needs_kubectl
def test_kubectl_reads_the_secret_that_grace_made(server, secret, config):
    server.open = True
    secret("--name", "hub", "--key", "HF_TOKEN")
    what = ["-n", "lab", "get", "secret", "hub", "-o", "jsonpath={.data.HF_TOKEN}"]
    command = [KUBECTL, "--kubeconfig", config, *what]
    read = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert base64.b64decode(read).decode() == TOKEN


def test_a_trial_changes_nothing(server, secret):
    assert "Would be created" in secret("--dry-run").out
    assert not any(asked.changes for asked in server.asked)


def test_other_keys_stay_and_another_value_needs_replace(server, secret):
    server.add(
        "{apiVersion: v1, kind: Secret, metadata: {name: huggingface-token}, data: {other: b2xk, token: b2xk}}", "lab"
    )
    refused = secret()
    assert refused.code == 4
    assert "--replace changes it" in refused.err
    assert stored(server)["data"]["token"] == "b2xk"
    assert "value replaced; keys of huggingface-token: other, token" in secret("--replace").out
    assert stored(server)["data"]["other"] == "b2xk"
    assert "key added" in secret("--key", "third").out


def test_a_change_of_somebody_else_meanwhile_is_not_overwritten(server, secret):
    server.add("{apiVersion: v1, kind: Secret, metadata: {name: huggingface-token}, data: {token: b2xk}}", "lab")

    async def meanwhile(number, request):
        if request.method == "PATCH":
            stored(server)["metadata"]["resourceVersion"] = "7"

    server.fault = meanwhile
    result = secret("--replace")
    assert result.code == 5
    assert "cannot be fulfilled" in result.err
    assert stored(server)["data"]["token"] == "b2xk"


def test_an_immutable_secret_is_left(server, secret):
    server.add("{apiVersion: v1, kind: Secret, immutable: true, metadata: {name: huggingface-token}, data: {}}", "lab")
    assert secret("--replace").code == 4


def test_a_server_that_repeats_the_token_does_not_have_it_printed(server, secret):
    server.admit = lambda body: ([], f"no: {json.dumps(body)}")
    result = secret()
    assert result.code == 4
    assert "***" in result.err


def test_somebody_elses_namespace_is_refused_with_the_name_of_ones_own(server, grace, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.own = {"lab"}
    config = server.kubeconfig(tmp_path / "c", context={"cluster": "here", "user": "ada", "namespace": "lab"})
    result = grace("cluster", "secret", "--kubeconfig", config, "--namespace", "labs")
    assert result.code == 4
    assert "labs is perhaps not your namespace (the context names lab)" in result.err


def test_no_login_at_all_is_told_as_such(server, grace, tmp_path):
    config = server.kubeconfig(tmp_path / "c", user={})
    for server.anonymous in (True, False):
        result = grace("cluster", "gpus", "--kubeconfig", config, "--context", "test")
        assert result.code == 5
        assert "you are not logged in" in result.err
        assert f"`kubectl get pods --kubeconfig {config} --context test`" in result.err


def test_a_namespace_that_is_not_there(server, grace, config, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    result = grace("cluster", "secret", "--kubeconfig", config, "--namespace", "gone")
    assert result.code == 5
    assert 'namespaces "gone" not found' in result.err


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\n",
        "hf_xxxxxxxx",
        "<token>",
        "$HF_TOKEN",
        "your_token",
        "hf_a b",
        "hf_a\nb",
        "hf_é",
        "'hf_abc'",
        "x" * 5000,
    ],
)
def test_what_can_be_no_token_is_refused_and_not_quoted(monkeypatch, value):
    monkeypatch.setenv("HF_TOKEN", value)
    message = message_of(read_token, InputError)
    assert "variable HF_TOKEN" in message
    assert len(value.strip()) < 3 or value not in message


def test_where_tokens_come_from(monkeypatch, tmp_path):
    assert "make a token on the hub" in message_of(read_token, InputError)
    kept = tmp_path / "home" / ".cache" / "huggingface" / "token"
    kept.parent.mkdir(parents=True)
    kept.write_text(f"{TOKEN}\n")
    assert read_token().value == TOKEN
    assert "NO_SUCH is not set" in message_of(lambda: read_token("NO_SUCH"), InputError)
    other = tmp_path / "other"
    other.write_text("hf_other\r\n")
    assert read_token(file=other).value == "hf_other"
    monkeypatch.setenv("HF_TOKEN", "hf_variable")
    assert read_token().value == "hf_variable"
    monkeypatch.setenv("API_KEY", "sk-123456")
    assert "does not begin with hf_" in read_token("API_KEY").doubts[0]
    assert "hf_variable" not in repr(read_token())


@pytest.mark.parametrize("option", [("--name", "Bad_Name"), ("--name", "../x"), ("--key", "a b"), ("--key", "")])
def test_names_that_kubernetes_does_not_take(secret, server, option):
    assert secret(*option).code == 2
    assert server.asked == []


def test_a_token_as_argument_is_refused_and_not_repeated(server, secret):
    for arguments in ([TOKEN], ["--token", TOKEN], [f"--token={TOKEN}"]):
        assert secret(*arguments).code == 2  # the fixture looks for the token in what is printed
    assert "make another on the hub" in secret(TOKEN).err
    assert server.asked == []


def test_an_empty_namespace_is_not_taken_for_none(server, secret):
    result = secret("--namespace", "")
    assert result.code == 2
    assert "--namespace ''" in result.err
    assert server.asked == []


def test_help_is_there_without_the_client(grace, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    for command in ("gpus", "secret", "preflight"):
        result = grace("cluster", command, "--help")
        assert result.code == 0
        assert "Examples" in result.out


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_name_leads_elsewhere(name):
    assert access.path_of("api", "a/b", "c?d") == "/api/a%2Fb/c%3Fd"
    assert "is not a name" in message_of(lambda: access.path_of("api", name, "secrets"), ApiError)
