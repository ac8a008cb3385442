import pytest

from app.associations.address import Address
from app.service.dimse_settings import AssociationSettings, DimseSettings, ours_to
from app.service.environment import SettingsError
from tests.app.certificates import Authority

PEERS = {"CRUCIATE_DIMSE_PEERS": "SCANNER@127.0.0.1, OTHER@192.0.2.1"}


def test_every_variable_arrives():
    settings = DimseSettings.from_environment(
        PEERS
        | {
            "CRUCIATE_DIMSE_READERS": "OTHER",
            "CRUCIATE_DIMSE_DESTINATIONS": "dicom://PACS@pacs.example:104, dicoms://MY%20VIEWER@[::1]:2762",
            "CRUCIATE_DIMSE_TITLE": " OURS ",
            "CRUCIATE_DIMSE_HOST": "0.0.0.0",
            "CRUCIATE_DIMSE_PORT": "4242",
        }
    )
    assert settings == DimseSettings(
        peers=frozenset({("SCANNER", "127.0.0.1"), ("OTHER", "192.0.2.1")}),
        readers=frozenset({"OTHER"}),
        destinations=(Address("PACS", "pacs.example", 104), Address("MY VIEWER", "::1", 2762, secure=True)),
        title="OURS",
        host="0.0.0.0",
        port=4242,
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CRUCIATE_DIMSE_PEERS": ""}, "CRUCIATE_DIMSE_PEERS must list"),
        ({"CRUCIATE_DIMSE_PEERS": "SCANNER"}, "CRUCIATE_DIMSE_PEERS must list"),
        ({"CRUCIATE_DIMSE_PORT": "x"}, "CRUCIATE_DIMSE_PORT must be a number"),
        ({"CRUCIATE_DIMSE_TITLE": "x" * 17}, "CRUCIATE_DIMSE_TITLE must have 1 to 16"),
        ({"CRUCIATE_DIMSE_READERS": "STRANGER"}, "STRANGER isn't among them"),
        ({"CRUCIATE_DIMSE_DESTINATIONS": "PACS@pacs:104"}, "CRUCIATE_DIMSE_DESTINATIONS must list addresses like"),
        ({"CRUCIATE_DIMSE_DESTINATIONS": "dicom://pacs:104"}, "CRUCIATE_DIMSE_DESTINATIONS must list addresses like"),
        ({"CRUCIATE_DIMSE_DESTINATIONS": "dicom://A@x:1,dicom://A@y:1"}, "must not name an AE title twice"),
        ({"CRUCIATE_DIMSE_TLS_CERTIFICATE": "/nowhere.pem"}, "TLS_CERTIFICATE: /nowhere.pem can't be read"),
        ({"CRUCIATE_DIMSE_TLS_KEY": "/dev/null"}, "TLS_KEY needs CRUCIATE_DIMSE_TLS_CERTIFICATE"),
        ({"CRUCIATE_DIMSE_TLS_AUTHORITIES": "/dev/null"}, "TLS_AUTHORITIES needs CRUCIATE_DIMSE_TLS_CERTIFICATE"),
        ({"CRUCIATE_DIMSE_TLS_CERTIFICATE": "/dev/null"}, "TLS_KEY: a certificate and its key can't be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(variables, said):
    with pytest.raises(SettingsError, match=said):
        DimseSettings.from_environment(PEERS | variables)


def test_files_for_tls(tmp_path):
    authority = Authority(tmp_path / "ca")
    (certificate, key), (_, other_key) = authority.sign("a"), authority.sign("b")
    files = {"CRUCIATE_DIMSE_TLS_CERTIFICATE": str(certificate), "CRUCIATE_DIMSE_TLS_KEY": str(key)}
    trusted = {"CRUCIATE_DIMSE_TLS_AUTHORITIES": str(authority.certificate)}
    found = AssociationSettings.from_environment(files | trusted).ours.tls
    assert (found.certificate, found.key, found.authorities) == (certificate, key, authority.certificate)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    AssociationSettings.from_environment({"CRUCIATE_DIMSE_TLS_CERTIFICATE": str(both)})
    for wrong in (other_key, certificate):
        with pytest.raises(SettingsError, match="TLS_KEY: a certificate and its key can't be read"):
            AssociationSettings.from_environment(files | {"CRUCIATE_DIMSE_TLS_KEY": str(wrong)})
    with pytest.raises(SettingsError, match=r"TLS_AUTHORITIES: .* holds no certificates"):
        AssociationSettings.from_environment(files | {"CRUCIATE_DIMSE_TLS_AUTHORITIES": str(key)})


def test_the_service_looks_at_them_only_for_targets_that_speak_dimse(monkeypatch):
    monkeypatch.setenv("CRUCIATE_DIMSE_TITLE", "x" * 17)
    assert ours_to(["https://pacs/dicom-web"]).title == "CRUCIATE"
    with pytest.raises(SettingsError, match="CRUCIATE_DIMSE_TITLE"):
        ours_to(["https://pacs/dicom-web", "dicom://PACS@pacs:104"])
