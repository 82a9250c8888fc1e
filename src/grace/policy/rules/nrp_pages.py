"""The pages of NRP's user documentation that rules quote."""

_BASE = "https://nrp.ai/documentation/userdocs"

POLICIES = f"NRP user documentation, Cluster Policies, {_BASE}/start/policies/"
USING = f"NRP user documentation, Using Nautilus, {_BASE}/start/using-nautilus/"
GPU_PODS = f"NRP user documentation, GPU pods, {_BASE}/running/gpu-pods/"
PRIORITIES = f"NRP user documentation, Priority classes, {_BASE}/running/priority-classes/"
SPECIAL = f"NRP user documentation, Special use, {_BASE}/running/special/"
INGRESS = f"NRP user documentation, Ingress, {_BASE}/running/ingress/"
SCHEDULING = f"NRP user documentation, Scheduling, {_BASE}/tutorial/scheduling/"
CEPH = f"NRP user documentation, Ceph FS / RBD, {_BASE}/storage/ceph/"
LOCAL = f"NRP user documentation, Local scratch, {_BASE}/storage/local/"
