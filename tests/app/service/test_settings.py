from pathlib import Path

import pytest

from app.service.settings import Settings, SettingsError


def bundle(folder: Path) -> Path:
    """What the settings ask of a bundle before anything is loaded."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    return folder


def test_every_variable_arrives(tmp_path):
    first, second = bundle(tmp_path / "first"), bundle(tmp_path / "second")
    settings = Settings.from_environment(
        {
            "CRUCIATE_BUNDLES": f"{first}:{second}",
            "CRUCIATE_DATA": "/somewhere",
            "CRUCIATE_DATABASE": "sqlite:////somewhere/else.db",
            "CRUCIATE_API_KEYS": " one, two ,",
            "CRUCIATE_MAX_BODY_MB": "7",
            "CRUCIATE_QUEUE": "3",
            "CRUCIATE_WAIT_S": "0.5",
            "CRUCIATE_QUIET_S": "2.5",
            "CRUCIATE_MAP_VALUES": "float32",
            "CRUCIATE_VIEWERS": "https://viewer.example:3000, http://127.0.0.1",
        }
    )
    assert settings == Settings(
        bundles=(first, second),
        data=Path("/somewhere"),
        database="sqlite:////somewhere/else.db",
        api_keys=("one", "two"),
        max_body_mb=7,
        queue=3,
        wait_s=0.5,
        quiet_s=2.5,
        map_values="float32",
        viewers=("https://viewer.example:3000", "http://127.0.0.1"),
    )


@pytest.mark.parametrize("url", ["somewhere", "nosql://x:secret@y/z", "mysql+pymysql://x:secret@y/z"])
def test_a_database_that_cannot_be_reached_is_refused_without_its_password(tmp_path, url):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_DATABASE": url}
    with pytest.raises(SettingsError, match="CRUCIATE_DATABASE isn't a URL") as refusal:
        Settings.from_environment(environment)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "target",
    [
        "pacs:8042",
        "ftp://u:secret@pacs",
        "http://",
        "http://u:secret@pacs:99999/",
        "http://pacs:0",
        "http://pacs:port",
        "http://[::1",
        f"http://u:secret@pacs/{'x' * 255}",
    ],
)
def test_what_is_no_address_of_a_target_is_refused_without_its_password(tmp_path, target):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_TARGETS": f"https://pacs,{target}"}
    with pytest.raises(SettingsError, match="CRUCIATE_TARGETS must list addresses") as refusal:
        Settings.from_environment(environment)
    assert "secret" not in str(refusal.value)


def test_addresses_of_targets(tmp_path):
    targets = "http://pacs", "https://u:p@[::1]:8042/dicom-web/?a=b"
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_TARGETS": " , ".join(targets)}
    assert Settings.from_environment(environment).targets == targets


@pytest.mark.parametrize("viewer", ["*", "viewer.example", "https://viewer.example/", "https://a.example b", "null"])
def test_what_is_no_origin_is_refused(tmp_path, viewer):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_VIEWERS": viewer}
    with pytest.raises(SettingsError, match="CRUCIATE_VIEWERS must list origins"):
        Settings.from_environment(environment)


@pytest.mark.parametrize("variable", ["CRUCIATE_QUEUE", "CRUCIATE_WAIT_S", "CRUCIATE_MAX_BODY_MB"])
@pytest.mark.parametrize("value", ["", "many", "nan", "-1", "1e9"])
def test_a_senseless_number_is_named(tmp_path, variable, value):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), variable: value}
    with pytest.raises(SettingsError, match=f"{variable} must be a number from"):
        Settings.from_environment(environment)


def test_an_unknown_kind_of_map_is_refused(tmp_path):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_MAP_VALUES": "int8"}
    with pytest.raises(SettingsError, match="CRUCIATE_MAP_VALUES must be uint16 or float32"):
        Settings.from_environment(environment)


def test_a_folder_without_a_bundle_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere isn't a bundle"):
        Settings.from_environment({"CRUCIATE_BUNDLES": str(tmp_path / "nowhere")})


def test_bundles_must_differ_in_name(tmp_path):
    folders = bundle(tmp_path / "x" / "same"), bundle(tmp_path / "y" / "same")
    for value in ("", ":".join(map(str, folders))):
        with pytest.raises(SettingsError, match="no two folders of the same name"):
            Settings.from_environment({"CRUCIATE_BUNDLES": value})


@pytest.mark.parametrize("keys", ["Schlüssel", "one\ntwo"])
def test_keys_must_fit_into_a_header(tmp_path, keys):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_API_KEYS": keys}
    with pytest.raises(SettingsError, match="printable ASCII"):
        Settings.from_environment(environment)


def test_keys_are_not_shown():
    assert "secret" not in repr(Settings(api_keys=("secret",)))
