"""What the tests of the policy checker share: manifests to begin with, and how findings are read."""

from functools import cache

from grace.policy.check import CheckReport, check_manifests
from grace.policy.cluster_file import Cluster, load_cluster
from grace.policy.reading import parse
from grace.policy.rule import changed

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
