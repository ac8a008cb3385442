"""The answer as a Comprehensive 3D SR, by TID 1500 Measurement Report (PS3.16): one group of measurements for the
finding, and one for each class."""

from highdicom import sr
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes as standard

from app.contract.version import VERSION
from app.results.codes import PRIVATE_SCHEME
from app.results.common import MANUFACTURER, NOTICE, Result, finish, instances, uid

# The classes of all label schemes in which fibres are torn. The rupture's probability is the sum of theirs.
RUPTURED = frozenset({"unhealthy", "partial rupture or strain", "complete rupture"})


def report(result: Result) -> bytes:
    """Make the report: probability of each class, predicted grade, site and side, the algorithm, and every slice."""
    dataset = sr.Comprehensive3DSR(
        evidence=instances(result.images),
        content=_content(result)[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[PRIVATE_SCHEME],
        **result.series("sr"),
    )
    return finish(dataset, result)


def _content(result: Result) -> sr.MeasurementReport:
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
        imaging_measurements=[_finding(result), *(_grade(result, name) for name in result.answer["result"]["classes"])],
    )
    for text in (f"{NOTICE}.", *(warning["message"] for warning in result.answer["warnings"])):
        content[0].ContentSequence.append(
            sr.TextContentItem(codes.comment, text, relationship_type=sr.RelationshipTypeValues.CONTAINS)
        )
    return content


def _finding(result: Result) -> sr.MeasurementsAndQualitativeEvaluations:
    """Whether there is a rupture, and the predicted grade."""
    codes, said = result.codes, result.answer["result"]
    ruptured = sum(value for name, value in said["probabilities"].items() if name in RUPTURED)
    presence = codes.present if said["predicted"] in RUPTURED else codes.absent
    evaluations = [(codes.finding, presence), (codes.predicted_grade, codes.grades[said["predicted"]])]
    group = _group(result, "ACL rupture", codes.finding, min(ruptured, 1.0), evaluations)
    group[0].ContentSequence.extend(_sources(result))
    return group


def _sources(result: Result) -> list[sr.SourceImageForMeasurementGroup]:
    """Every slice that was predicted on. The frames of an enhanced instance are in one item."""
    frames: dict[str, list[int]] = {image.SOPInstanceUID: [] for image in result.images}
    for image in result.images:
        if "ReferencedFrameNumber" in image:
            frames[image.SOPInstanceUID].append(int(image.ReferencedFrameNumber))
    return [
        sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID, frames[image.SOPInstanceUID] or None)
        for image in instances(result.images)
    ]


def _grade(result: Result, name: str) -> sr.MeasurementsAndQualitativeEvaluations:
    probability = result.answer["result"]["probabilities"][name]
    return _group(result, f"ACL: {name}", result.codes.grades[name], probability)


def _group(
    result: Result,
    tracked: str,
    finding: CodedConcept,
    probability: float,
    evaluations: list[tuple[CodedConcept, CodedConcept]] | None = None,
) -> sr.MeasurementsAndQualitativeEvaluations:
    """A group of measurements (TID 1501). The tracking identifiers are the same for every model on this series."""
    codes, bundle = result.codes, result.answer["bundle"]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid("tracking", result.volume.series_uid, tracked), tracked),
        finding_type=finding,
        finding_sites=[sr.FindingSite(codes.finding_site, laterality=codes.side(result.volume.laterality))],
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{MANUFACTURER} {result.model}",
            version=VERSION,
            parameters=[f"bundle sha256 {bundle['sha256']}", f"route {bundle['route']}", NOTICE],
        ),
        measurements=[sr.Measurement(codes.probability, probability, standard.UCUM.NoUnits)],
        qualitative_evaluations=[sr.QualitativeEvaluation(*pair) for pair in evaluations or []],
    )
