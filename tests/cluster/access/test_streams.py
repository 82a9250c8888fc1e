"""Watching objects, reading logs, running commands in pods, deleting: over real HTTP, with its faults."""

import asyncio
import io
import json
import threading

import pytest
from aiohttp import WSMsgType, web

from api_server import ApiServer, certificate, cut, status
from grace.cluster.access import connection as access
from grace.cluster.access.answers import ApiError, ApiRefusal
from grace.cluster.access.commands import PROTOCOLS, execute
from grace.cluster.access.connection import connect
from grace.cluster.access.events import events_of
from grace.cluster.access.logs import read_log
from grace.cluster.access.objects import labelled
from grace.cluster.access.watching import Change, watch

PODS = "/api/v1/namespaces/lab/pods"


class Hours(access.Clock):
    """A clock that only sleeping moves, and each look at it by a second."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        self.seconds += 1
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


@pytest.fixture
def server():
    with ApiServer() as running:
        running.add("{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}")
        yield running


@pytest.fixture
def api(server, tmp_path):
    with connect(server.kubeconfig(tmp_path / "config"), clock=Hours()) as connection:
        yield connection


def pod(name, version, **metadata):
    return {"kind": "Pod", "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version, **metadata}}


class Watched:
    """Answers lists and watches of pods by a script: each entry is the answer to one request of that kind."""

    def __init__(self, server, lists, watches):
        self.lists, self.watches, self.asked = list(lists), list(watches), []
        server.fault = self.answer

    async def answer(self, number, request):
        if request.path != PODS:
            return None
        query = dict(request.query)
        self.asked.append(query)
        if "watch" not in query:
            bodies, version = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            return web.json_response({"items": bodies, "metadata": {"resourceVersion": version}})
        return await self.events(request, self.watches.pop(0) if self.watches else [])

    async def events(self, request, script):
        if callable(script):
            return script()
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for event in script:
            if event is None:
                request.transport.abort()
                return answer
            await answer.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")
        await answer.write_eof()
        return answer


def event(kind, body):
    return {"type": kind, "object": body}


GONE = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


def changes_of(*arguments, **options):
    """A watch without its beats."""
    return (change for change in watch(*arguments, **options) if change)


def names(changes):
    return [f"{change.kind} {change.body['metadata']['name']}" for change in changes]


def test_a_watch_begins_with_what_is_there_and_goes_on_where_the_cluster_ended_it(server, api):
    watched = Watched(
        server,
        [([pod("a", "5")], "5")],
        [[event("ADDED", pod("b", "6")), event("BOOKMARK", pod("", "9"))], [event("DELETED", pod("a", "10"))]],
    )
    changes = changes_of(api, PODS, 60, labels="grace/lineup=x")
    assert names(next(changes) for _ in range(3)) == ["ADDED a", "ADDED b", "DELETED a"]
    assert [query.get("resourceVersion") for query in watched.asked] == [None, "5", "9"]
    assert {query["labelSelector"] for query in watched.asked} == {"grace/lineup=x"}


@pytest.mark.parametrize(
    "forgotten",
    [[GONE], lambda: status(410, "Expired", "too old resource version: 5 (9)")],
    ids=["as an event of a success", "as a refusal"],
)
def test_where_the_cluster_has_forgotten_the_place_all_is_listed_and_compared(server, api, forgotten):
    Watched(
        server,
        [([pod("a", "5"), pod("b", "5"), pod("c", "5")], "5"), ([pod("b", "5"), pod("c", "8"), pod("d", "9")], "9")],
        [forgotten],
    )
    changes = names(next(iterator) for iterator in [changes_of(api, PODS, 60)] for _ in range(6))
    assert changes[:3] == ["ADDED a", "ADDED b", "ADDED c"]
    assert changes[3:] == ["DELETED a", "MODIFIED c", "ADDED d"]


def test_a_cut_connection_loses_no_change_and_repeats_none(server, api):
    watched = Watched(
        server,
        [([], "5")],
        [
            [event("ADDED", pod("a", "6")), b'{"type": "ADDED", "object": {"meta', None],
            cut,
            lambda: status(503, "ServiceUnavailable", "the server is starting"),
            [event("ADDED", pod("b", "7"))],
        ],
    )
    changes = changes_of(api, PODS, 600)
    assert names(next(changes) for _ in range(2)) == ["ADDED a", "ADDED b"]
    assert {query["resourceVersion"] for query in watched.asked[2:]} == {"6"}


def test_a_login_that_ends_meanwhile_is_renewed_and_the_watch_goes_on(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    server.token = "first"

    def expired():
        token.write_text("second")
        server.token = "second"
        return status(401, "Unauthorized", "Unauthorized")

    Watched(server, [([], "5")], [expired, [event("ADDED", pod("a", "6"))]])
    config = server.kubeconfig(tmp_path / "config", user={"tokenFile": str(token)})
    with connect(config, clock=Hours()) as api:
        assert names([next(changes_of(api, PODS, 60))]) == ["ADDED a"]


def test_a_silent_watch_ends_at_its_limit_and_all_was_listed_again_in_between(server, api):
    watched = Watched(server, [([], "99999"), ([pod("a", "7")], "7")], [])
    assert names(changes_of(api, PODS, 900))[:1] == ["ADDED a"]
    assert sum("watch" not in query for query in watched.asked) >= 2


def test_who_may_list_and_not_watch_sees_all_changes_at_each_beat(server, api):
    refused = lambda: status(403, "Forbidden", 'pods is forbidden: User "ada" cannot watch resource "pods"')  # noqa: E731
    Watched(server, [([], "5"), ([pod("a", "7")], "7")], [refused] * 3)
    changes = watch(api, PODS, 100, beat=10)
    assert next(changes) is None
    assert names([next(changes)]) == ["ADDED a"]


def test_a_watch_that_is_refused_says_so(server, api):
    server.denied.add("list pods")
    with pytest.raises(ApiRefusal, match='cannot list resource "pods"'):
        next(watch(api, PODS, 60))


def test_a_change_shows_nothing_of_its_object():
    assert "secret" not in repr(Change("ADDED", {"data": "secret"}))


# Deleting


class Deleted:
    def __init__(self, server, *answers):
        self.answers, self.asked = list(answers), []
        server.fault = self.answer

    async def answer(self, number, request):
        if request.method != "DELETE":
            return None
        self.asked.append((request.path, await request.json()))
        return self.answers.pop(0)


def test_deleting_names_the_object_by_its_uid_and_says_what_becomes_of_its_own(server, api):
    asked = Deleted(server, web.json_response({"kind": "Status", "status": "Success"}))
    assert api.delete("/apis/batch/v1/namespaces/lab/jobs/a", "uid-1", propagation="Foreground")
    ((path, body),) = asked.asked
    assert path == "/apis/batch/v1/namespaces/lab/jobs/a"
    assert body["preconditions"] == {"uid": "uid-1"}
    assert body["propagationPolicy"] == "Foreground"


@pytest.mark.parametrize(
    "answer",
    [
        lambda: status(404, "NotFound", 'jobs.batch "a" not found'),
        lambda: status(
            409,
            "Conflict",
            'Operation cannot be fulfilled on jobs.batch "a": Precondition failed: UID in precondition: uid-1, '
            "UID in object meta: uid-2",
        ),
    ],
    ids=["gone", "another of its name"],
)
def test_an_object_that_is_gone_is_no_fault(server, api, answer):
    Deleted(server, answer())
    assert not api.delete("/apis/batch/v1/namespaces/lab/jobs/a", "uid-1")


def test_deleting_is_repeated_and_a_refusal_is_none(server, api):
    Deleted(server, status(503, "ServiceUnavailable", "no"), web.json_response({"kind": "Status"}))
    assert api.delete(f"{PODS}/a", "uid-1", grace_seconds=0)
    Deleted(server, status(403, "Forbidden", 'pods "a" is forbidden: User "ada" cannot delete resource "pods"'))
    with pytest.raises(ApiRefusal, match="cannot delete"):
        api.delete(f"{PODS}/a", "uid-1")


def test_fields_of_others_are_shown_and_not_taken(server, api):
    async def conflict(number, request):
        assert "force" not in request.query
        message = 'Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.visit'
        return status(409, "Conflict", message)

    server.fault = conflict
    with pytest.raises(ApiError, match=r'conflict with "kubectl" using v1: \.data\.visit') as caught:
        api.apply("/api/v1/namespaces/lab/configmaps/a", {})
    assert caught.value.status == 409


def test_an_answer_that_comes_drop_by_drop_has_a_limit(server, api, monkeypatch):
    monkeypatch.setattr(access, "ANSWER_SECONDS", 0.0)

    async def slowly(number, request):
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for letter in b'{"kind":':
            await answer.write(bytes((letter,)))
            await asyncio.sleep(0.01)
        return answer

    server.fault = slowly
    with pytest.raises(ApiError, match="was not complete within 0 s"):
        api.get("/version")


# Objects and events


def test_objects_are_listed_by_their_labels_kind_by_kind(server, api):
    server.add(
        """
        {apiVersion: batch/v1, kind: Job, metadata: {name: j, uid: "1", labels: {grace/lineup: x}}}
