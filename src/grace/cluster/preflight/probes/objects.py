"""Probes of each object: whether its name is free, and whether the cluster would take it and its pods (a dry run)."""

from collections.abc import Sequence
from typing import Any

from grace.cluster.access.answers import ApiAnswer, ApiError
from grace.cluster.access.paths import path_of
from grace.cluster.access.pods import COMPONENT, LINEUP, MODEL, WRITING, living_pods
from grace.cluster.messages import explain
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.report import Verdict, failed, not_answered, passed, unknown
from grace.policy.documents import Manifest, Workload
from grace.text import printable


def _manifests(submission: Submission) -> Sequence[Subject]:
    return [
        Subject(manifest.title, submission.scene.namespace_of(manifest), manifest)
        for manifest in submission.manifests
        if manifest.kind and manifest.api_version and manifest.name
    ]


def _existing(view: ClusterView, subject: Subject) -> Verdict:
    manifest: Manifest = subject.of
    current = view.existing(manifest)
    if current is None:
        return passed("its name is free")
    if (current.get("metadata") or {}).get("deletionTimestamp"):
        return failed("one of that name is being deleted", "wait until it is gone")
    if manifest.kind == "Job":
        return _job(view, subject, current)
    return passed("is there; applying it changes it to what the manifest says")


def _job(view: ClusterView, subject: Subject, current: dict[str, Any]) -> Verdict:
    """A Job of that name: the same one, which goes on or is done, or another one."""
    state = _state(current)
    delete = view.command(f"kubectl delete job {subject.of.name}", subject.namespace)
    if not view.unchanged(subject.of):
        return failed(
            f"one of that name is there ({state}), and is another; a Job cannot be changed, and does not run twice",
            f"fetch its results, then {delete}; or give this one another name",
        )
    if state == "it failed":
        return failed(f"is there, and {state}; a Job does not run twice", f"see its log, then {delete}")
    if state == "it is finished":
        again = f"to run it again, {delete} first"
        return Verdict("pass", f"is there, and {state}; applied again, it does not run", again)
    return passed(f"is there, and {state}; applied again, it goes on")


def _state(job: dict[str, Any]) -> str:
    status = job.get("status") or {}
    ended = [each.get("type") for each in status.get("conditions") or [] if each.get("status") == "True"]
    if "Complete" in ended:
        return "it is finished"
    return "it failed" if "Failed" in ended else "it is running" if status.get("active") else "it waits"


def _writing(submission: Submission) -> Sequence[Subject]:
    """Jobs whose pods write into the run of a model."""
    return [
        Subject(workload.manifest.title, submission.scene.namespace_of(workload.manifest), workload)
        for workload in submission.scene.workloads
        if workload.kind == "Job" and {LINEUP, MODEL} <= workload.pod_labels.keys()
        if workload.pod_labels.get(COMPONENT) in WRITING
    ]


def _writers(view: ClusterView, subject: Subject) -> Verdict:
    """Whether a pod lives that is not of this Job, and writes into the same run: a Job can go without its pods."""
    labels, job = subject.of.pod_labels, view.existing(subject.of.manifest) or {}
    own = (job.get("metadata") or {}).get("uid")
    living = living_pods(view.api, subject.namespace, labels[LINEUP], labels[MODEL])
    others = [pod for pod in living if not own or pod.owner != own]
    if not others:
        return passed("no other pod writes into its run")
    lost = others[0].phase in ("Terminating", "Unknown")
    delete = view.command(f"kubectl delete pod {others[0].name}{' --force' if lost else ''}", subject.namespace)
    message = f"a pod of the same lineup and model still lives, and may write into the same run: {others[0]}"
    return failed(message, f"wait until it ends, or {delete}{' when its node is lost' if lost else ''}")


def _dry_run(view: ClusterView, subject: Subject) -> Verdict:
    manifest: Manifest = subject.of
    try:
        existing = view.existing(manifest)
    except ApiError as error:
        if error.status != 403:
            return _refused(subject.title, error)
        existing = None  # it may not be read: trying to create it shows whether it is there
    try:
        if existing and manifest.kind == "Job":
            same = view.unchanged(manifest)
            return passed("the cluster has it") if same else unknown("not tried: another Job of that name is there")
        if existing:
            answer = view.api.apply(view.path(manifest, own=True), manifest.body, dry_run=True)
        else:
            answer = view.api.create(view.path(manifest, own=False), _placed(view, manifest), dry_run=True)
    except ApiError as error:
        return _refused(subject.title, error)
    return _taken(answer)


