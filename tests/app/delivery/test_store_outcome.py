"""What is concluded from statuses: the same as from the answers of a DICOMweb target."""

import socket

import pytest

from app.associations.opening import NotOpened, TooSlow
from app.delivery.deliveries import ARRIVED, FEW_TRIES, MANY_TRIES, ONE_TRY
from app.delivery.store_outcome import outcome_of, outcome_without_statuses
from app.delivery.store_scu import Ended


@pytest.mark.parametrize(
    ("statuses", "tries", "said"),
    [
        ((0x0000, 0x0000), 0, "delivered"),
        ((0x0000, 0xB000), 0, "delivered"),  # coerced
        ((0xB006, 0xB007), 0, "delivered"),
        ((0x0111, 0x0000), 0, "delivered"),  # held already
        ((0x0000, 0xA700), MANY_TRIES, "has no room for 1 of 2"),
        ((0xA7FF, 0x0213), MANY_TRIES, "has no room for 2 of 2"),
        ((0x0000, 0x0110), FEW_TRIES, "failed to process 1 of 2"),
        ((0xA700, 0xA900), ONE_TRY, "1 of 2 objects refused with status A900H"),
        ((0xC123, 0x0124), ONE_TRY, "2 of 2 objects refused with status C123H"),
        ((0x0000, 0x0122), ONE_TRY, "1 of 2 objects refused with status 0122H"),
        ((0x0000, None), ONE_TRY, "doesn't accept the kind of 1 of 2"),
        ((None, 0xA700), ONE_TRY, "doesn't accept the kind of 1 of 2"),
    ],
)
def test_what_statuses_mean(statuses, tries, said):
    outcome = outcome_of({f"1.2.{number}": status for number, status in enumerate(statuses)})
    assert (outcome.tries, said in outcome.text) == (tries, True)
    assert (outcome == ARRIVED) == (tries == 0)


@pytest.mark.parametrize(
    ("error", "tries", "said"),
    [
        (NotOpened("rejects associations", final=True), ONE_TRY, "rejects"),
        (NotOpened("can't be reached"), MANY_TRIES, "can't be reached"),
        (TooSlow(), MANY_TRIES, "too slow"),
        (Ended(), MANY_TRIES, "ended the association"),
        (socket.gaierror("pacs.secret"), MANY_TRIES, "can't be reached: gaierror"),
        (ValueError("/a/key"), MANY_TRIES, "TLS"),
    ],
)
def test_what_the_lack_of_statuses_means(error, tries, said):
    outcome = outcome_without_statuses(error)
    assert outcome.tries == tries
    assert said in outcome.text
    assert "secret" not in outcome.text
    assert "key" not in outcome.text
