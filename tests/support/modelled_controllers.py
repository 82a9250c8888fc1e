"""The controllers of a modelled cluster: Jobs, the scheduler, volumes, garbage, quotas, events, and what goes wrong."""

from typing import Any

BACKOFF_SECONDS = 10.0
REPLACEMENT_SECONDS = 6.0
"""A preempted pod's replacement came 4 to 9 s later on a real cluster."""
TAINT_SECONDS = 300.0
"""A pod on a node that is not ready is deleted after this."""
GPU = "nvidia.com/"


class Controllers:
    """What a modelled cluster does by itself; the store, the time and the pods' work are the other classes'.

    Attributes:
        nodes: each node's GPUs by resource.
        down: nodes that are not ready.
    """

    def prepare_controllers(self) -> None:
        """Set up: no nodes, nothing counted."""
        self.nodes: dict[str, dict[str, int]] = {}
        self.down: set[str] = set()
        self._pauses: dict[str, float] = {}
        self._counted: set[str] = set()

    def settle(self) -> None:
        """Have all controllers work until nothing changes any more."""
        for _ in range(200):
            self.dirty = False
            for key, body in list(self.objects.items()):
                if self.objects.get(key) is not None:
                    work = {"jobs": self._job, "pods": self._place, "persistentvolumeclaims": self._claim}.get(key[0])
                    if work:
                        work(key, body)
            if not self.dirty:
                return
        raise AssertionError("the controllers never come to rest")

    def add_node(self, name: str, **gpus: int) -> None:
        """A node with GPUs: `a100=2` are two nvidia.com/a100."""
        self.nodes[name] = {f"{GPU}{resource}": number for resource, number in gpus.items()}
        labels = {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-3090", "nvidia.com/cuda.driver.major": "580"}
        amounts = {resource: str(number) for resource, number in self.nodes[name].items()}
        amounts |= {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "500Gi", "pods": "110"}
        self.new(
            ("nodes", "", name),
            {
                "metadata": {"labels": {**labels, "kubernetes.io/hostname": name}},
                "spec": {},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "allocatable": amounts,
                    "capacity": amounts,
                },
            },
        )

    # Events

    def note(self, about: dict[str, Any], reason: str, message: str, *, warning: bool = True) -> None:
        """An event; the same one again only counts."""
        metadata = about["metadata"]
        for key, body in self.all("events"):
            if (body["involvedObject"]["uid"], body["reason"], body["message"]) == (metadata["uid"], reason, message):
                self.save(key, {**body, "count": body["count"] + 1, "lastTimestamp": self.stamp()})
                return
        namespace = metadata.get("namespace", "default")
        self.new(
            ("events", namespace, f"{metadata['name']}.{next(self._numbers):x}"),
            {
                "involvedObject": {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"]},
                "reason": reason,
                "message": message,
                "type": "Warning" if warning else "Normal",
                "count": 1,
                "lastTimestamp": self.stamp(),
            },
        )

    # Deletion

    def owned(self, uid: str) -> list[tuple[Any, dict[str, Any]]]:
        """Pods that an object made."""
        return [(key, body) for key, body in self.all("pods") if uid in owners(body)]

    def delete(self, key: Any, propagation: str | None, grace: int | None = None) -> None:
        """Delete an object as the API server and the garbage collector do."""
        body = self.objects.get(key)
        if body is None:
            return
        if key[0] == "pods":
            self.delete_pod(key, grace)
        elif key[0] == "persistentvolumeclaims" or (key[0] == "jobs" and propagation == "Foreground"):
            self.save(key, marked(body, self.stamp()))
        else:
            uid = body["metadata"]["uid"]
            self.drop(key)
            for place, pod in self.owned(uid):
                if propagation == "Background":
                    self.at(1.0, lambda place=place: self.delete_pod(place))
                else:  # without a policy, the pods of a Job are orphaned, and go on
                    metadata = {name: value for name, value in pod["metadata"].items() if name != "ownerReferences"}
                    self.save(place, {**pod, "metadata": metadata})

    def _claim(self, key: Any, body: dict[str, Any]) -> None:
        """A claim is bound after a while, and goes only when no pod uses it."""
        phase = (body.get("status") or {}).get("phase")
        if phase is None:
            self.save(key, {**body, "status": {"phase": "Pending"}})
            self.at(2.0, lambda: self._bind(key))
        if body["metadata"].get("deletionTimestamp") and not any(
            key[2] in claims(pod) and pod["spec"].get("nodeName") for _, pod in self.all("pods")
        ):
            self.drop(key)

    def _bind(self, key: Any) -> None:
        if body := self.objects.get(key):
            self.save(key, {**body, "status": {"phase": "Bound"}})

    # Jobs

    def _job(self, key: Any, body: dict[str, Any]) -> None:
        uid, spec = body["metadata"]["uid"], body["spec"]
        pods = self.owned(uid)
        living = [(place, pod) for place, pod in pods if not over(pod)]
        if body["metadata"].get("deletionTimestamp"):
            for place, _ in pods:
                self.delete_pod(place)
            if not self.owned(uid):
                self.drop(key)
            return
        status = dict(body.get("status") or {})
        if not status:
            status["startTime"] = self.stamp()
            self.at(float(spec.get("activeDeadlineSeconds") or 1e9), lambda: self._late(key, uid))
        conditions = {each["type"]: each for each in status.get("conditions", [])}
        if not conditions.keys() & {"Complete", "Failed"}:
            self._count(key, body, pods, status, conditions)
            self._decide(key, body, living, status, conditions)
        status["conditions"] = list(conditions.values())
        active = sum(not pod["metadata"].get("deletionTimestamp") for _, pod in living)
        for name, number in (("active", active), ("terminating", len(living) - active)):
            status.pop(name, None)
            status |= {name: number} if number else {}
        if self.objects.get(key):
            self.save(key, {**body, "status": status})

    def _late(self, key: Any, uid: str) -> None:
        body = self.objects.get(key)
        if body and body["metadata"]["uid"] == uid:
            status = dict(body.get("status") or {})
            if not {each["type"] for each in status.get("conditions", [])} & {"Complete", "Failed"}:
                condition = holds("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
                self.save(key, {**body, "status": {**status, "conditions": [condition]}})

    def _count(self, key: Any, body: Any, pods: Any, status: Any, conditions: Any) -> None:
        """Count pods that have ended, each once, as the failure policy says."""
        uid = body["metadata"]["uid"]
        for _, pod in pods:
            if not over(pod) or pod["metadata"]["uid"] in self._counted:
                continue
            self._counted.add(pod["metadata"]["uid"])
            if pod["status"]["phase"] == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
                continue
            action, container, code = verdict(body["spec"], pod)
            if action == "FailJob":
                text = f"Container {container} for pod lab/{pod['metadata']['name']} failed with exit code {code}"
                conditions["FailureTarget"] = holds(
                    "FailureTarget", "PodFailurePolicy", f"{text} matching FailJob rule"
                )
            self._failed(uid, status, conditions, body, counts=action == "Count")

    def _failed(self, uid: str, status: Any, conditions: Any, body: Any, *, counts: bool) -> None:
        tries = status.get("failed", 0) + counts
        status |= {"failed": tries} if tries else {}
        self._pauses[uid] = self.now + (BACKOFF_SECONDS * 2 ** (tries - 1) if counts else REPLACEMENT_SECONDS)
        self.at(self._pauses[uid] - self.now, lambda: None)
        if counts and tries > body["spec"].get("backoffLimit", 6):
            reached = holds("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
            conditions.setdefault("FailureTarget", reached)

    def _decide(self, key: Any, body: Any, living: Any, status: Any, conditions: Any) -> None:
        """Success, failure, suspension, or new pods."""
        spec, uid = body["spec"], body["metadata"]["uid"]
        completions = spec.get("completions", 1)
        done = {pod_index(pod) for _, pod in self.owned(uid) if pod["status"].get("phase") == "Succeeded"}
        if "FailureTarget" not in conditions and (
            status.get("succeeded", 0) >= completions or (spec.get("successPolicy") and 0 in done)
        ):
            conditions["SuccessCriteriaMet"] = holds(
                "SuccessCriteriaMet", "CompletionsReached", "enough pods succeeded"
            )
        ending = next((name for name in ("FailureTarget", "SuccessCriteriaMet") if name in conditions), None)
        if ending or spec.get("suspend"):
            for place, _ in living:
                self.delete_pod(place)
        if ending and not living:
            final = "Failed" if ending == "FailureTarget" else "Complete"
            reason = conditions[ending]
            conditions[final] = holds(final, reason["reason"], reason["message"])
        if ending or spec.get("suspend") or self.now < self._pauses.get(uid, 0.0):
            return
        indexed = spec.get("completionMode") == "Indexed"
        want = min(spec.get("parallelism", 1), completions - status.get("succeeded", 0)) - len(living)
        taken = done | {pod_index(pod) for _, pod in living}
        free = [index for index in range(completions) if not indexed or index not in taken]
        for index in free[:want]:
            self._make_pod(body, index if indexed else None)

    def _make_pod(self, job: dict[str, Any], index: int | None) -> None:
        metadata, template = job["metadata"], job["spec"]["template"]
        namespace, uid = metadata["namespace"], metadata["uid"]
        name = f"{metadata['name']}-{'' if index is None else f'{index}-'}{next(self._numbers):05x}"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {**template["metadata"].get("labels", {}), "batch.kubernetes.io/job-name": metadata["name"]},
                "ownerReferences": [{"kind": "Job", "name": metadata["name"], "uid": uid, "controller": True}],
                "annotations": {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)},
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        key = ("pods", namespace, name)
        refusal = self.admit(pod)[1] or self.over_quota(key, pod)
        if refusal:
            self.note(job, "FailedCreate", f"Error creating: {refusal}")
            self._pauses[uid] = self.now + BACKOFF_SECONDS
            self.at(BACKOFF_SECONDS, lambda: None)
            return
        self.new(key, pod)

    def over_quota(self, key: Any, body: dict[str, Any]) -> str:
        """Why a pod has no room in its namespace's quota; empty when it has."""
        if key[0] != "pods":
            return ""
        for resource, most in self.quota.items():
            used = sum(asked(pod, resource) for _, pod in self.all("pods") if not over(pod))
            if asked(body, resource) and used + asked(body, resource) > most:
                numbers = f"requested: requests.{resource}={asked(body, resource)}, used: requests.{resource}={used}"
                return (
                    f'pods "{key[2]}" is forbidden: exceeded quota: lab, {numbers}, limited: requests.{resource}={most}'
                )
        return ""

    # The scheduler

    def _place(self, key: Any, pod: dict[str, Any]) -> None:
        if pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return
        status = pod.get("status") or {"phase": "Pending"}
        unbound = [name for name in claims(pod) if not self._bound(key[1], name)]
        if unbound:
            self._wait(key, pod, status, "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
            return
        needs = {resource: asked(pod, resource) for resource in {name for each in self.nodes.values() for name in each}}
        named = {name for each in pod["spec"]["containers"] for name in requests(each) if name.startswith(GPU)}
        needs |= {name: asked(pod, name) for name in named}
        node = next((name for name in self.nodes if name not in self.down and self._fits(name, needs)), None)
        if node is None:
            short = next((name for name, number in needs.items() if number), "cpu")
            number = len(self.nodes)
            text = f"0/{number} nodes are available: {number} Insufficient {short}. preemption: 0/{number} nodes are"
            self._wait(key, pod, status, f"{text} available: {number} No preemption victims found for incoming pod.")
            return
        conditions = [{"type": "PodScheduled", "status": "True"}]
        placed = {**pod["spec"], "nodeName": node}
        self.save(key, {**pod, "spec": placed, "status": {**status, "conditions": conditions}})
        self.note(pod, "Scheduled", f"Successfully assigned {key[1]}/{key[2]} to {node}", warning=False)
        uid = pod["metadata"]["uid"]
        self.at(1.0, lambda: self.start_pod(key, uid))

    def _wait(self, key: Any, pod: Any, status: Any, message: str) -> None:
        conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
        if status.get("conditions") != conditions:
            self.save(key, {**pod, "status": {**status, "conditions": conditions}})
            self.note(pod, "FailedScheduling", message)

    def _bound(self, namespace: str, name: str) -> bool:
        body = self.objects.get(("persistentvolumeclaims", namespace, name), {})
        return body.get("status", {}).get("phase") == "Bound" and not body["metadata"].get("deletionTimestamp")

    def _fits(self, node: str, needs: dict[str, int]) -> bool:
        there = [pod for _, pod in self.all("pods") if pod["spec"].get("nodeName") == node and not over(pod)]
        return all(
            not number or sum(asked(pod, name) for pod in there) + number <= self.nodes[node].get(name, 0)
            for name, number in needs.items()
        )

    # What goes wrong

    def preempt(self, key: Any) -> None:
        """Take a pod away for a more important one: it vanishes, and leaves an event."""
        pod = self.objects[key]
        self._disrupt(key, "PreemptionByScheduler", "default-scheduler: preempting for a pod of higher priority")
        self.note(pod, "Preempted", f"Preempted by pod 5d5f on node {pod['spec']['nodeName']}")
        self.delete_pod(key)

    def evict(self, key: Any) -> None:
        """Have the node end a pod that uses too much of its disk."""
        message = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 8Gi. "
        self._disrupt(key, "TerminationByKubelet", message)
        self.note(self.objects[key], "Evicted", message)
        self.end_pod(key, "Failed", reason="Evicted", message=message)

    def lose_node(self, name: str) -> None:
        """Have a node no longer answer: its pods are marked for deletion in time, and stay."""
        self._set_ready(name, False)
        for key, pod in self.all("pods"):
            if pod["spec"].get("nodeName") == name and not over(pod):
                self.at(TAINT_SECONDS, lambda key=key: self._taint(key, name))

    def find_node(self, name: str) -> None:
        """Have a lost node answer again: what was deleted there is ended now."""
        self._set_ready(name, True)
        for key, pod in self.all("pods"):
            if pod["spec"].get("nodeName") == name and pod["metadata"].get("deletionTimestamp"):
                self.delete_pod(key)

    def _set_ready(self, name: str, ready: bool) -> None:
        (self.down.discard if ready else self.down.add)(name)
        key = ("nodes", "", name)
        node = self.objects[key]
        conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
        self.save(key, {**node, "status": {**node["status"], "conditions": conditions}})

    def _taint(self, key: Any, node: str) -> None:
        if key in self.objects and node in self.down:
            self._disrupt(key, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
            self.note(self.objects[key], "TaintManagerEviction", f"Marking for deletion Pod {key[1]}/{key[2]}")
            self.delete_pod(key)

    def _disrupt(self, key: Any, reason: str, message: str) -> None:
        pod = self.objects[key]
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        conditions = [*pod["status"].get("conditions", []), condition]
        self.save(key, {**pod, "status": {**pod["status"], "conditions": conditions}})

    def pod_gone(self, pod: dict[str, Any]) -> None:
        """A pod is gone: one of a Job that had not ended costs a try, unless the cluster took it away."""
        if over(pod):
            return
        for key, job in self.all("jobs"):
            if job["metadata"]["uid"] in owners(pod):
                status = dict(job.get("status") or {})
                conditions = {each["type"]: each for each in status.get("conditions", [])}
                taken = any(each["type"] == "DisruptionTarget" for each in pod["status"].get("conditions", []))
                ending = conditions.keys() & {"FailureTarget", "SuccessCriteriaMet"}
                counts = not taken and not ending and not job["spec"].get("suspend")
                self._failed(job["metadata"]["uid"], status, conditions, job, counts=counts)
                status["conditions"] = list(conditions.values())
                self.save(key, {**job, "status": status})


def marked(body: dict[str, Any], stamp: str) -> dict[str, Any]:
    """An object that is being deleted."""
    if body["metadata"].get("deletionTimestamp"):
        return body
    return {**body, "metadata": {**body["metadata"], "deletionTimestamp": stamp}}


def owners(body: dict[str, Any]) -> list[str]:
    return [each["uid"] for each in body["metadata"].get("ownerReferences") or []]


def over(pod: dict[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def claims(pod: dict[str, Any]) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    return [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]


def requests(container: dict[str, Any]) -> dict[str, str]:
    return (container.get("resources") or {}).get("requests") or {}


def asked(pod: dict[str, Any], resource: str) -> int:
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return sum(int(requests(each).get(resource, 0)) for each in containers) if resource.startswith(GPU) else 0


def pod_index(pod: dict[str, Any]) -> int:
    return int((pod["metadata"].get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", 0))


def holds(kind: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def verdict(spec: dict[str, Any], pod: dict[str, Any]) -> tuple[str, str, int]:
    """What the failure policy says of a failed pod: an action, and the container and exit code that it is about."""
    status = pod["status"]
    kinds = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    codes = {each["name"]: (each.get("state", {}).get("terminated") or {}).get("exitCode", 0) for each in statuses}
    for rule in (spec.get("podFailurePolicy") or {}).get("rules", []):
        if any(each["type"] in kinds for each in rule.get("onPodConditions") or []):
            return rule["action"], "", 0
        exits = rule.get("onExitCodes") or {}
        code = codes.get(exits.get("containerName", ""), 0)
        if code and exits.get("operator") == "In" and code in exits["values"]:
            return rule["action"], exits["containerName"], code
    return "Count", "", 0
