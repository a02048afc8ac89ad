"""Components that are container images, run by podman or docker on this machine."""
