"""The number of files and connections that this process may have open."""

import logging
import resource

_LOG = logging.getLogger(__name__)


def allow_open_files(wanted: int) -> None:
    """Raise the soft limit of this process to the hard one; warn where that is below `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_limited = hard != resource.RLIM_INFINITY
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if is_limited else max(soft, wanted), hard))
    if is_limited and hard < wanted:
        _LOG.warning(
            "%s files and connections may be open at once, and %s may be needed: raise the hard limit (`ulimit -Hn`, "
            "LimitNOFILE= of systemd, --ulimit nofile= of a container)",
            hard,
            wanted,
        )