---
        {apiVersion: v1, kind: Secret, metadata: {name: s, uid: "2", labels: {grace/lineup: x}}}
---
        {apiVersion: v1, kind: Secret, metadata: {name: other, uid: "3"}}
---
        {apiVersion: v1, kind: Pod, metadata: {name: p, uid: "4", labels: {grace/lineup: x}, deletionTimestamp: "2026"}}
""",
        "lab",
    )
    found = labelled(api, "lab", {"grace/lineup": "x"}, ["Pod", "Job", "Secret"])
    assert [(str(each), each.uid, each.deleting) for each in found] == [
        ("Pod/p", "4", True),
        ("Job/j", "1", False),
        ("Secret/s", "2", False),
    ]
    assert found[1].path == "/apis/batch/v1/namespaces/lab/jobs/j"
    with pytest.raises(ValueError, match="everybody's"):
        labelled(api, "lab", {})


def test_events_belong_to_one_object_and_the_newest_is_first(server, api):
    def noted(uid, reason, **times):
        return {
            "involvedObject": {"kind": "Pod", "name": "p", "uid": uid},
            "reason": reason,
            "type": "Warning",
            **times,
        }

    async def listed(number, request):
        assert request.query["fieldSelector"] == "involvedObject.uid=u1"
        items = [
            noted("u1", "Old", lastTimestamp="2026-01-01T00:00:00Z"),
            noted("u0", "OfAnotherPodOfItsName", lastTimestamp="2026-01-03T00:00:00Z"),
            noted("u1", "New", eventTime="2026-01-02T00:00:00.000001Z", series={"count": 7}),
        ]
        return web.json_response({"items": items})

    server.fault = listed
    assert [(note.reason, note.count, note.about) for note in events_of(api, "lab", "u1")] == [
        ("New", 7, "Pod/p"),
        ("Old", 1, "Pod/p"),
    ]


# Logs


def test_a_log_is_its_end_and_no_more_than_was_asked_for(server, api):
    async def log(number, request):
        assert request.path == f"{PODS}/p/log"
        assert dict(request.query) == {"tailLines": "7", "container": "vllm", "previous": "true"}
        return web.Response(body="abc\ndäf\n".encode())

    server.fault = log
    options = {"lines": 7, "previous": True}
    assert read_log(api, "lab", "p", "vllm", **options) == "abc\ndäf\n"
    assert read_log(api, "lab", "p", "vllm", **options, most_bytes=4) == "äf\n"


def test_a_log_that_goes_on_and_on_is_read_until_its_limit(server, api):
    ended = threading.Event()

    async def log(number, request):
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        while not ended.is_set() and request.transport and not request.transport.is_closing():
            await answer.write(b"again\n")
            await asyncio.sleep(0.01)
        return answer

    server.fault = log
    assert read_log(api, "lab", "p", seconds=5).startswith("again\n")  # seconds of the test's clock
    ended.set()


# Commands


class Container:
    """Runs commands in pods: `run` gets the websocket's streams."""

    def __init__(self, server, run, protocols=PROTOCOLS):
        self.run, self.protocols, self.queries = run, protocols, []
        server.fault = self.answer

    async def answer(self, number, request):
        if not request.path.endswith("/exec"):
            return None
        if request.headers.get("Authorization") != "Bearer secret-token-of-the-user":
            return status(401, "Unauthorized", "Unauthorized")
        self.queries.append(list(request.query.items()))
        socket = web.WebSocketResponse(protocols=self.protocols)
        await socket.prepare(request)
        await self.run(socket)
        await socket.close()
        return socket


