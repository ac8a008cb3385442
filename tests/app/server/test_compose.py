"""deploy/compose.yaml: who does the service believe, and whose address is in the audit trail?"""

import shutil
from ipaddress import ip_address

import pytest

from app.service.settings import Settings
from tests.app.own_network import in_own_network, require
from tests.app.server.behind_nginx import CLIENT, CONTAINER, KEY, environment


def test_the_settings_of_the_service_can_be_read_and_trust_only_private_networks():
    settings = Settings.from_environment(environment("service") | {"CRUCIATE_API_KEYS": KEY})
    assert any(ip_address(CONTAINER) in network for network in settings.trusted_proxies)
    assert all(network.is_private for network in settings.trusted_proxies)
    assert settings.max_body_mb == int(environment("nginx")["CRUCIATE_MAX_BODY_MB"])


@pytest.mark.slow
def test_a_request_through_nginx_is_in_the_audit_trail_with_the_clients_address(bundles, tmp_path):
    """Not nginx's, and not the one that the client claims to have."""
    require(shutil.which("nginx") is not None, "nginx isn't installed")
    said = in_own_network("tests.app.server.behind_nginx", bundles[0], tmp_path, addresses=(CONTAINER, CLIENT))
    assert said == {"status": 200, "addresses": [CLIENT]}
