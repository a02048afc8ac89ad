# Holds a pod's namespaces, and takes note of the ends of its processes.
ARG BASE
FROM ${BASE}
ENTRYPOINT ["/usr/bin/tini", "--", "sleep", "infinity"]