def ended(code=0):
    content = {"status": "Success"}
    if code:
        causes = [{"reason": "ExitCode", "message": str(code)}]
        content = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}, "code": 500}
    return b"\3" + json.dumps(content).encode()


def test_a_command_s_output_comes_in_pieces_with_its_errors_and_its_exit_code(server, api):
    async def run(socket):
        for piece in (b"\1", b"\1one ", b"\2oh", b"\1two", b"\2 no", ended(3)):
            await socket.send_bytes(piece)

    container = Container(server, run)
    pieces = []
    end = execute(api, "lab", "p", ["sh", "-c", "echo $X & y"], container="grace", stdout=pieces.append)
    assert (end.code, end.errors, pieces) == (3, "oh no", [b"one ", b"two"])
    assert container.queries == [
        [
            ("command", "sh"),
            ("command", "-c"),
            ("command", "echo $X & y"),
            ("container", "grace"),
            ("stdout", "true"),
            ("stderr", "true"),
        ]
    ]


async def echo(socket):
    """`cat`: what comes goes back at once, until the input ends."""
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        if message.data == b"\xff\0":
            break
        await socket.send_bytes(b"\1" + message.data[1:])
    await socket.send_bytes(ended())


def test_input_and_output_flow_at_once_however_much_it_is(server, api):
    Container(server, echo)
    content = bytes(range(256)) * 40_000  # 10 MB: more than any buffer on the way
    out = io.BytesIO()
    assert execute(api, "lab", "p", ["cat"], stdin=io.BytesIO(content), stdout=out.write).code == 0
    assert out.getvalue() == content


