"""Which account the server runs as, and how a child process becomes it. PostgreSQL refuses to run as root."""

import ctypes
import os
import pwd
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imageflow_clients.postgres.layout import ServerFolder
from imageflow_domain.errors import DatabaseUnavailable

# Numbers of linux/prctl.h and linux/capability.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def own_children_die_with_us(death_signal: signal.Signals) -> None:
    """In a child before exec: be sent `death_signal` when the parent dies. A change of account takes it back."""
    _call(_libc.prctl, _PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user and group, and the one capability that it needs to reach its files, if any."""

    uid: int
    gid: int
    capability: int | None = None

    def enter(self, death_signal: signal.Signals) -> None:
        """Become this account; to be called in a child between fork and exec."""
        if os.geteuid() != self.uid:
            if self.capability is not None:
                # Keeps capabilities through the change, and lets access(), with which PostgreSQL looks for its own
                # programs, heed them.
                _call(_libc.prctl, _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
            if self.capability is not None:
                _keep_only(self.capability)
        own_children_die_with_us(death_signal)

    def reaches(self, paths: Sequence[Path]) -> bool:
        """Whether this account could use all of `paths`, tried in a child."""
        child = os.fork()
        if child == 0:
            try:
                self.enter(signal.SIGKILL)
                reached = all(os.access(path, os.R_OK | os.X_OK) for path in paths)
            except OSError:
                reached = False
            finally:
                os._exit(0 if reached else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def server_account(folder: ServerFolder, programs: Path) -> Account:
    """Return the account for the server of `folder`: our own, or for root that of the data, at first `nobody`.

    Only root may enter some folders above (a home, a private temporary folder). The server then gets
    the one capability that lets it pass them, the weaker one where that is enough.
    """
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid())
    owner = folder.owner()
    uid, gid = _nobody() if owner is None else (owner, folder.data.stat().st_gid)
    if uid == 0:
        raise DatabaseUnavailable(
            f"'{folder.data}' belongs to root, as whom PostgreSQL refuses to run: give it to another account (chown)."
        )
    paths = [programs / "postgres", folder.path]
    for capability in (None, _CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        account = Account(uid=uid, gid=gid, capability=capability)
        if account.reaches(paths):
            return account
    raise DatabaseUnavailable(
        f"PostgreSQL refuses to run as root, and account {uid} cannot reach '{folder.path}' or '{programs}': "
        "run as an ordinary user, or set IMAGEFLOW_DATABASE_URL."
    )


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise DatabaseUnavailable(
            "PostgreSQL refuses to run as root, and this machine has no account 'nobody': "
            "run as an ordinary user, or set IMAGEFLOW_DATABASE_URL."
        ) from None
    return entry.pw_uid, entry.pw_gid


def _keep_only(capability: int) -> None:
    wanted = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Two groups of 32 capabilities, each: effective, permitted, inheritable.
    _call(_libc.capset, header, (ctypes.c_uint32 * 6)(wanted, wanted, wanted, 0, 0, 0))
    _call(_libc.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
