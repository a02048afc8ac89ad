"""Streams encrypted by age: to public keys, so that what encrypts cannot decrypt."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Self

import pyrage
from pydantic import SecretStr

from imageflow_domain.errors import InvalidInput

Write = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A private key, and the public key whose streams it decrypts."""

    secret: SecretStr
    public: str

    @classmethod
    def new(cls) -> Self:
        """Return a new one."""
        return cls._of(pyrage.x25519.Identity.generate())

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the private key of a text (AGE-SECRET-KEY-1...); raise `InvalidInput` where it is none."""
        try:
            return cls._of(pyrage.x25519.Identity.from_str(text))
        except pyrage.IdentityError as error:
            raise InvalidInput("A private key of age begins with AGE-SECRET-KEY-1.") from error

    @classmethod
    def _of(cls, identity: Any) -> Self:
        return cls(secret=SecretStr(str(identity)), public=str(identity.to_public()))


def read_private_keys(text: str) -> tuple[PrivateKey, ...]:
    """Return the private keys of a file as `age-keygen` writes it; raise `InvalidInput` where there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise InvalidInput("The file holds no private key of age.")
    return tuple(PrivateKey.read(line) for line in lines)


def encrypt(source: IO[bytes], write: Write, public_keys: Sequence[str]) -> None:
    """Encrypt a stream to its end, for the owners of public keys (age1...). Raises what `source` and `write` raise."""
    recipients = _recipients(public_keys)
    calls = _Calls(read=source.read, write=write)
    with calls.errors_kept():
        pyrage.encrypt_io(calls, calls, recipients)


def check_public_keys(texts: Sequence[str]) -> None:
    """Raise `InvalidInput` naming one that is no public key."""
    _recipients(texts)


def _recipients(texts: Sequence[str]) -> list[Any]:
    recipients = []
    for text in texts:
        try:
            recipients.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise InvalidInput(_no_public_key(text)) from error
    return recipients


def _no_public_key(text: str) -> str:
    """Return the message of a text that is no public key; it is shown only if it cannot be a secret."""
    if text.startswith("age1"):
        return f"'{text}' is no public key of age, which begins with 'age1'."
    if text.upper().startswith("AGE-SECRET-KEY"):
        return "A private key is given as a public one: keep it off this machine, and name the key of 'age1'."
    return "One of the recipients is no public key of age, which begins with 'age1'."


def decrypt(chunks: Iterator[bytes], write: Write, private_keys: Sequence[PrivateKey]) -> None:
    """Decrypt a stream to its end. Raises what `chunks` and `write` raise.

    Raises `InvalidInput` where no key is the right one, and where the stream is truncated or changed.
    """
    identities = [pyrage.x25519.Identity.from_str(key.secret.get_secret_value()) for key in private_keys]
    calls = _Calls(read=_Chunks(chunks).read, write=write)
    try:
        with calls.errors_kept():
            pyrage.decrypt_io(calls, calls, identities)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise InvalidInput("It was encrypted for other keys: name the file of the right private key.") from error
        raise InvalidInput(f"It is no stream of age ({error}).") from error
    except _Damaged as error:
        raise InvalidInput("It is truncated, or was changed after it was encrypted.") from error


class _Damaged(Exception):
    """Age met the end, or other bytes, where it did not expect them."""


class _Calls:
    """What age calls. It would turn our errors into texts: the first one is kept, and raised as it was."""

    def __init__(self, *, read: Callable[[int], bytes], write: Write) -> None:
        self._read = read
        self._write = write
        self._error: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            return self._read(size)
        except BaseException as error:
            self._error = error
            raise

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except BaseException as error:
            self._error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Age asks for it at the end."""

    @contextmanager
    def errors_kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self._error is not None:
                raise self._error from None
            if isinstance(error, OSError):
                raise _Damaged(str(error)) from error
            raise


class _Chunks:
    """Chunks of any size, read as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._left:
            following = next(self._chunks, None)
            if following is None:
                return b""
            self._left = memoryview(following)
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken)
