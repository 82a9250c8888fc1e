"""Manifests without fault, of which rules of several files make their examples."""

JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: study1-exp1
  labels: {app: grace}
spec:
  template:
    metadata:
      labels: {app: grace}
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: ghcr.io/example/query-generator:0.3.0
        resources:
          requests: {cpu: "1", memory: 2Gi}
          limits: {cpu: "1", memory: 2Gi}
        volumeMounts:
        - {name: output, mountPath: /output}
      volumes:
      - name: output
        emptyDir: {}
"""
"""A Job that writes into a folder of its pod."""
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: lineup
data:
  lineup.yaml: "models: [gemma-2b]"
"""
