"""Access: all that talks to a cluster. Kubeconfig, login, one connection, and what is there: nodes, GPUs, Secrets."""
