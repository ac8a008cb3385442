"""The answer as a Comprehensive 3D SR, by TID 1500 Measurement Report (PS3.16).

Every group of measurements has coordinates (TID 1410), which lead a viewer to the decisive slice. OHIF shows nothing
of a report in which one group has none. The finding and the probabilities of all classes are in the first group, with
an outline in the slice (SCOORD). If evidence reaches the threshold, there are groups for its peak and its region, in
the patient's coordinates (SCOORD3D).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from highdicom import sr
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.valuerep import DT

from app.contract.version import VERSION
from app.results.codes import DENSITY, PRIVATE_SCHEME
from app.results.common import MANUFACTURER, NOTICE, Result, finish, instances, local_time, uid
from app.results.evidence import Evidence, Points
from app.results.region import TRACKED, meaning
from data_prep.volume import Laterality

# What a class says of a rupture. "unhealthy" and "partial rupture or strain" aren't listed: they hold both, strains and
# ruptures.
RUPTURED = {"healthy": False, "minor strain": False, "complete rupture": True}
# VerifyingOrganization is type 1.
UNKNOWN = "not known"
Group = sr.PlanarROIMeasurementsAndQualitativeEvaluations


class Verification(NamedTuple):
    """Who has verified a report.

    Attributes:
        name: A name of a person (PN).
        time: UTC, ISO 8601.
    """

    name: str
    time: str


def report(
    result: Result,
    evidence: Evidence,
    others: Sequence[Dataset] = (),
    readings: Sequence[Group] = (),
    verification: Verification | None = None,
    earlier: Dataset | None = None,
) -> bytes:
    """Make the report: the finding, the probability of each class, predicted grade, site and side, and where to look.

    Args:
        result: The answered study.
        evidence: The explained class's map.
        others: Headers of what the report names besides the slices: the segmentation of the region, if there is one,
            and the original slices, if the result refers to copies of them.
        readings: What persons found, a group each (app/reviews/second_reading.py).
        verification: Who has verified the report, if anybody has. A report from which slices are missing can't be.
        earlier: The header of the report without readings, which this one replaces.

    Returns:
        The bytes of a DICOM file.
    """
    by = verification if result.missing is None else None
    dataset = sr.Comprehensive3DSR(
        evidence=[*instances(result.images), *others],
        content=_content(result, evidence, readings)[0],
        is_complete=result.missing is None,
        is_final=False,
        is_verified=by is not None,
        verifying_observer_name=by.name if by else None,
        verifying_organization=str(result.origins[0].get("InstitutionName") or UNKNOWN) if by else None,
        coding_schemes=[PRIVATE_SCHEME],
        previous_versions=([earlier] if earlier is not None else result.predecessors) or None,
        **result.series("sr"),
    )
    if by is not None:
        verified = local_time(by.time, result.origins[0], result.site)
        dataset.VerifyingObserverSequence[0].VerificationDateTime = DT(verified.strftime("%Y%m%d%H%M%S%z"))
    if result.missing is not None:
        dataset.CompletionFlagDescription = "slices of the series are missing"
    return finish(dataset, result)


def _content(result: Result, evidence: Evidence, readings: Sequence[Group]) -> sr.MeasurementReport:
    codes = result.codes
    observer = sr.ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid("device", result.answer["bundle"]["sha256"]),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=result.model,
            serial_number=result.answer["bundle"]["sha256"],
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.procedure,
        imaging_measurements=[_finding(result, evidence), *_places(result, evidence), *readings],
    )
    texts = [(codes.comment, f"{NOTICE}.")]
    if point := result.answer["result"].get("operating_point"):
        texts.append((codes.operating_point, point["message"]))
    comments = meaning(result, evidence), *(warning["message"] for warning in result.answer["warnings"])
    for name, text in [*texts, *((codes.comment, comment) for comment in comments)]:
        content[0].ContentSequence.append(
            sr.TextContentItem(name, text, relationship_type=sr.RelationshipTypeValues.CONTAINS)
        )
    return content


def _finding(result: Result, evidence: Evidence) -> Group:
    """Whether the ligament is abnormal, and ruptured if the classes tell this; the grade and all probabilities.

    Its outline is the region's in the decisive slice, or what the model looked at if there is no region.
    """
    codes, said, index = result.codes, result.answer["result"], result.decisive(evidence)
    healthy, predicted, chances = said["classes"][0], said["predicted"], said["probabilities"]
    evaluations = [
        (codes.abnormality, codes.absent if predicted == healthy else codes.present),
        (codes.predicted_grade, codes.grades[predicted]),
    ]
    if any(RUPTURED.get(name) for name in said["classes"]):
        presences = {True: codes.present, False: codes.absent, None: codes.undetermined}
        evaluations.append((codes.finding, presences[RUPTURED.get(predicted)]))
    measured = [(codes.probability, 1 - chances[healthy])]
    measured += [(codes.probability_of(name), chance) for name, chance in chances.items()]
    outline = evidence.outline(index) if evidence.has_region else evidence.examined(index)
    return group(
        result,
        "ACL abnormality",
        in_slice(result, index, "POLYLINE", outline),
        codes.abnormality,
        [sr.Measurement(name, 100 * chance, standard.UCUM.Percent) for name, chance in measured],
        evaluations,
    )


def _places(result: Result, evidence: Evidence) -> Iterator[Group]:
    """The peak, and the outline of the region in the peak's slice, if evidence reaches the threshold."""
    codes, bounds = result.codes, evidence.bounds
    if not evidence.has_region or bounds.threshold is None:
        return
    index, row, column = evidence.peak
    quantity = codes.quantity(result.answer["explanation"]["method"])
    places = [
        ("ACL evidence peak", "POINT", np.array([(column + 0.5, row + 0.5)]), quantity, bounds.peak),
        (TRACKED, "POLYLINE", evidence.outline(index), codes.threshold, bounds.threshold),
    ]
    for tracked, shape, points, name, value in places:
        measured = [sr.Measurement(name, bounds.density(value), DENSITY)]
        yield group(result, tracked, _in_patient(result, index, shape, points), codes.region, measured)