def _templates(submission: Submission) -> Sequence[Subject]:
    """Workloads whose pods a controller makes, later, when nobody looks."""
    return [
        Subject(workload.manifest.title, submission.scene.namespace_of(workload.manifest), workload)
        for workload in submission.scene.workloads
        if workload.kind != "Pod" and not workload.custom
    ]


def _pod(view: ClusterView, subject: Subject) -> Verdict:
    """Whether the cluster would take a pod of a workload: many of its rules look at pods only."""
    workload: Workload = subject.of
    try:
        path = path_of("api", "v1", "namespaces", subject.namespace, "pods")
        return _taken(view.api.create(path, _pod_of(workload, subject.namespace), dry_run=True))
    except ApiError as error:
        if "cannot create" in error.detail:
            return unknown(f"not tried: {error.detail}")
        return _refused(subject.title, error)


def _pod_of(workload: Workload, namespace: str) -> dict[str, Any]:
    """A pod as the workload's controller makes them; it has an owner, so that rules for bare pods leave it alone."""
    manifest = workload.manifest
    template = manifest.at((*workload.template_path, "metadata")) or {}
    owner = {"apiVersion": manifest.api_version, "kind": manifest.kind, "name": manifest.name, "controller": True}
    claims = [template["metadata"]["name"] for template in manifest.at(("spec", "volumeClaimTemplates")) or []]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{manifest.name}-0"}} for name in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{key: template[key] for key in ("labels", "annotations") if key in template},
            "generateName": f"{manifest.name.rstrip('*-')}-",
            "namespace": namespace,
            "ownerReferences": [{**owner, "uid": "00000000-0000-0000-0000-000000000000"}],
        },
        "spec": {**workload.spec, **({"volumes": [*workload.spec.get("volumes", []), *volumes]} if volumes else {})},
    }


def _taken(answer: ApiAnswer) -> Verdict:
    """The verdict when the cluster would take an object. What it warns of may keep its pods from being made."""
    if against := [text for text in answer.warnings if "would violate PodSecurity" in text]:
        others = [text for text in answer.warnings if text not in against]
        todo = "set what it names in securityContext, or ask for another Pod Security level of the namespace"
        return failed(f"its pods break the namespace's Pod Security level: {printable(against[0])}", todo, notes=others)
    return passed("the cluster would take it", answer.warnings)


def _placed(view: ClusterView, manifest: Manifest) -> dict[str, Any]:
    """The object with the namespace that it goes to, where it names none."""
    namespace = view.scene.namespace_of(manifest)
    return {**manifest.body, "metadata": {**manifest.metadata, **({"namespace": namespace} if namespace else {})}}


def _refused(title: str, error: ApiError) -> Verdict:
    """The verdict when the cluster would not take an object."""
    detail = error.detail or str(error)
    if error.status == 400 and "dry run" in detail:
        return unknown(f"the cluster cannot try it: {detail}", notes=error.warnings)
    meaning = {
        400: ("the cluster does not understand it", "fix the manifest; `grace cluster check` shows the place"),
        403: ("the cluster would refuse it", "fix what it names, or ask the administrators"),
        404: ("the cluster has no place for it", "is the namespace there, and the kind known to the cluster?"),
        409: ("something of that name is there", "delete it, or choose another name"),
        422: ("the cluster finds it invalid", "fix the manifest; `grace cluster check` shows the place"),
    }.get(error.status)
    if "conflict with" in detail:
        meaning = ("other programs set fields of it to something else", "agree with them, or delete it first")
    if meaning is None:
        return not_answered(error)
    remedies = [each.message.do for each in explain(detail)]
    return failed(f"{meaning[0]}: {printable(detail)}", (remedies or [meaning[1]])[0], notes=error.warnings)


EXISTING = Probe("existing", _manifests, _existing)
DRY_RUN = Probe("dry run", _manifests, _dry_run)
WRITERS = Probe("writer", _writing, _writers)
POD = Probe("pod", _templates, _pod)
