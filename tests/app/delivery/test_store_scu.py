"""Results sent by C-STORE: to dcmtk's storescp and dcmqrscp, and to systems that refuse, leave or say nothing."""

import time

import pydicom
import pytest
from pydicom.uid import MRImageStorage

from app import factory
from app.associations.opening import Ours
from app.associations.tls import Tls
from app.delivery.deliveries import RETRY_S
from app.delivery.stow_client import Limits
from tests.app.certificates import Authority
from tests.app.delivery.targets import silent
from tests.app.delivery.world import World, made, uid_of
from tests.app.partners import UNCLOSED, answering, dcmqrscp, files_in, free_port, run, storescp
from tests.app.studies import instances, study_zip, voxels

pytestmark = pytest.mark.slow

SOON_S = 60
HURRIED = Limits(connect_s=2, silence_s=1, total_s=2)


def target(port: int, secure: bool = False) -> str:
    return f"dicom{'s' if secure else ''}://PACS@127.0.0.1:{port}"


def delivered(folder, url: str, **options) -> tuple[str, str, int | None]:
    """State, outcome and wait after one try of one delivery."""
    world = World(folder, url, **options)
    world.predict("a")
    assert world.rounds(url) == 1
    row = world.row("a", url)
    return row.state, row.outcome, None if row.due is None else row.due - world.now


def test_results_arrive_as_they_were_made(tmp_path):
    port = free_port()
    with storescp(tmp_path / "there", "PACS", port) as folder:
        assert delivered(tmp_path, target(port))[:2] == ("delivered", "delivered")
        (arrived,) = files_in(folder).values()
    assert arrived == pydicom.dcmread(pydicom.filebase.DicomBytesIO(made("a")[0]))
    assert arrived.SOPInstanceUID == uid_of("a")


def test_a_system_that_wants_implicit_vr_gets_it(tmp_path):
    port = free_port()
    with storescp(tmp_path / "there", "PACS", port, "+xi") as folder:
        assert delivered(tmp_path, target(port))[0] == "delivered"
        (arrived,) = files_in(folder).values()
    assert arrived.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0000, ("delivered", "delivered", None)),
        (0xB000, ("delivered", "delivered", None)),
        (0x0111, ("delivered", "delivered", None)),
        (0xA700, ("waiting", "has no room for 1 of 1 objects", RETRY_S)),
        (0x0110, ("waiting", "failed to process 1 of 1 objects", RETRY_S)),
        (0xA900, ("dead", "1 of 1 objects refused with status A900H", None)),
        (0xC000, ("dead", "1 of 1 objects refused with status C000H", None)),
    ],
)
def test_a_status_is_a_fate(tmp_path, status, expected):
    with answering(status) as port:
        assert delivered(tmp_path, target(port)) == expected


def test_a_system_that_recovers_gets_them(tmp_path):
    answers = [0xA700, 0x0110, 0x0000]
    with answering(lambda event: answers.pop(0)) as port:
        world = World(tmp_path, target(port))
        world.predict("a")
        for state in ("waiting", "waiting", "delivered"):
            assert world.rounds(target(port)) == 1
            row = world.row("a", target(port))
            assert row.state == state
            world.now = row.due or world.now


def test_one_of_two_kinds_is_not_accepted(tmp_path):
    def two(id_: str) -> list[bytes]:
        other = instances(voxels()[:1], series="2.25.2", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
        return [*made(id_), *other]

    with answering(0x0000, MRImageStorage) as port:
        state, outcome, _ = delivered(tmp_path, target(port), make=two)
    assert (state, outcome) == ("dead", "doesn't accept the kind of 1 of 2 objects")


@pytest.mark.parametrize(
    ("options", "state", "said"),
    [
        (("--refuse",), "dead", "rejects associations from us"),
        (("--abort-after",), "waiting", "ended the association"),
        (("--abort-during",), "waiting", "ended the association"),
        (("--sleep-during", "30"), "waiting", ""),
    ],
)
def test_systems_that_misbehave(tmp_path, options, state, said):
    port = free_port()
    with storescp(tmp_path / "there", "PACS", port, *options):
        found, outcome, _ = delivered(tmp_path, target(port), limits=HURRIED)
    assert found == state
    assert said in outcome


@UNCLOSED
def test_nobody_listens(tmp_path):
    assert delivered(tmp_path, target(free_port()))[:1] == ("waiting",)


def test_who_says_nothing_is_tried_again_later(listen, tmp_path):
    listener = listen(silent, listens=False)
    state, outcome, wait_s = delivered(tmp_path, target(listener.port), limits=HURRIED)
    assert (state, wait_s) == ("waiting", RETRY_S)
    assert outcome


def test_over_tls_both_show_certificates(tmp_path):
    authority = Authority(tmp_path / "ca")
    ours = Ours("CRUCIATE", Tls(*authority.sign("ours"), authority.certificate))
    strangers = Authority(tmp_path / "others")
    certificate, key = authority.sign("theirs")
    port = free_port()
    with storescp(tmp_path / "there", "PACS", port, "+tls", key, certificate, "+cf", authority.certificate) as folder:
        for number, (who, state) in enumerate(
            [
                (ours, "delivered"),
                (Ours("CRUCIATE", Tls(authorities=authority.certificate)), "waiting"),  # shows no certificate
                (Ours("CRUCIATE", Tls(*strangers.sign("x"), strangers.certificate)), "waiting"),  # trusts another one
            ]
        ):
            place = tmp_path / str(number)
            place.mkdir()
            assert delivered(place, target(port, secure=True), ours=who, limits=HURRIED)[0] == state
        assert len(files_in(folder)) == 1


def test_the_results_of_a_study_reach_an_archive_and_are_found_there(make_app, monkeypatch, tmp_path):
    """The whole service, and dcmtk's archive."""
    monkeypatch.setattr(factory, "EVERY_S", 0.02)
    port = free_port()
    with dcmqrscp(tmp_path / "pacs", "PACS", port):
        client = make_app(targets=(target(port),)).test_client()
        answer = client.post("/v1/predictions", data=study_zip(), content_type="application/zip").json
        deadline = time.monotonic() + SOON_S
        wanted = {"target": target(port), "state": "delivered"}
        while not client.get("/v1/deliveries", query_string=wanted).json["deliveries"]:
            assert time.monotonic() < deadline, client.get("/v1/deliveries").json
            time.sleep(0.05)
        asked = ("-S", "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=2.25.7", "-k", "Modality")
        found = run("findscu", port, "ANY", *asked, "+sr", called="PACS")
        report = client.get(f"/v1/predictions/{answer['id']}/dicom/sr.dcm").data
    said = found.stdout + found.stderr
    assert "[SR]" in said
    assert pydicom.dcmread(pydicom.filebase.DicomBytesIO(report)).StudyInstanceUID == "2.25.7"
