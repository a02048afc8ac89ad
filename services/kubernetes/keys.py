"""Keys and certificates of one cluster, all signed by an authority that is made with them and lives as long."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

_DAYS = "30"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

USERS: Mapping[str, str] = {
    "admin": "/O=system:masters/CN=admin",
    "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    "controller-manager": "/CN=system:kube-controller-manager",
    "kube-proxy": "/CN=system:kube-proxy",
    "scheduler": "/CN=system:kube-scheduler",
}
"""Who takes part, by the name that Kubernetes' own roles know."""


class Keys:
    """A folder with an authority, the API server's certificate, and a certificate and a kubeconfig for each user."""

    def __init__(self, folder: Path, *, server: str, node: str, addresses: Sequence[str]) -> None:
        """Make them, in place of what is there.

        Args:
            folder: Only its owner may read it.
            server: The API server's URL.
            node: The node's name.
            addresses: Under which the API server is reached.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._openssl("req", "-x509", *_CURVE, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=imageflow-cluster")
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
        alternatives = ",".join((*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in addresses)))
        self._sign("apiserver", "/CN=kube-apiserver", "-addext", f"subjectAltName={alternatives}")
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "accounts.key")
        self._openssl("pkey", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
        for user, subject in {**USERS, "kubelet": f"/O=system:nodes/CN=system:node:{node}"}.items():
            self._sign(user, subject)
            self._write_kubeconfig(user, server)

    def path(self, name: str) -> Path:
        """Return the path of a file, such as `ca.crt`, `apiserver.key` or `admin.kubeconfig`."""
        return self._folder / name

    def _sign(self, name: str, subject: str, *more: str) -> None:
        authority = ("-CA", "ca.crt", "-CAkey", "ca.key")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
        self._openssl("req", "-x509", *_CURVE, *authority, *files, "-days", _DAYS, "-subj", subject, *more)

    def _write_kubeconfig(self, user: str, server: str) -> None:
        folder = self._folder.resolve()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "imageflow", "cluster": {"server": server, "certificate-authority": f"{folder}/ca.crt"}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate": f"{folder}/{user}.crt", "client-key": f"{folder}/{user}.key"},
                }
            ],
            "contexts": [{"name": "imageflow", "context": {"cluster": "imageflow", "user": user}}],
            "current-context": "imageflow",
        }
        self.path(f"{user}.kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=self._folder, check=True, capture_output=True)
