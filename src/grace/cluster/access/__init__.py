"""Access to a cluster: kubeconfig, login, one connection; and what is there: nodes, GPUs, storage classes, Secrets."""
