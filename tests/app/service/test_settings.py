from ipaddress import ip_network
from pathlib import Path

import pytest

from app.service.environment import SettingsError
from app.service.settings import Settings
from models.routes.chunks import DEFAULT_MB

KEYS = ("the first of two own keys", "exactly-20-characters"[:20])


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
            "CRUCIATE_API_KEYS": f" {KEYS[0]}, {KEYS[1]} ,",
            "CRUCIATE_TRUSTED_PROXIES": "127.0.0.1, 10.1.0.0/16",
            "CRUCIATE_USER_HEADER": "X-Remote-User",
            "CRUCIATE_USER_SCOPES": "read, predict",
            "CRUCIATE_KEY_RATE": "600",
            "CRUCIATE_KEY_SHARE": "0.5",
            "CRUCIATE_MAX_BODY_MB": "7",
            "CRUCIATE_QUEUE": "3",
            "CRUCIATE_WAIT_S": "0.5",
            "CRUCIATE_QUIET_S": "2.5",
            "CRUCIATE_ANNOUNCED_WAIT_S": "60",
            "CRUCIATE_RESULTS": "seg, sr",
            "CRUCIATE_MAP_VALUES": "uint16",
            "CRUCIATE_RETENTION": "dry-run",
            "CRUCIATE_KEEP_PIXELS_DAYS": "30",
            "CRUCIATE_KEEP_RESULTS_MB": "0.5",
            "CRUCIATE_VIEWERS": "https://viewer.example:3000, http://127.0.0.1",
            "CRUCIATE_DEIDENTIFY": "basic",
            "CRUCIATE_DEIDENTIFY_KEY": "s" * 32,
        }
    )
    assert settings == Settings(
        bundles=(first, second),
        data=Path("/somewhere"),
        database="sqlite:////somewhere/else.db",
        api_keys=KEYS,
        trusted_proxies=(ip_network("127.0.0.1"), ip_network("10.1.0.0/16")),
        user_header="X-Remote-User",
        user_scopes=("read", "predict"),
        key_rate=600,
        key_share=0.5,
        max_body_mb=7,
        queue=3,
        wait_s=0.5,
        quiet_s=2.5,
        announced_wait_s=60,
        results=("seg", "sr"),
        map_values="uint16",
        retention="dry-run",
        keep_pixels_days=30,
        keep_results_mb=0.5,
        viewers=("https://viewer.example:3000", "http://127.0.0.1"),
        deidentify="basic",
        deidentify_key="s" * 32,
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
    with pytest.raises(SettingsError, match="CRUCIATE_MAP_VALUES must be float32 or uint16"):
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


@pytest.mark.parametrize("keys", ["a-long-random-key", "x" * 19, f"{KEYS[0]},short", f"{KEYS[0]}, {'x' * 19} "])
def test_a_key_that_could_be_guessed_is_refused_and_not_shown(tmp_path, keys):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some")), "CRUCIATE_API_KEYS": keys}
    with pytest.raises(SettingsError, match="CRUCIATE_API_KEYS has a key of fewer than 20 characters") as refusal:
        Settings.from_environment(environment)
    assert not any(key.strip() in str(refusal.value) for key in keys.split(","))


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"TRUSTED_PROXIES": "proxy.example"}, "CRUCIATE_TRUSTED_PROXIES must list addresses or networks"),
        ({"TRUSTED_PROXIES": "10.1.0.1/16"}, "CRUCIATE_TRUSTED_PROXIES must list addresses or networks"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "CRUCIATE_TRUSTED_PROXIES must list addresses or networks"),
        ({"USER_HEADER": "X-Remote-User"}, "CRUCIATE_USER_HEADER needs CRUCIATE_TRUSTED_PROXIES"),
        ({"USER_HEADER": "X Remote", "TRUSTED_PROXIES": "::1"}, "CRUCIATE_USER_HEADER must be the name of a header"),
        ({"RESULTS": "sr,picture"}, "CRUCIATE_RESULTS must be sr, seg, overlay, map, key-image, slices or ligament"),
        ({"RESULTS": ""}, "CRUCIATE_RESULTS can't be used"),
        ({"USER_SCOPES": "read,write"}, "CRUCIATE_USER_SCOPES must be read, predict, store, review or admin"),
        ({"RETENTION": "on"}, "CRUCIATE_RETENTION needs a limit: set at least one of the variables CRUCIATE_KEEP_"),
        ({"RETENTION": "yes"}, "CRUCIATE_RETENTION must be off, dry-run or on"),
        ({"KEEP_MAPS_DAYS": ""}, "CRUCIATE_KEEP_MAPS_DAYS must be a number from 0.0001 to 36500"),
        ({"KEEP_MAPS_MB": "nan"}, "CRUCIATE_KEEP_MAPS_MB must be a number from 0.001 to 1e+09"),
        ({"KEY_SHARE": "0"}, "CRUCIATE_KEY_SHARE must be a number from 0.01 to 1"),
        ({"KEY_RATE": "-1"}, "CRUCIATE_KEY_RATE must be a number from 0 to 100000"),
    ],
)
def test_wrong_rules_are_named(tmp_path, variables, sentence):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some"))}
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(environment | {f"CRUCIATE_{name}": value for name, value in variables.items()})
    assert str(refusal.value).startswith(sentence)


SECRET = {"CRUCIATE_DEIDENTIFY_KEY": "s" * 32}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"CRUCIATE_DEIDENTIFY": "basic"}, "CRUCIATE_DEIDENTIFY needs CRUCIATE_DEIDENTIFY_KEY"),
        ({"CRUCIATE_DEIDENTIFY_KEY": "s" * 31}, "CRUCIATE_DEIDENTIFY_KEY has fewer than 32 characters"),
        ({"CRUCIATE_DEIDENTIFY": "yes"} | SECRET, "CRUCIATE_DEIDENTIFY must be no, basic or basic-retain-uids"),
        (
            {"CRUCIATE_DEIDENTIFY": "basic-retain-uids", "CRUCIATE_TARGETS": "https://pacs/dicom-web"} | SECRET,
            "CRUCIATE_DEIDENTIFY can't be used with CRUCIATE_TARGETS",
        ),
    ],
)
def test_de_identification_needs_a_secret_and_sends_nothing_to_archives(tmp_path, variables, sentence):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some"))} | variables
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(environment)
    assert str(refusal.value).startswith(sentence)
    assert "ssss" not in str(refusal.value)


def test_de_identification_is_off_unless_it_is_wanted(tmp_path):
    environment = {"CRUCIATE_BUNDLES": str(bundle(tmp_path / "some"))} | SECRET
    assert Settings.from_environment(environment).deidentifier is None
    for mode, retains in (("basic", False), ("basic-retain-uids", True)):
        settings = Settings.from_environment(environment | {"CRUCIATE_DEIDENTIFY": mode})
        assert settings.deidentifier.pseudonyms.retain_uids is retains
        assert "ssss" not in repr(settings) + repr(settings.deidentifier)


def test_keys_are_not_shown():
    assert "secret" not in repr(Settings(api_keys=("secret",)))


def test_the_default_of_a_network_s_memory_is_that_of_the_networks():
    assert Settings().network_mb == DEFAULT_MB
