import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_edge.proxies import Called, as_called, trusted_networks

RECEIVED = Called(scheme="http", authority="127.0.0.1:8080")
FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "maps.example.com"}
PROXIES = trusted_networks(("10.0.0.0/24", "127.0.0.1", "2001:db8::/32"))


@pytest.mark.parametrize("peer", ["10.0.0.5", "127.0.0.1", "2001:db8::7", "::ffff:10.0.0.5"])
def test_a_trusted_proxy_says_what_the_client_called(peer: str) -> None:
    assert as_called(RECEIVED, peer, FORWARDED, PROXIES) == Called(scheme="https", authority="maps.example.com")


@pytest.mark.parametrize("peer", ["10.0.1.5", "127.0.0.2", "2001:db9::1", "unix", "", None])
def test_forged_headers_of_any_other_peer_change_nothing(peer: str | None) -> None:
    assert as_called(RECEIVED, peer, FORWARDED, PROXIES) == RECEIVED


def test_without_trusted_proxies_no_header_is_used() -> None:
    assert as_called(RECEIVED, "127.0.0.1", FORWARDED, ()) == RECEIVED


def test_what_a_proxy_does_not_forward_is_as_received() -> None:
    assert as_called(RECEIVED, "10.0.0.5", {"x-forwarded-proto": "https"}, PROXIES) == Called(
        scheme="https", authority="127.0.0.1:8080"
    )


def test_of_a_chain_the_nearest_proxys_value_is_used() -> None:
    chain = {"x-forwarded-proto": "http, https", "x-forwarded-host": "forged.example, maps.example.com"}
    assert as_called(RECEIVED, "10.0.0.5", chain, PROXIES) == Called(scheme="https", authority="maps.example.com")


def test_a_scheme_that_no_client_calls_with_names_the_proxy() -> None:
    with pytest.raises(InvalidInput, match=r"proxy at 10\.0\.0\.5 sends X-Forwarded-Proto 'gopher'"):
        as_called(RECEIVED, "10.0.0.5", {"x-forwarded-proto": "gopher"}, PROXIES)


@pytest.mark.parametrize("wrong", ["proxy.lan", "10.0.0.5/24", "10.0.0.0/33", "*"])
def test_a_proxy_that_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="IMAGEFLOW_TRUSTED_PROXIES must be addresses or networks"):
        trusted_networks((wrong,))
