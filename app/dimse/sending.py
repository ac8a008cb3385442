"""Stored instances sent by C-STORE, as sub-operations of C-MOVE and C-GET.

pynetdicom counts the sub-operations and answers. It would send a data set that this process has decoded. Here files are
sent from the disk: as they are stored if the peer accepts that, or recoded in a process with limits (recoding.py).
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pynetdicom.association import Association

from app.associations.contexts import UNCOMPRESSED, accepted_syntaxes
from app.dimse.held import Held
from app.dimse.recoding import recode
from app.store.database import Instance

# What pynetdicom needs of a file's meta information.
NEEDED = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
STORED = {0x0000, 0xB000, 0xB006, 0xB007}


class Sender:
    """Takes the place of an association's `send_c_store`.

    Args:
        held: Opens files.
        rows: The instances that may be sent, by SOP Instance UID.

    Attributes:
        sent: How many instances the peer has stored.
    """

    def __init__(self, held: Held, rows: Mapping[str, Instance]) -> None:
        self._held, self._rows = held, rows
        self.sent = 0
        self._has_ended = False

    def on(self, opened: Association) -> None:
        """Send on this association from now on."""

        def send(dataset: Dataset, *arguments: object, **options: object) -> Dataset:
            if self._has_ended:
                raise RuntimeError("the association has ended")
            with self._file(opened, str(dataset.SOPInstanceUID)) as path:
                answer = Association.send_c_store(opened, path, *arguments, **options)  # type: ignore[arg-type]
            # The peer has left. pynetdicom learns of it a moment later; until then it would wait for a next answer.
            self._has_ended = "Status" not in answer
            self.sent += answer.get("Status") in STORED
            return answer

        opened.send_c_store = send  # type: ignore[method-assign,assignment]

    @contextmanager
    def _file(self, opened: Association, sop_uid: str) -> Iterator[Path]:
        """A file that the peer accepts. Raises ValueError if there is none, and other exceptions if it isn't there."""
        row = self._rows[sop_uid]
        with self._held.open(row) as stream:
            accepted = accepted_syntaxes(opened, sop_class(row))
            if syntax(stream) in accepted:
                yield Path(stream.name)
                return
            wanted = next((one for one in UNCOMPRESSED if one in accepted), None)
            if wanted is None:
                raise ValueError("no transfer syntax that the peer accepts")
            with tempfile.NamedTemporaryFile() as made:
                recode(stream, cast(BinaryIO, made), wanted)
                yield Path(made.name)


def sop_class(row: Instance) -> str:
    """The SOP class of an instance."""
    return str(row.attributes["00080016"]["Value"][0])


def syntax(stream: BinaryIO) -> str:
    """The transfer syntax of a stored file; empty if its meta information lacks what sending needs."""
    meta = read_file_meta_info(stream.name)
    return str(meta.TransferSyntaxUID) if all(keyword in meta for keyword in NEEDED) else ""
