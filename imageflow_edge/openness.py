"""Nothing but this machine reaches a deployment without logins, unless an operator allows it."""

from imageflow_clients.settings import AddressSettings
from imageflow_domain.errors import InvalidInput
from imageflow_edge.addresses import is_loopback, public_origin
from imageflow_edge.proxies import trusted_networks


def check_openness(settings: AddressSettings) -> None:
    """Raise `InvalidInput` for a wrong address, or where other machines would reach what was not opened."""
    public_origin(settings.public_url)
    trusted_networks(settings.trusted_proxies)
    if settings.open:
        return
    reasons = (
        (not is_loopback(settings.host), f"IMAGEFLOW_HOST or --host is {settings.host}"),
        (settings.public_url is not None, "IMAGEFLOW_PUBLIC_URL is set"),
        (bool(settings.trusted_proxies), "IMAGEFLOW_TRUSTED_PROXIES is set"),
    )
    found = [reason for is_so, reason in reasons if is_so]
    if found:
        raise InvalidInput(
            f"{' and '.join(found)}, and there are no logins yet: every client that reaches this machine could read "
            "and delete all maps, images and results, and start the games of IMAGEFLOW_GAMES; Dagster's UI lets it "
            "start any job. Set IMAGEFLOW_OPEN=1 if a firewall or a proxy with logins stands in front."
        )
