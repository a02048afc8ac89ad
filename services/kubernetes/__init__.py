"""A real Kubernetes of one node: control plane and node from pinned modules, in namespaces of their own."""