def in_slice(result: Result, index: int, shape: str, points: Points) -> sr.ImageRegion:
    """Points of a slice, as coordinates of its image (SCOORD)."""
    image = result.images[index]
    frames = [int(image.ReferencedFrameNumber)] if "ReferencedFrameNumber" in image else None
    return sr.ImageRegion(shape, points, sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, frames))


def _in_patient(result: Result, index: int, shape: str, points: Points) -> sr.ImageRegion | sr.ImageRegion3D:
    """The same in the patient's coordinates (SCOORD3D), if the images name a frame of reference.

    An outline is a closed POLYLINE, because OHIF knows no POLYGON.
    """
    if not result.is_placed:
        return in_slice(result, index, shape, points)
    placed = result.in_patient(index, points - 0.5)
    return sr.ImageRegion3D(shape, placed, result.images[index].FrameOfReferenceUID)


def group(
    result: Result,
    tracked: str,
    place: sr.ImageRegion | sr.ImageRegion3D,
    finding: CodedConcept,
    measurements: list[sr.Measurement],
    evaluations: list[tuple[CodedConcept, CodedConcept]] | None = None,
    side: Laterality | None = None,
    by_model: bool = True,
) -> Group:
    """A group of measurements with a place (TID 1410)."""
    codes, bundle = result.codes, result.answer["bundle"]
    return Group(
        tracking_identifier=sr.TrackingIdentifier(*result.tracking(tracked)),
        referenced_region=place,
        finding_type=finding,
        finding_sites=[sr.FindingSite(codes.finding_site, laterality=codes.side(side or result.volume.laterality))],
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{MANUFACTURER} {result.model}",
            version=VERSION,
            parameters=[f"bundle sha256 {bundle['sha256']}", f"route {bundle['route']}", NOTICE],
        )
        if by_model
        else None,
        measurements=measurements,
        qualitative_evaluations=[sr.QualitativeEvaluation(*pair) for pair in evaluations or []],
    )
