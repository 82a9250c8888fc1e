"""NRP: what Jobs may not do, what users may not make, and how long servers may run."""

import re
from collections.abc import Iterator
from dataclasses import replace

from grace.policy.documents import CLUSTER_WIDE, Container, Scene, Workload
from grace.policy.pods import pod_gpus
from grace.policy.programs import Program, programs
from grace.policy.rule import Hit, Severity, broken, changed, error, note
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import POLICIES, USING
from grace.policy.servers import servers
from grace.policy.sleeps import final_sleep, is_sleep, soon_ends, waits

ADMINISTRATORS = CLUSTER_WIDE | {"DaemonSet", "LimitRange", "ResourceQuota"}
"""Kinds that users cannot make."""
UNSURE = ("DaemonSet", "LimitRange")
"""Of these, the ones that a namespace's own administrator may be able to make."""
CUSTOM = re.compile(
    r"Cluster(ExternalSecret|Issuer|Queue|SecretStore|ServingRuntime|TrainingRuntime|WorkflowTemplate)|GatewayClass|"
    r"AdmissionCheck|NodePool|ProvisioningRequestConfig|ResourceFlavor|VolumeSnapshotClass|WorkloadPriorityClass"
)
"""The same of custom resources: well-known kinds whose objects are in no namespace."""
_OF_NAMESPACE = re.compile(r"Cluster((?!Queue)\w+)")
OF_SYSTEM = re.compile(r"/(boot|dev|etc|lib|opt|proc|run|sys|usr|var/(lib|log|run))?(/|$)")
"""Folders of nodes that drivers and monitoring need."""
INSTEAD = {
    "DaemonSet": "it puts a pod onto every node; write a Deployment or a Job",
    "LimitRange": "the administrators set it, and a namespace's own users may only read it",
    "Namespace": "the portal (https://nrp.ai) makes it, and your own is there already",
    "PersistentVolume": "a PersistentVolumeClaim with a storage class gets its own",
    "StorageClass": "name one that exists in your PersistentVolumeClaim (`kubectl get storageclass`)",
}
"""What to do in place of some of them."""
_JOB = example("script-job")
_LINE = "python run.py --model sleep-7b"
_WAIT = "until curl -sf http://vllm:8000/health; do sleep 5; done"
_SERVER = example("gpu-server")


@error(
    "NRP010",
    "Job that sleeps",
    why="A Job that sleeps holds what it asked for and does nothing. Users whose Jobs run sleep, or a script that ends "
    "in it, are banned. A loop that soon ends is a warning; a pause between steps is fine.",
    source=POLICIES,
    fix="Let the Job end when its work is done: remove the sleep, and give each wait an end. To look around in a "
    "container, start a bare Pod (kind: Pod); there, sleep is fine.",
    examples=broken(_JOB, (_LINE, "sleep infinity # python")),
)
def check_sleep(scene: Scene) -> Iterator[Hit]:
    for workload, container in _of_jobs(scene):
        running = programs(scene, workload, container)
        program = final_sleep(running)
        if program:
            soon = soon_ends(program)
            end = ", in a loop that soon ends" if soon else ""
            yield replace(_sleep(workload, container, program, end), severity=Severity.WARNING if soon else None)
        for probe in running:
            if probe is not program and (address := _empty_answer(scene, workload, probe)):
                message = (
                    f"container {container.name} waits for a text from {address}, but vLLM answers with none, so "
                    f"that the loop never ends; `until curl -sf {address}; do` waits for the status"
                )
                yield Hit(workload.manifest, probe.path, message + probe.place, probe.row)


def _empty_answer(scene: Scene, workload: Workload, program: Program) -> str:
    """The address at which a loop of a script waits for a text that never comes: /health of vLLM; else empty."""
    loop = program.loops[-1] if program.loops else None
    if program.name != "curl" or not loop or not loop.conditional:
        return ""
    address = next((word for word in program.words if re.fullmatch(r"https?://[^/]+/(health|ping)/?", word)), "")
    words = [command.words for command in loop.commands]
    after = words[next((n for n, each in enumerate(words) if address in each), 0) + 1 :][:1]
    texts = [word for word in after[0][1:] if not word.startswith("-")] if after and after[0][0] == "grep" else []
    host = re.sub(r"https?://|[:/].*", "", address)
    served = any(server.workload in _behind(scene, workload, host) for server in servers(scene))
    return address if texts and not re.search("200|HTTP", " ".join(texts)) and (served or "vllm" in host) else ""


def _behind(scene: Scene, workload: Workload, host: str) -> tuple[Workload, ...]:
    service = scene.near("Service", host.partition(".")[0], workload.manifest)
    return scene.selected(service.namespace, service.at(("spec", "selector")) or {}) if service else (workload,)


@note(
    "NRP011",
    "Job that sleeps while it waits",
    why="The loop is allowed, but it has no end when what it waits for never comes; and whoever looks for Jobs that "
    "sleep, which get users banned, sees the word first.",
    source=POLICIES,
    fix="Give the wait an end. For a server: `curl -sf --retry 60 --retry-delay 10 --retry-all-errors URL`. For "
    "another Job: `kubectl wait --for=condition=complete --timeout=2h job/NAME`. Grace's commands wait by themselves.",
    examples=broken(_JOB, (_LINE, f"{_WAIT}; python run.py --model sleep-7b")),
)
def check_waiting(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container) if workload.job_path else ():
            conditional = is_sleep(program) and waits(program) and program.loops[-1].conditional
            if (
                conditional
                and not program.loops[-1].counted
                and not {"exit", "return"} & {each.program for each in program.loops[-1].commands}
            ):
                seconds = (workload.job_spec or {}).get("activeDeadlineSeconds")
                end = f"; if it waits in vain, activeDeadlineSeconds ends it after {seconds} s" if seconds else ""
                yield _sleep(workload, container, program, end)


