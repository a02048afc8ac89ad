"""Streams encrypted by age, which the command `age` reads as well."""

import io
from collections.abc import Iterator

import pytest

from imageflow_clients.encryption import PrivateKey, decrypt, encrypt, read_private_keys
from imageflow_domain.errors import InvalidInput, StoreUnavailable

DATA = bytes(range(256)) * 1000
MINE, OTHERS = PrivateKey.new(), PrivateKey.new()


def encrypted() -> bytes:
    written = io.BytesIO()
    encrypt(io.BytesIO(DATA), written.write, [OTHERS.public, MINE.public])
    return written.getvalue()


def decrypted(chunks: Iterator[bytes], *keys: PrivateKey) -> bytes:
    written = io.BytesIO()
    decrypt(chunks, written.write, keys)
    return written.getvalue()


@pytest.mark.parametrize("size", [100, 100_000, 1_000_000])
def test_each_recipient_decrypts_a_stream_however_it_is_cut(size: int) -> None:
    stream = encrypted()
    assert DATA not in stream
    chunks = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    assert decrypted(iter(chunks), MINE) == decrypted(iter(chunks), OTHERS) == DATA


def test_another_key_does_not_decrypt_it() -> None:
    with pytest.raises(InvalidInput, match="encrypted for other keys"):
        decrypted(iter([encrypted()]), PrivateKey.new())


@pytest.mark.parametrize("lost", [1, 65_536, 100_000])
def test_a_truncated_stream_is_refused(lost: int) -> None:
    with pytest.raises(InvalidInput, match="is truncated, or was changed"):
        decrypted(iter([encrypted()[:-lost]]), MINE)


def test_a_changed_stream_is_refused() -> None:
    stream = bytearray(encrypted())
    stream[-1000] ^= 1
    with pytest.raises(InvalidInput, match="is truncated, or was changed"):
        decrypted(iter([bytes(stream)]), MINE)


def test_something_else_is_no_stream_of_age() -> None:
    with pytest.raises(InvalidInput, match="is no stream of age"):
        decrypted(iter([b"PGDMP" * 100]), MINE)


def test_errors_of_both_ends_stay_what_they_are() -> None:
    def broken(_: bytes) -> None:
        raise StoreUnavailable("the store is full")

    def gone() -> Iterator[bytes]:
        yield encrypted()[:100_000]
        raise StoreUnavailable("the store is gone")

    with pytest.raises(StoreUnavailable, match="the store is full"):
        encrypt(io.BytesIO(DATA), broken, [MINE.public])
    with pytest.raises(StoreUnavailable, match="the store is full"):
        decrypt(iter([encrypted()]), broken, [MINE])
    with pytest.raises(StoreUnavailable, match="the store is gone"):
        decrypted(gone(), MINE)


def test_a_file_of_keys_is_read_as_age_keygen_writes_it() -> None:
    text = f"# created: today\n# public key: {MINE.public}\n{MINE.secret.get_secret_value()}\n"
    assert read_private_keys(text) == (MINE,)
    assert MINE.secret.get_secret_value() not in repr(MINE)
    for wrong in ("", "# nothing\n", MINE.public, MINE.secret.get_secret_value()[:-1]):
        with pytest.raises(InvalidInput, match="private key of age"):
            read_private_keys(wrong)


def test_a_recipient_that_is_no_public_key_is_named() -> None:
    with pytest.raises(InvalidInput, match="'age1nobody' is no public key"):
        encrypt(io.BytesIO(DATA), lambda _: None, ["age1nobody"])
