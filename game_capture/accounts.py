"""The account that a game runs as, where that is not this process's own."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from imageflow_domain.errors import InvalidInput, Unavailable


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int

    def check_can_enter(self, folder: Path) -> None:
        """Raise `Unavailable` where a folder, or one that it lies in, is closed to this account."""
        for step in (*reversed(folder.absolute().parents), folder.absolute()):
            about = step.stat()
            bit = (
                stat.S_IXUSR if about.st_uid == self.uid else stat.S_IXGRP if about.st_gid == self.gid else stat.S_IXOTH
            )
            if not about.st_mode & bit:
                raise Unavailable(
                    f"The game runs as '{self.name}', who cannot enter '{step}': set IMAGEFLOW_SCRATCH to a folder "
                    "that every account can enter, such as one in /var/tmp."
                )

    def own(self, path: Path, mode: int) -> None:
        """Give a file or folder to this account, with these permissions."""
        os.chown(path, self.uid, self.gid)
        path.chmod(mode)


def account_of(name: str | None) -> Account | None:
    """Return the account of that name; `None` where this process is not root, and so cannot run a game as another.

    Raises `InvalidInput` where the machine has no such account.
    """
    if name is None or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise InvalidInput(f"This machine has no account '{name}': name one by user, such as nobody.") from error
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
