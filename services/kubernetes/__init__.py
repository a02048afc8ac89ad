"""A real Kubernetes on one machine: a control plane and a node, built from pinned modules, in namespaces of their own."""
