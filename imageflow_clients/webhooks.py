"""Sends signed messages to addresses that the settings name, and to no others."""

import hashlib
import hmac
import time
from collections.abc import Collection
from typing import Self
from urllib.parse import urlsplit

from imageflow_clients.settings import Settings
from imageflow_domain.errors import BadGateway, Forbidden, InvalidInput, Timeout, Unavailable

SIGNATURE = "X-ImageFlow-Signature"
"""`t={seconds since 1970},v1={HMAC-SHA256, in hex, of "{t}.{body}"}`."""
_TIMEOUT_S = 10.0
_SECRET_CHARS = 16


class Webhooks:
    """Posts to the addresses that it was given.

    Args:
        addresses: The only ones that are ever sent to.
        secret: What receivers check the signature with.
        timeout_s: By when a receiver answers.
    """

    def __init__(self, addresses: Collection[str], secret: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.addresses = tuple(addresses)
        self._timeout_s = timeout_s
        self._secret = secret.encode()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return those of the settings; raise `InvalidInput` for what is no address, or addresses without a secret."""
        addresses = settings.alert_addresses
        for address in addresses:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidInput(
                    f"IMAGEFLOW_ALERT_WEBHOOKS holds '{address}': write addresses parted by spaces, like "
                    "https://example.org/alerts."
                )
        secret = settings.alert_secret.get_secret_value() if settings.alert_secret is not None else ""
        if addresses and len(secret) < _SECRET_CHARS:
            raise InvalidInput(
                f"Set IMAGEFLOW_ALERT_SECRET to {_SECRET_CHARS} characters or more: receivers of alerts check it."
            )
        return cls(addresses, secret)

    def post(self, address: str, body: bytes) -> None:
        """Send JSON to an address.

        Redirects are not followed: they would lead elsewhere.

        Raises:
            Forbidden: For an address that is not in the settings.
            Timeout: Where it does not answer in time.
            BadGateway: Where its answer is not 2xx.
            Unavailable: Where it cannot be reached.
        """
        if address not in self.addresses:
            raise Forbidden(f"'{address}' is not among the addresses of IMAGEFLOW_ALERT_WEBHOOKS.")
        # Every run worker imports this module, and few of them send.
        import httpx

        headers = {"Content-Type": "application/json", SIGNATURE: self.sign(body, int(time.time()))}
        try:
            with (
                httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", address, content=body, headers=headers) as answer,  # its body is not read
            ):
                status = answer.status_code
        except httpx.TimeoutException as error:
            raise Timeout(f"'{address}' did not take the alert within {self._timeout_s:g} s.") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"'{address}' did not take the alert: {error or type(error).__name__}.") from error
        if not 200 <= status < 300:
            raise BadGateway(f"'{address}' did not take the alert: it answered {status}.")

    def sign(self, body: bytes, seconds: int) -> str:
        """Return the signature of a body that is sent at that time."""
        digest = hmac.new(self._secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={seconds},v1={digest}"
