"""Rules about Jobs: when they end, when they are removed, and what a preemption costs them."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from grace.policy.documents import Scene
from grace.policy.endless import endless_program, ends
from grace.policy.programs import programs
from grace.policy.rule import Hit, broken, changed, kubernetes, note, warning
from grace.policy.rules.examples import example

_JOB = example("preemptible-job")
_PARTED = changed(_JOB, ("spec:\n  back", "spec:\n  parallelism: 2\n  completions: 2\n  back"))
_WORKING = changed(example("bare-pod"), ("command: [sleep, infinity]", "command: [python, train.py]"))
_QUEUE = re.compile(r"redis|rabbit|amqp|celery|kafka|nats|queue|broker|scheduler|optuna|wandb agent", re.IGNORECASE)
"""What gives each pod of a Job work of its own."""
_LOOKING = changed(_JOB, ("  activeDeadlineSeconds: 86400\n", "")) + "        command: [bash, -c, python run.py]\n"


@note(
    "K8S030",
    "Job without a time at which it is removed",
    why="While a finished Job is there, a second one of its name is refused; when it goes, its logs go too. NRP may "
    "remove finished Jobs after a day to a week, other clusters never do. Said once for all objects.",
    source=kubernetes("Automatic Cleanup for Finished Jobs", "concepts/workloads/controllers/ttlafterfinished/"),
    fix="Write ttlSecondsAfterFinished into the Job's spec, as 86400 for a day, and collect results and logs before.",
    examples=broken(_JOB, ("  ttlSecondsAfterFinished: 86400\n", "")),
    once=True,
)
def check_removal(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        if workload.kind == "Job" and "ttlSecondsAfterFinished" not in (workload.job_spec or {}):
            message = "has no ttlSecondsAfterFinished: who removes the finished Job and its logs, and when, is not said"
            yield Hit(workload.manifest, ("spec", "ttlSecondsAfterFinished"), message)


@note(
    "K8S052",
    "pods of a Job that do the same",
    why="Without completions, a Job starts `parallelism` pods of one command, and is done when one of them has "
    "succeeded and all have ended. They share the work only if they take it from a queue; else each does all of it, "
    "and writes over what the others write.",
    source=kubernetes("Jobs, Parallel Jobs", "concepts/workloads/controllers/job/#parallel-jobs"),
    fix="Write parallelism: 1; or `completionMode: Indexed` with completions, so that each pod takes the part of its "
    "JOB_COMPLETION_INDEX.",
    examples=broken(_PARTED, ("  completions: 2\n", "")),
)
def check_same(scene: Scene) -> Iterator[Hit]:
    beside = [container.image for _, container in scene.containers] + [each.name for each in scene.kind("Service")]
    if any(map(_QUEUE.search, beside)):
        return
    for workload in scene.workloads:
        spec = workload.job_spec or {}
        if workload.pods < 2 or "completions" in spec or not workload.job_path:
            continue
        told = [(*each.line, *each.env, *filter(None, each.env.values())) for each in workload.containers]
        if not _QUEUE.search(" ".join(chain(*told))):
            message = f"starts {workload.pods} pods of one command, and nothing says which part of the work is whose"
            yield Hit(workload.manifest, (*workload.job_path, "parallelism"), message)


@note(
    "K8S031",
    "Job that can run for ever",
    why="A program that hangs, as a client of a server which never answers, holds its GPU until somebody looks. Said "
    "once for all objects.",
    source=kubernetes(
        "Jobs, Job termination and cleanup", "concepts/workloads/controllers/job/#job-termination-and-cleanup"
    ),
    fix="Write activeDeadlineSeconds into the Job's spec: twice the time that it should take.",
    examples=broken(_JOB, ("  activeDeadlineSeconds: 86400\n", "")),
    once=True,
)
def check_deadline(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        spec, path = workload.job_spec, workload.job_path
        if spec is None or path is None:
            continue
        if "activeDeadlineSeconds" not in spec and "activeDeadlineSeconds" not in workload.spec:
            message = "has no activeDeadlineSeconds: if it hangs, it holds its resources until somebody notices"
            yield Hit(workload.manifest, (*path, "activeDeadlineSeconds"), message)


@warning(
    "K8S036",
    "Job that never ends",
    why="A Job is done when its program ends. A server or an endless loop never does: the Job holds what it asked for "
    "until somebody deletes it.",
    source=kubernetes("Jobs", "concepts/workloads/controllers/job/"),
    fix="Run a server beside a client as a sidecar (an init container with restartPolicy: Always), or in a Deployment; "
    "or end it: timeout, or activeDeadlineSeconds in the Job's spec.",
    examples=broken(
        _LOOKING, ("[bash, -c, python run.py]", '[bash, -c, "python prepare.py; jupyter lab --ip=0.0.0.0"]')
    ),
)
def check_end(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        spec = workload.job_spec
        if spec is None or container.init or "activeDeadlineSeconds" in {**spec, **workload.spec}:
            continue
        if what := endless_program(container, programs(scene, workload, container)):
            message = f"container {container.name} runs {what}: the Job never completes"
            yield Hit(workload.manifest, container.path, message)


@warning(
    "K8S032",
    "preemptible Job that counts preemptions as failures",
    why="Pods of this priority class make room for others at any time. Each time counts against backoffLimit, and when "
    "that is used up the Job fails, however much of its work is done.",
    source=kubernetes("Jobs, Pod failure policy", "concepts/workloads/controllers/job/#pod-failure-policy"),
    fix="Write into the Job's spec, beside template: `podFailurePolicy: {rules: [{action: Ignore, onPodConditions: "
    "[{type: DisruptionTarget}]}]}`, and restartPolicy: Never into that of the pod.",
    examples=broken(_JOB, ("action: Ignore", "action: Count")),
)
def check_preemption(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        spec, path = workload.job_spec, workload.job_path
        priority = workload.spec.get("priorityClassName")
        if spec is None or path is None or priority not in scene.cluster.priority_classes.no_quota:
            continue
        if not _ignores_disruption(spec):
            limit = spec.get("backoffLimit", 6)
            number = {0: "first", 1: "second", 2: "third"}.get(limit, f"{limit + 1}th")
            given = f"backoffLimit {limit}" + ("" if "backoffLimit" in spec else ", the default")
            message = f"pods of {priority} may be preempted at any time; the {number} time fails the Job ({given})"
            yield Hit(workload.manifest, (*path, "podFailurePolicy"), message)


def _ignores_disruption(spec: dict[str, Any]) -> bool:
    """Whether a Job does not count pods that the cluster evicted."""
    return any(
        rule.get("action") == "Ignore"
        and any(condition.get("type") == "DisruptionTarget" for condition in rule.get("onPodConditions") or [])
        for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []
    )


@warning(
    "K8S053",
    "Pod whose work begins again",
    why="restartPolicy is Always where nothing else is written: when the program has ended, it is started again, also "
    "after success. The Pod does its work again and again, holds its GPU, and writes over its results.",
    source=kubernetes(
        "Pod Lifecycle, Container restart policy", "concepts/workloads/pods/pod-lifecycle/#restart-policy"
    ),
    fix="Write restartPolicy: Never into the spec, or OnFailure; or make it a Job.",
    examples=broken(_WORKING, ("  restartPolicy: Never\n", "")),
)
def check_again(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        always = workload.spec.get("restartPolicy", "Always") == "Always"
        if workload.kind != "Pod" or not always or workload.manifest.metadata.get("ownerReferences"):
            continue
        for container in workload.containers:
            program = None if container.init else ends(programs(scene, workload, container))
            if program and "restartPolicy" not in container.body:
                after = "is ended by timeout" if program.timed else "has ended"
                message = f"when `{' '.join(program.words)[:60]}` {after}, container {container.name} begins again"
                yield Hit(workload.manifest, program.path, message + program.place, program.row)
