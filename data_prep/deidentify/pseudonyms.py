"""What stands in place of a patient's identity: always the same for the same value and key.

Values are HMACs (RFC 2104) with a secret key: without it, nobody can find a patient's number by trying all numbers.
"""

import hmac
import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from data_prep.dicom.part10 import is_uid

# Dates are moved into the past, by one to ten years.
FEWEST_DAYS, MOST_DAYS = 365, 3650
DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
DATE_TIME = re.compile(r"(\d{8})(\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?)")
# Bytes of a patient's pseudonym.
LENGTH = 8


@dataclass(frozen=True)
class Pseudonyms:
    """Makes replacements.

    Attributes:
        key: the secret.
        retain_uids: whether UIDs stay as they are (PS3.15 E.3.9, Retain UIDs Option).
    """

    key: bytes = field(repr=False)
    retain_uids: bool = False

    def uid(self, uid: str) -> str:
        """A UID in place of another one (PS3.5 B.2); '' for what isn't a UID."""
        if not is_uid(uid):
            return ""
        return uid if self.retain_uids else f"2.25.{int.from_bytes(self._digest('uid', uid)[:16])}"

    def patient(self, text: str) -> str:
        """A pseudonym for a patient's number or name; '' for ''."""
        return self._digest("patient", text)[:LENGTH].hex().upper() if text else ""

    def days(self, study_uid: str) -> int:
        """By how many days the dates of a study are moved."""
        number = int.from_bytes(self._digest("days", study_uid)[:8])
        return FEWEST_DAYS + number % (MOST_DAYS - FEWEST_DAYS + 1)

    def _digest(self, *text: str) -> bytes:
        return hmac.digest(self.key, "\0".join(text).encode(), "sha256")


def moved(text: str, days: int) -> str:
    """A date, or a date and time (PS3.5 6.2, DA and DT), this many days earlier; '' for anything else."""
    day, rest = DATE.fullmatch(text), ""
    if day is None and (found := DATE_TIME.fullmatch(text)):
        day, rest = DATE.fullmatch(found[1]), found[2]
    try:
        return (date(*map(int, day.groups())) - timedelta(days)).strftime("%Y%m%d") + rest if day else ""
    except (ValueError, OverflowError):
        return ""
