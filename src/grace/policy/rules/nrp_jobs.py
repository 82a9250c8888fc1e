"""NRP: what Jobs may not do, what users may not make, and how long servers may run."""

from collections.abc import Iterator

from grace.policy.documents import CLUSTER_WIDE, Container, Scene, Workload
from grace.policy.pods import pod_gpus
from grace.policy.programs import Program, programs
from grace.policy.rule import Hit, broken, changed, error, note
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import POLICIES, USING
from grace.policy.sleeps import final_sleep, is_sleep, waits

ADMINISTRATORS = CLUSTER_WIDE | {
    "APIService",
    "CSIDriver",
    "DaemonSet",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "ResourceQuota",
    "RuntimeClass",
    "ValidatingWebhookConfiguration",
}
"""Kinds that users cannot make."""
_JOB = example("script-job")
_LINE = "python run.py --model sleep-7b"
_WAIT = "until curl -sf http://vllm:8000/health; do sleep 5; done"
_SERVER = example("gpu-server")


@error(
    "NRP010",
    "Job that sleeps",
    why="A Job that sleeps holds what it asked for and does nothing. Users whose Jobs run sleep, or a script that ends "
    "in it, are banned.",
    source=POLICIES,
    fix="Let the Job end when its work is done. To look around, start a Pod without a controller: there, sleep is "
    "fine.",
    examples=broken(_JOB, (_LINE, "sleep infinity # python")),
)
def check_sleep(scene: Scene) -> Iterator[Hit]:
    for workload, container in _of_jobs(scene):
        if program := final_sleep(programs(scene, workload, container)):
            yield _sleep(workload, container, program)


@note(
    "NRP011",
    "Job that sleeps while it waits",
    why="The loop is allowed, but it has no end when what it waits for never comes; and whoever looks for Jobs that "
    "sleep, which get users banned, sees the word first.",
    source=POLICIES,
    fix="Let the client wait: `curl --retry 60 --retry-delay 10 --retry-all-errors URL`; Grace's commands do so by "
    "themselves. A server beside its client belongs in a sidecar with a startup probe.",
    examples=broken(_JOB, (_LINE, f"{_WAIT}; python run.py --model sleep-7b")),
)
def check_waiting(scene: Scene) -> Iterator[Hit]:
    for workload, container in _of_jobs(scene):
        for program in programs(scene, workload, container):
            if is_sleep(program) and waits(program) and program.loops[-1].conditional:
                yield _sleep(workload, container, program)


def _of_jobs(scene: Scene) -> Iterator[tuple[Workload, Container]]:
    """The containers of Jobs that run for as long as the Job does."""
    for workload, container in scene.containers:
        if workload.job_path and (container.sidecar or not container.init):
            yield workload, container


def _sleep(workload: Workload, container: Container, program: Program) -> Hit:
    what = "a Python program that ends asleep" if program.code else f"`{' '.join(program.words)[:60]}`"
    return Hit(workload.manifest, program.path, f"container {container.name} runs {what}{program.place}")


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
    why="Namespaces are made in the portal, and objects that belong to no namespace, quotas and DaemonSets by "
    "administrators. `kubectl apply` of the whole folder fails there.",
    source=f"{POLICIES}; answers of its admission to users",
    fix="Remove it from the files. For a namespace, or to be made its administrator, see the portal.",
    examples=("apiVersion: v1\nkind: Namespace\nmetadata: {name: grace-experiments}\n", _JOB),
)
def check_administrators(scene: Scene) -> Iterator[Hit]:
    for manifest in scene.manifests:
        if manifest.kind == "Namespace":
            yield Hit(manifest, ("kind",), f"namespaces are made in the portal; {manifest.name} is refused here")
        elif manifest.kind in ADMINISTRATORS:
            yield Hit(manifest, ("kind",), f"only administrators make a {manifest.kind}")


@note(
    "NRP014",
    "GPUs in a Deployment",
    why="A Deployment holds its GPUs day and night, also when nobody asks it anything, which counts as a violation. "
    "NRP's pages say both that Deployments may have GPUs and that they may not. After 2 weeks it is deleted; volumes "
    "stay.",
    source=POLICIES,
    fix="A Job with the server as a sidecar is safe: `grace cluster render --mode job`. Else delete it when it is "
    "done.",
    examples=(_SERVER, _JOB),
)
def check_servers(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        gpus = pod_gpus(workload, scene.cluster)
        if workload.kind in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController") and gpus:
            message = f"a {workload.kind} holds {gpus} GPUs for as long as it is there, and is deleted after 2 weeks"
            yield Hit(workload.manifest, ("kind",), message.replace(" 1 GPUs", " 1 GPU"))
