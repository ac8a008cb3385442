"""TLS with dcmtk and openssl, between real processes and in both directions."""

import socket
import ssl
import time

import pytest

from app.dimse.contexts import STUDY_MOVE
from tests.app.certificates import Authority
from tests.app.dimse.archive import DESTINATION, READER, SENDER, holding
from tests.app.listening import write
from tests.app.partners import UNCLOSED, files_in, run, storescp
from tests.app.studies import instances, voxels

pytestmark = pytest.mark.slow

FILES = instances(voxels()[:2], study="2.25.1", series="2.25.11")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


def ours(authority: Authority, asks: bool) -> dict[str, str]:
    certificate, key = authority.sign("ours")
    variables = {"CRUCIATE_DIMSE_TLS_CERTIFICATE": str(certificate), "CRUCIATE_DIMSE_TLS_KEY": str(key)}
    return variables | ({"CRUCIATE_DIMSE_TLS_AUTHORITIES": str(authority.certificate)} if asks else {})


def theirs(authority: Authority) -> list[object]:
    """The options of dcmtk's programs."""
    certificate, key = authority.sign("theirs")
    return ["+tls", key, certificate, "+cf", authority.certificate]


def test_everything_goes_over_tls(authority, tmp_path):
    with holding(tmp_path, [], secure=True, **ours(authority, asks=True)) as archive:
        sent = run("storescu", archive.port, SENDER, *theirs(authority), *write(tmp_path / "sent", FILES))
        assert sent.returncode == 0, sent.stderr
        asked = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1"]
        found = run("findscu", archive.port, READER, *theirs(authority), "+sr", *asked)
        assert "2.25.1" in found.stdout + found.stderr
        strangers = Authority(tmp_path / "strangers")
        for options in ([], ["+tla", "-ic"], ["+tls", *reversed(strangers.sign("stranger")), "-ic"]):
            assert run("echoscu", archive.port, READER, *options).returncode != 0
        assert run("echoscu", archive.port, READER, *theirs(authority)).returncode == 0


@UNCLOSED
def test_a_move_goes_over_tls(authority, tmp_path):
    """Not with movescu, which has no TLS: with pynetdicom as the peer, and storescp as the destination."""
    from pynetdicom.ae import ApplicationEntity

    from tests.app.dimse.test_retrieving import identifier

    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(*authority.sign("peer"))
    with holding(tmp_path, FILES, secure=True, **ours(authority, asks=True)) as archive:
        entity = ApplicationEntity(READER)
        entity.add_requested_context(STUDY_MOVE)
        with storescp(tmp_path / "there", DESTINATION, archive.destination, *theirs(authority)) as folder:
            opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE", tls_args=(context, "127.0.0.1"))
            *_, (last, _) = opened.send_c_move(identifier(), DESTINATION, STUDY_MOVE)
            opened.release()
            assert (last.Status, sorted(files_in(folder))) == (0x0000, ["2.25.11.1", "2.25.11.2"])
        with storescp(tmp_path / "plain", DESTINATION, archive.destination) as folder:
            opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE", tls_args=(context, "127.0.0.1"))
            ((last, _),) = opened.send_c_move(identifier(), DESTINATION, STUDY_MOVE)
            opened.release()
            assert (last.Status, files_in(folder)) == (0xA801, {})


def test_a_peer_needs_no_certificate_unless_the_operator_says_so(authority, tmp_path):
    with holding(tmp_path, [], **ours(authority, asks=False)) as archive:
        anonymous = ["+tla", "+cf", authority.certificate]
        assert run("echoscu", archive.port, READER, *anonymous).returncode == 0
        assert run("echoscu", archive.port, READER).returncode != 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_tls_and_slow_peers_are_refused_and_delay_nobody(authority, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("app.dimse.server.OPENING_S", 0.5)
    with holding(tmp_path, [], **ours(authority, asks=False)) as archive:
        old = ssl.create_default_context(cafile=str(authority.certificate))
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", archive.port)) as plain, pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(plain, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", archive.port)) as silent:
            assert run("echoscu", archive.port, READER, "+tla", "+cf", authority.certificate).returncode == 0
            silent.settimeout(20)
            assert silent.recv(1) == b""
        deadline = time.monotonic() + 20
        while caplog.text.count("no agreement on TLS") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
