"""Rules about containers: images, variables in arguments, indexes of Jobs, and what they may do to their node."""

import re
from collections.abc import Iterator
from typing import Any

from grace.policy.documents import Container, FieldPath, Scene, Workload
from grace.policy.images import without_tag
from grace.policy.placeholders import placeholder_at
from grace.policy.rule import Hit, broken, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.policy.shell import SHELLS

INDEX = "JOB_COMPLETION_INDEX"
MOVING = {"canary", "edge", "latest", "nightly", "rolling"}
"""Parts of image tags that say that the tag moves, unless it also has a date or a commit."""
BRANCHES = {"dev", "devel", "develop", "head", "main", "master", "trunk"}
"""Image tags that move; as parts of a version (cudnn9-devel) they say what is in the image."""
RELEASES = ("debian:", "ubuntu:")
RELEASE_NAMES = {"bookworm", "bullseye", "buster", "focal", "forky", "jammy", "noble", "plucky", "resolute", "trixie"}
"""Images and tags that say a version by its name."""
_FIXED = re.compile(r"[0-9]{6,}|[0-9]{4}-[0-9]{2}-[0-9]{2}|(?=[a-f]*[0-9])[0-9a-f]{7,}")
NODE_CAPABILITIES = {"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "NET_ADMIN", "BPF"}
_REFERENCE = re.compile(r"(\$\$)|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", re.ASCII)
_SERVICE_LINK = re.compile(r"[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?")
_JOB = example("hardened-job")
_STANDARDS = kubernetes("Pod Security Standards", "concepts/security/pod-security-standards/")


@warning(
    "K8S025",
    "image that can change",
    why="Two runs of one manifest can run two programs, also the pods of one run: results cannot be reproduced, and "
    "what worked yesterday may need another driver today.",
    source=kubernetes("Images", "concepts/containers/images/"),
    fix="Name a version, or a digest: image@sha256:...",
    examples=broken(_JOB, ("query-generator:0.3.0", "query-generator:latest")),
)
def check_tags(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        path, fault = (*container.path, "image"), tag_fault(container.image)
        replaced = ("tag", without_tag(container.image)) in scene.generated  # by a Kustomization
        if container.image and fault and not replaced and not placeholder_at(workload.manifest, path):
            yield Hit(workload.manifest, path, f"{container.image} {fault}")


def tag_fault(image: str) -> str:
    """Why an image's tag may move; empty when it is a digest or a version."""
    if "@sha256:" in image:
        return ""
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag:
        return "has no tag, which means latest"
    parts = set(re.split(r"[^a-z0-9]+", tag.lower()))
    if tag.lower() in BRANCHES or (parts & MOVING and not _FIXED.search(tag.lower())):
        return f"has the tag {tag!r}, which moves with every release"
    if image.startswith(RELEASES) and parts & RELEASE_NAMES:
        return ""
    return "" if re.search(r"[0-9]", tag) else f"has the tag {tag!r}, which names no version"


@warning(
    "K8S026",
    "variable that is not defined",
    why="Kubernetes replaces $(NAME) in commands, arguments and variables only by what the container's own env "
    "defines, for variables: defines earlier. Others stay as they are written, and the program gets them like that.",
    source=kubernetes(
        "Define Dependent Environment Variables",
        "tasks/inject-data-application/define-interdependent-environment-variables/",
    ),
    fix="Define it in env, before it is used; in a script of a shell, write ${NAME}; $$(NAME) gives a literal $(NAME).",
    examples=broken(_JOB, ("name: MODEL", "name: MODEL_NAME")),
)
def check_variables(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        filled = placeholder_at(workload.manifest, ("metadata", "name")).startswith("$(")
        if container.body.get("envFrom") or filled or not workload.name:
            continue  # what that adds is not known here, or a program fills in all of them
        for path, name in _unknown(workload, container):
            if ("vars", name) in scene.generated:
                continue  # a Kustomization fills it in
            message = f"$({name}) stays as it is: no variable {name} is defined before it in this container's env"
            yield Hit(workload.manifest, path, message)


def _unknown(workload: Workload, container: Container) -> Iterator[tuple[FieldPath, str]]:
    defined = set(container.env)
    if _indexed(workload):
        defined.add(INDEX)
    for path, word in container.words:
        for name in _references(word):
            # in a script, $(date) is a command; variables have capitals there
            command = is_script(container) and not name.isupper()
            if name not in defined and not command and not _SERVICE_LINK.fullmatch(name):
                yield path, name
    before = {INDEX} if _indexed(workload) else set()
    for number, entry in enumerate(container.body.get("env") or []):
        for name in _references(entry.get("value", "")):
            if name not in before and not _SERVICE_LINK.fullmatch(name):
                yield (*container.path, "env", number, "value"), name
        before.add(entry["name"])


def _references(text: str) -> list[str]:
    """Names of variables in `$(NAME)`, but not in `$$(NAME)`."""
    return [match[2] for match in _REFERENCE.finditer(text) if match[2]]


def is_script(container: Container) -> bool:
    """Whether a container runs a shell with a script in its arguments, also behind what starts it: tini -- sh -c."""
    line = container.line
    first = next((number for number, word in enumerate(line) if word.rpartition("/")[2] in SHELLS), len(line))
    return any(re.fullmatch(r"-\w*c\w*", word) for word in line[first + 1 :])


def _indexed(workload: Workload) -> bool:
    return (workload.job_spec or {}).get("completionMode") == "Indexed"


@error(
    "K8S027",
    "index of a pod in a Job without indexes",
    why="Without completionMode: Indexed the variable is not set. Every pod works on the same shard, or on none.",
    source=kubernetes("Jobs, Completion mode", "concepts/workloads/controllers/job/#completion-mode"),
    fix="Write completionMode: Indexed and completions into the Job's spec.",
    examples=broken(_JOB, ("  completionMode: Indexed\n", "")),
)
def check_index(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        if _indexed(workload):
            continue
        for container in workload.containers:
            places = [path for path, word in container.words if INDEX in word]
            for number, entry in enumerate(container.body.get("env") or []):
                if INDEX in entry.get("value", ""):
                    places.append((*container.path, "env", number, "value"))
            if places and INDEX not in container.env:
                message = f"{INDEX} is set only in Jobs with completionMode: Indexed; here it is empty"
                yield Hit(workload.manifest, places[0], message)


@warning(
    "K8S028",
    "pod that reaches into its node",
    why="It can read and change what belongs to others on the node. Shared clusters refuse such pods.",
    source=_STANDARDS,
    fix="Remove it: GPUs need no privileges, data and models belong on a volume claim, and shared memory is an "
    "emptyDir of medium Memory.",
    examples=broken(_JOB, ("allowPrivilegeEscalation: false", "privileged: true")),
)
def check_node(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        manifest, path = workload.manifest, workload.path
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if workload.spec.get(field) is True:
                yield Hit(manifest, (*path, field), f"{field} shares that of the node")
        for where, volume in workload.volumes:
            if host := volume.get("hostPath"):
                yield Hit(manifest, (*where, "hostPath"), f"mounts {host.get('path')!r} of the node itself")
        for container in workload.containers:
            yield from _powers(workload, container)


def _powers(workload: Workload, container: Container) -> Iterator[Hit]:
    context = container.body.get("securityContext") or {}
    path = (*container.path, "securityContext")
    if context.get("privileged") is True:
        yield Hit(workload.manifest, (*path, "privileged"), f"container {container.name} is root of the node")
    for added in (context.get("capabilities") or {}).get("add") or []:
        if added in NODE_CAPABILITIES:
            message = f"container {container.name} has the capability {added}"
            yield Hit(workload.manifest, (*path, "capabilities", "add"), message)


@note(
    "K8S029",
    "pod that keeps rights which it may not need",
    why="A program that is tricked, as by a model's files, has all the rights of its container. Some namespaces refuse "
    "pods that do not give them up. Said once for all objects.",
    source=_STANDARDS,
    fix="Write `securityContext: {allowPrivilegeEscalation: false, seccompProfile: {type: RuntimeDefault}}` into each "
    "container; that hardly ever breaks anything. Add runAsNonRoot: true with a runAsUser, and capabilities: {drop: "
    "[ALL]}, only if the image runs without root: apt-get and most public images do not.",
    examples=broken(_JOB, ("        runAsNonRoot: true\n", "")),
    once=True,
)
def check_hardened(scene: Scene) -> Iterator[Hit]:
    """Pods below the restricted standard; one hit for each workload."""
    for workload in scene.workloads:
        missing: dict[str, list[str]] = {}
        for container in workload.containers:
            for what in _lacks(workload.spec.get("securityContext") or {}, container.body.get("securityContext") or {}):
                missing.setdefault(what, []).append(container.name)
        if missing:
            containers = list(dict.fromkeys(name for names in missing.values() for name in names))
            message = f"does not set {', '.join(missing)} (containers: {', '.join(containers)})"
            yield Hit(workload.manifest, (*workload.path, "securityContext"), message)


def _lacks(pod: dict[str, Any], own: dict[str, Any]) -> Iterator[str]:
    """What the restricted standard requires and a container lacks, given the contexts of its pod and its own."""
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot: true"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation: false"
    if "ALL" not in ((own.get("capabilities") or {}).get("drop") or []):
        yield "capabilities.drop: [ALL]"
    profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    if profile.get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile.type: RuntimeDefault"