def _of_jobs(scene: Scene) -> Iterator[tuple[Workload, Container]]:
    """The containers of Jobs that run for as long as the Job does."""
    for workload, container in scene.containers:
        if workload.job_path and (container.sidecar or not container.init):
            yield workload, container


def _sleep(workload: Workload, container: Container, program: Program, end: str = "") -> Hit:
    what = "a Python program that ends asleep" if program.code else f"`{' '.join(program.words)[:60]}`"
    message = f"container {container.name} runs {what}{program.place}{end}"
    return Hit(workload.manifest, program.path, message, program.row)


@error(
    "NRP012",
    "more Jobs than there may be at once",
    why="More than 400 Jobs at once slow the cluster down for everybody.",
    source=USING,
    fix="Replace many Jobs by one Indexed Job with completions and parallelism: its pods do not count as Jobs.",
    examples=(
        "---\n".join(changed(_JOB, ("name: study1", f"name: study1-{number}")) for number in range(401)),
        changed(_JOB, ("spec:\n  template", "spec:\n  completions: 1000\n  template")),
    ),
)
def check_jobs(scene: Scene) -> Iterator[Hit]:
    """More Jobs than there may be. A CronJob makes one at a time, unless it is suspended."""
    every, most = scene.kind("Job", "CronJob"), scene.cluster.limits.jobs
    jobs = [job for job in every if job.kind == "Job" or not job.at(("spec", "suspend"))]
    if most and len(jobs) > most:
        message = f"this is number {most + 1} of {len(jobs)} Jobs; at most {most} may exist at once"
        yield Hit(jobs[most], ("metadata", "name"), message)


@error(
    "NRP013",
    "object that users cannot make",
    why="The cluster refuses it, and `kubectl apply` of the whole folder ends with an error: objects that belong to no "
    "namespace and quotas are made by administrators. Limits of a namespace and DaemonSets are warnings.",
    source=f"{POLICIES}; answers of its admission to users",
    fix="Remove it from your files, and use what is there instead.",
    examples=("apiVersion: v1\nkind: Namespace\nmetadata: {name: grace-experiments}\n", _JOB),
)
def check_administrators(scene: Scene) -> Iterator[Hit]:
    agents = {each.manifest for each in scene.workloads if _serves_node(each)}
    wide = [each for each in scene.manifests if each.kind in ADMINISTRATORS]
    for manifest in (*wide, *(each for each in scene.broken if CUSTOM.fullmatch(each.kind))):
        sister = _OF_NAMESPACE.fullmatch(manifest.kind)
        instead = INSTEAD.get(manifest.kind, "ask the administrators if you need it")
        instead = f"{_a(sister[1])} is for your namespace" if sister else instead
        if manifest in agents:
            instead = "it serves nodes, whose drivers and monitoring the administrators install: ask them"
        severity = Severity.WARNING if manifest.kind in UNSURE else None
        known = "whether users may make" if manifest.kind == "DaemonSet" else "users may not make"
        end = " is not known" if manifest.kind == "DaemonSet" else ""
        yield Hit(manifest, ("kind",), f"{known} {_a(manifest.kind)}{end}: {instead}", severity=severity)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def _serves_node(workload: Workload) -> bool:
    """Whether pods reach into their node, as drivers and exporters of metrics do."""
    shares = any(workload.spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
    folders = [str((volume.get("hostPath") or {}).get("path", "")) for _, volume in workload.volumes]
    mounts = any(map(OF_SYSTEM.match, folders))
    contexts = (container.body.get("securityContext") or {} for container in workload.containers)
    return shares or mounts or any(context.get("privileged") for context in contexts)


@note(
    "NRP014",
    "Deployment, which is deleted after 2 weeks",
    why="NRP deletes Deployments after 2 weeks, after 3 notices by mail; their volumes stay. One with GPUs holds them "
    "also while nobody asks it anything, and GPUs that are used less than 40% count against you. NRP's pages say both "
    "that Deployments may have GPUs and that they may not.",
    source=POLICIES,
    fix="Delete it when you are done (`kubectl delete KIND NAME`). What must run longer needs an exception from "
    "the administrators; work that ends belongs in a Job.",
    examples=(_SERVER, _JOB),
)
def check_servers(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        gpus = pod_gpus(workload, scene.cluster) * workload.pods
        if workload.kind not in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"):
            continue
        if gpus:
            held = f"a {workload.kind} holds {gpus} GPU{'s' * (gpus > 1)} also while nobody uses it"
            end = " and is deleted after 2 weeks" if workload.kind == "Deployment" else ""
            yield Hit(workload.manifest, ("kind",), f"{held},{end}" if end else held)
        elif workload.kind == "Deployment":
            yield Hit(workload.manifest, ("kind",), "is deleted after 2 weeks, unless the administrators allow more")
