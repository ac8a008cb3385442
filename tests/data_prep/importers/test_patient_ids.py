import hashlib
import stat

import pytest

from data_prep.importers.patient_ids import KEY_FILE, PatientIds, is_unkeyed, keys_used


def test_a_key_is_made_once_for_its_owner_and_kept(tmp_path):
    path = tmp_path / "table" / KEY_FILE
    first = PatientIds.of_file(path, make=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    again = PatientIds.of_file(path, make=True)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [KEY_FILE]
    assert first.of("17") == again.of("17") != first.of("18")
    assert first.key.hex() not in repr(first)


def test_two_keys_share_no_id_and_can_be_told_apart(tmp_path):
    one, other = (PatientIds.of_file(tmp_path / name, make=True) for name in "ab")
    assert one.of("17") != other.of("17")
    assert keys_used([one.of("17"), one.of("18"), "mrnet-0001", ""]) != keys_used([other.of("17")])
    assert len(keys_used([one.of("17"), one.of("18"), other.of("17")])) == 2


def test_an_id_is_no_hash_of_the_patient_alone(tmp_path):
    made = PatientIds.of_file(tmp_path / "key", make=True).of("17")
    digests = {
        hashlib.new(name, text).hexdigest() for name in ("md5", "sha1", "sha256") for text in (b"17", b"patient:17")
    }
    assert not any(made.rpartition("-")[2] in digest for digest in digests)
    assert is_unkeyed(f"patient-{hashlib.sha256(b'17').hexdigest()[:12]}")
    assert not is_unkeyed(made)
    assert not is_unkeyed("patient-1")


def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "key"
    for text in ("", "secret", "ab" * 31, "\N{SNOWMAN}"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="holds no patient key"):
            PatientIds.of_file(path, make=True)
        assert path.read_text(encoding="utf-8") == text
    with pytest.raises(ValueError, match="there is no such file"):
        PatientIds.of_file(tmp_path / "other", make=False)
