"""What the tests of the policy checker share: manifests to begin with, and how findings are read."""

import json
from functools import cache
from typing import Any

import yaml

from grace.policy.check import CheckReport, Finding, check_manifests
from grace.policy.cluster_file import Cluster, load_cluster
from grace.policy.reading import parse
from grace.policy.rule import changed

NRP = load_cluster("nrp")
ENGINE = "vllm/vllm-openai:v0.33.0"

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: study1
  labels: {app: grace}
spec:
  activeDeadlineSeconds: 86400
  ttlSecondsAfterFinished: 86400
  template:
    metadata:
      labels: {app: grace}
    spec:
      restartPolicy: Never
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: main
        image: ghcr.io/example/query-generator:0.3.0
        args: [--model-name=gemma-2-2b-it]
        env: []
        resources:
          requests: {cpu: "1", memory: 2Gi}
          limits: {cpu: "1", memory: 2Gi}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
"""
"""A Job without fault by the general rules."""

SERVER = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: vllm-gemma
  labels: {app: vllm}
spec:
  selector:
    matchLabels: {app: vllm}
  template:
    metadata:
      labels: {app: vllm}
    spec:
      enableServiceLinks: false
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.33.0
        args: [google/gemma-2-2b-it]
        ports:
        - {name: http, containerPort: 8000}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: vllm-gemma
spec:
  selector: {app: vllm}
  ports:
  - {port: 8000}
"""


@cache
def plain() -> Cluster:
    """A cluster with the general rules only."""
    return load_cluster("nrp").model_copy(update={"policies": ("general",)})


def checked(*documents: str, cluster: Cluster | None = None) -> CheckReport:
    """Check documents together, as the file x.yaml."""
    return check_manifests(parse("\n---\n".join(documents), "x.yaml"), cluster or plain())


def messages(rule: str, *documents: str) -> list[str]:
    """What a rule says about documents, each as "path: message"."""
    report = checked(*documents)
    schema = [finding.message for finding in report.findings if finding.rule.id == "K8S001" != rule]
    assert not schema, schema
    return [f"{finding.path}: {finding.message}" for finding in report.findings if finding.rule.id == rule]


def job(*changes: tuple[str, str]) -> str:
    """The Job with texts of it replaced."""
    return changed(JOB, *changes)


def with_args(*args: str, env: str = "[]") -> str:
    """The Job with other arguments and variables."""
    quoted = ", ".join(f"'{arg}'" for arg in args)
    return job(("args: [--model-name=gemma-2-2b-it]", f"args: [{quoted}]"), ("env: []", f"env: {env}"))


def with_volume(volume: str) -> str:
    """The Job with a volume, given as YAML in braces, mounted."""
    mounts = "env: []\n        volumeMounts: [{name: v, mountPath: /v}]"
    return job(
        ("env: []", mounts), ("      containers:\n", f"      volumes: [{{name: v, {volume}}}]\n      containers:\n")
    )


def claim(name: str, mode: str = "ReadWriteMany") -> str:
    """A volume claim."""
    return f"""\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  accessModes: [{mode}]
  storageClassName: shared
  resources: {{requests: {{storage: 10Gi}}}}
"""


def found(rule: str, *texts: str) -> list[Finding]:
    """What a rule finds on NRP."""
    return [finding for finding in checked(*texts, cluster=NRP).findings if finding.rule.id == rule]


def severities(rule: str, *texts: str) -> list[str]:
    return [str(finding.severity) for finding in found(rule, *texts)]


def script(*lines: str, image: str = "ghcr.io/example/query-generator:0.3.0") -> str:
    """The Job with a script in a block, whose first line is line 20 of the file."""
    text = "".join(f"\n            {line}" for line in lines)
    return job(
        ("args: [--model-name=gemma-2-2b-it]", f"command:\n          - bash\n          - -c\n          - |{text}"),
        ("ghcr.io/example/query-generator:0.3.0", image),
    )


def pod(**spec: Any) -> str:
    """A bare Pod with other fields of its spec."""
    amounts = {"cpu": 1, "memory": "2Gi"}
    main = {"name": "main", "image": "a/b:1", "resources": {"requests": amounts, "limits": amounts}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": {"containers": [main], **spec}}
    return json.dumps(body)


def server(*args: str, image: str = ENGINE, gpus: int = 1, **container: Any) -> str:
    """The Deployment with a vLLM server."""
    body = yaml.safe_load(SERVER)
    amounts = {"cpu": 4, "memory": "16Gi", "nvidia.com/gpu": gpus}
    main = body["spec"]["template"]["spec"]["containers"][0]
    main |= {"image": image, "args": [*args], "resources": {"limits": amounts}, **container}
    return json.dumps(body)
