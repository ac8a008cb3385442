import ssl

import pytest

from app.associations.tls import Tls, client_context, server_context
from tests.app.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


def test_without_a_certificate_there_is_no_tls():
    assert server_context(Tls()) is None


def test_a_server_asks_for_certificates_only_if_it_has_authorities(authority):
    certificate, key = authority.sign("a")
    open_to_all, asking = (
        server_context(Tls(certificate, key)),
        server_context(Tls(certificate, key, authority.certificate)),
    )
    assert (open_to_all.verify_mode, asking.verify_mode) == (ssl.CERT_NONE, ssl.CERT_REQUIRED)
    assert {one.minimum_version for one in (open_to_all, asking)} == {ssl.TLSVersion.TLSv1_2}


def test_a_client_checks_certificates_and_names(authority):
    context = client_context(Tls(authorities=authority.certificate))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert any(
        dict(one[0] for one in known["subject"]).get("commonName") == "a test" for known in context.get_ca_certs()
    )


def test_an_encrypted_key_is_refused_without_asking_for_a_password(authority, tmp_path):
    certificate, key = authority.sign("b")
    locked = authority.locked(key)
    with pytest.raises(ValueError, match="the private key is encrypted"):
        server_context(Tls(certificate, locked))
