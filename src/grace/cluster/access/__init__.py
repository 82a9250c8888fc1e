"""Access: everything that talks to a cluster: kubeconfig, login, connection, and its nodes, GPUs and Secrets."""
