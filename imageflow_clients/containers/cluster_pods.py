"""Pods of components by Kubernetes' API: make, look at, connect to, delete."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.client import ApiClient, ApiException, CoreV1Api, V1Pod
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError

from imageflow_clients.containers.channels import Channels
from imageflow_clients.containers.pod_spec import COMPONENT, EXCHANGE, SERVE
from imageflow_domain.errors import Unavailable

_ANSWER_S = 10
_GONE = 404
_FORBIDDEN = 403
_NO_LOG = 400
_LOG_LINES = 200
_LOG_BYTES = 65_536


class ClusterPods:
    """The pods of one namespace. What the API server does not do raises `Unavailable`."""

    def __init__(self, core: CoreV1Api, namespace: str) -> None:
        """Use a client that is configured."""
        self._core = core
        self._namespace = namespace

    def create(self, pod: Mapping[str, Any]) -> str:
        """Make a pod; return its name."""
        try:
            self._core.create_namespaced_pod(self._namespace, pod, _request_timeout=_ANSWER_S)
        except (ApiException, HTTPError) as error:
            raise _unavailable("make a pod for a component", error) from error
        return str(pod["metadata"]["name"])

    def find(self, name: str) -> V1Pod | None:
        """Return a pod as it is; `None` where it is gone."""
        try:
            return self._core.read_namespaced_pod(name, self._namespace, _request_timeout=_ANSWER_S)
        except ApiException as error:
            if error.status == _GONE:
                return None
            raise _unavailable(f"show the pod '{name}'", error) from error
        except HTTPError as error:
            raise _unavailable(f"show the pod '{name}'", error) from error

    def delete(self, name: str) -> None:
        """Delete a pod, where it is there."""
        try:
            self._core.delete_namespaced_pod(name, self._namespace, _request_timeout=_ANSWER_S)
        except ApiException as error:
            if error.status != _GONE:
                raise _unavailable(f"delete the pod '{name}'", error) from error
        except HTTPError as error:
            raise _unavailable(f"delete the pod '{name}'", error) from error

    def log(self, name: str) -> bytes:
        """Return the last lines that the component of a pod wrote; nothing where there is no log yet, or any more."""
        try:
            answer = self._core.read_namespaced_pod_log(
                name,
                self._namespace,
                container=COMPONENT,
                tail_lines=_LOG_LINES,
                limit_bytes=_LOG_BYTES,
                _preload_content=False,
                _request_timeout=_ANSWER_S,
            )
        except ApiException as error:
            if error.status in (_NO_LOG, _GONE):
                return b""
            raise _unavailable(f"show the log of the pod '{name}'", error) from error
        except HTTPError as error:
            raise _unavailable(f"show the log of the pod '{name}'", error) from error
        return bytes(answer.data)

    def attach(self, name: str) -> Channels:
        """Connect to the component's standard streams."""
        return self._connect("connect_get_namespaced_pod_attach", name, container=COMPONENT)

    def serve_exchange(self, name: str) -> Channels:
        """Start the exchange server beside the component, and connect to its standard streams."""
        return self._connect("connect_get_namespaced_pod_exec", name, container=EXCHANGE, command=list(SERVE))

    def _connect(self, method: str, name: str, **options: str | Sequence[str]) -> Channels:
        # `stream` replaces the request method of its client while it connects, for all threads: it has one of its own
        core = CoreV1Api(ApiClient(self._core.api_client.configuration))
        try:
            client = stream(
                getattr(core, method),
                name,
                self._namespace,
                **options,
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,
                _preload_content=False,
            )
        except (ApiException, AttributeError) as error:
            # of a connection that is refused, the client looks for a body that there is none of
            refused = error if isinstance(error, ApiException) else error.__context__
            if not isinstance(refused, ApiException):
                raise
            raise _unavailable(f"connect to the pod '{name}'", refused) from error
        return Channels(client)


def _unavailable(what: str, error: ApiException | HTTPError) -> Unavailable:
    if isinstance(error, HTTPError):
        return Unavailable(f"Kubernetes does not {what}: {error}")
    hint = " Set `components.enabled` in the chart's values." if error.status == _FORBIDDEN else ""
    return Unavailable(f"Kubernetes does not {what}: {_reason(error)}.{hint}")


def _reason(error: ApiException) -> str:
    """Return why the API server did not do something, as it says itself."""
    try:
        return str(json.loads(error.body or "")["message"]).rstrip(".")
    except (ValueError, TypeError, KeyError):
        return " ".join(str(error.reason).split())[:1000]