def test_input_and_output_flow_over_tls_too(tmp_path):
    context, trusted = certificate(tmp_path)
    with ApiServer(tls=context) as server:
        config = server.kubeconfig(
            tmp_path / "config", cluster={"server": server.url, "certificate-authority": str(trusted)}
        )
        Container(server, echo)
        content = bytes(1_000_000)
        out = io.BytesIO()
        with connect(config) as api:
            assert execute(api, "lab", "p", ["cat"], stdin=io.BytesIO(content), stdout=out.write).code == 0
        assert out.getvalue() == content


def test_an_older_cluster_cannot_end_the_input_and_the_command_knows_its_length(server, api):
    async def head(socket):
        taken = b""
        while len(taken) < 10:
            taken += (await socket.receive()).data[1:]
        await socket.send_bytes(b"\1" + taken)
        await socket.send_bytes(ended())

    Container(server, head, protocols=PROTOCOLS[1:])
    pieces = []
    end = execute(api, "lab", "p", ["head", "-c", "10"], stdin=io.BytesIO(b"0123456789"), stdout=pieces.append)
    assert (end.code, pieces) == (0, [b"0123456789"])


def test_a_command_whose_connection_is_cut_has_not_ended(server, api):
    async def run(socket):
        await socket.send_bytes(b"\1half")
        socket._req.transport.abort()

    Container(server, run)
    with pytest.raises(ApiError, match=r"p: `tar c \.`: the connection was cut before it ended") as caught:
        execute(api, "lab", "p", ["tar", "c", "."])
    assert caught.value.status == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"idle_seconds": 3}, "no byte moved for 3 s"), ({"seconds": 2, "idle_seconds": 99}, "did not end within 2 s")],
)
def test_a_command_that_hangs_has_limits_and_names_them(server, api, limits, words):
    async def run(socket):
        await socket.receive()

    Container(server, run)
    with pytest.raises(ApiError, match=words):
        execute(api, "lab", "p", ["cat"], **limits)


def test_what_keeps_a_command_from_running_is_said(server, api):
    async def run(socket):
        message = 'exec: "tar": executable file not found in $PATH'
        await socket.send_bytes(b"\3" + json.dumps({"status": "Failure", "message": message, "code": 500}).encode())

    Container(server, run)
    with pytest.raises(ApiError, match=r"could not be run: exec: .*executable file not found"):
        execute(api, "lab", "p", ["tar"])

    async def gone(number, request):
        return status(404, "NotFound", 'pods "p" not found')

    server.fault = gone
    with pytest.raises(ApiError, match='pods "p" not found') as caught:
        execute(api, "lab", "p", ["tar"])
    assert caught.value.status == 404


def test_a_command_renews_a_login_that_has_ended(server, tmp_path):
    async def run(socket):
        await socket.send_bytes(ended())

    Container(server, run)
    token = tmp_path / "token"
    token.write_text("old")
    with connect(server.kubeconfig(tmp_path / "config", user={"tokenFile": str(token)}), clock=Hours()) as api:
        token.write_text("secret-token-of-the-user")
        assert execute(api, "lab", "p", ["true"]).code == 0


def test_nothing_of_an_endless_error_output_is_kept_but_its_end(server, api):
    async def run(socket):
        for _ in range(100):
            await socket.send_bytes(b"\2" + b"x" * 1000)
        await socket.send_bytes(b"\2end")
        await socket.send_bytes(ended(1))

    Container(server, run)
    errors = execute(api, "lab", "p", ["noisy"]).errors
    assert errors.endswith("xend")
    assert len(errors) <= 8192
