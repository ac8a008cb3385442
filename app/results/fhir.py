"""The answer as FHIR R4B resources, for systems that take no DICOM: one collection with the patient, the imaging study,
the model, the predicted grade (Observation) and a DiagnosticReport that refers to them.

Elements are those of hl7.org/fhir/R4B; how DICOM attributes become elements is in its page of ImagingStudy. The same
answer always gives the same resources.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import Any

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM, PersonName

from app.contract.json_text import Json
from app.contract.version import VERSION
from app.results.common import MANUFACTURER, NAMESPACE, NOTICE, Answered

# Coding schemes of DICOM as FHIR names them (hl7.org/fhir/R4B/terminologies-systems.html). A scheme that isn't here is
# a site's own, or private.
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://radlex.org",
}
OTHER_SYSTEM = "urn:cruciate:scheme:{}"
HL7 = "http://terminology.hl7.org/CodeSystem/{}"
GENDERS = {"M": "male", "F": "female", "O": "other"}
# The status of what no person has verified.
STATUS = "preliminary"


def fhir(answered: Answered) -> Json:
    """Make the resources.

    Args:
        answered: The answer, and what its slices say of the patient, the study and the order.

    Returns:
        A Bundle of type `collection`, as JSON. Its resources refer to each other by `urn:uuid:`.
    """
    from fhir.resources.R4B.bundle import Bundle  # its import takes most of a second

    entries = [
        _entry(answered, "Patient", _patient(answered.origins[0])),
        _entry(answered, "Device", _device(answered)),
        _entry(answered, "ImagingStudy", _study(answered)),
        _entry(answered, "Observation", _observation(answered)),
        _entry(answered, "DiagnosticReport", _report(answered)),
    ]
    bundle = Bundle.model_validate(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": _url(answered, "Bundle")},
            "timestamp": answered.created.isoformat(),
            "entry": entries,
        }
    )
    document: Json = bundle.model_dump(mode="json")
    return document


def _patient(origin: Dataset) -> Json:
    identifier: Json = {"value": str(origin.PatientID)}
    if origin.get("IssuerOfPatientID"):
        identifier["assigner"] = {"display": str(origin.IssuerOfPatientID)}
    return {
        "identifier": [identifier] if origin.PatientID else None,
        "name": list(_names(origin.PatientName)),
        "gender": GENDERS.get(origin.PatientSex),
        "birthDate": _date(origin.PatientBirthDate),
    }


def _names(name: PersonName) -> Iterator[Json]:
    """A name for each component group (PS3.5 6.2): alphabetic, ideographic, phonetic."""
    for group in str(name).split("="):
        family, given, middle, prefix, suffix = (part.strip() for part in (group.split("^") + [""] * 5)[:5])
        text = " ".join(part for part in (prefix, given, middle, family, suffix) if part)
        if text:
            yield {
                "text": text,
                "family": family or None,
                "given": [part for part in (given, middle) if part],
                "prefix": [prefix] if prefix else None,
                "suffix": [suffix] if suffix else None,
            }


def _device(answered: Answered) -> Json:
    return {
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": f"{MANUFACTURER} {answered.model}", "type": "model-name"}],
        "version": [{"value": VERSION}],
        "serialNumber": answered.answer["bundle"]["sha256"],
        "note": [{"text": f"{NOTICE}. Trained on: {answered.answer['bundle']['trained_on']}."}],
    }


def _study(answered: Answered) -> Json:
    origin, images = answered.origins[0], answered.origins
    instances = {
        image.SOPInstanceUID: {"uid": image.SOPInstanceUID, "sopClass": _coding("urn:ietf:rfc:3986", _oid(image))}
        for image in images
    }
    series = {
        "uid": origin.SeriesInstanceUID,
        "modality": _coding(SYSTEMS["DCM"], "MR"),
        "numberOfInstances": len(instances),
        "bodySite": _concept(answered.codes.finding_site)["coding"][0],
        "laterality": _side(answered),
        "instance": list(instances.values()),
    }
    return {
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{origin.StudyInstanceUID}"}, *_accession(origin)],
        "subject": _reference(answered, "Patient"),
        "started": _started(answered),
        "basedOn": _requests(origin),
        "description": origin.get("StudyDescription"),
        "procedureCode": [_concept(code) for code in origin.get("ProcedureCodeSequence", ())],
        "series": [series],
    }


def _observation(answered: Answered) -> Json:
    said, codes = answered.answer["result"], answered.codes
    probabilities = [
        {
            "code": _concept(codes.grades[name]),
            "valueQuantity": {"value": probability, "system": SYSTEMS["UCUM"], "code": "1", "unit": "probability"},
        }
        for name, probability in said["probabilities"].items()
    ]
    side = _side(answered)
    return {
        "status": STATUS,
        "category": [_category()],
        "code": _concept(codes.predicted_grade),
        "subject": _reference(answered, "Patient"),
        "effectiveDateTime": _started(answered),
        "issued": answered.created.isoformat(),
        "device": _reference(answered, "Device"),
        "derivedFrom": [_reference(answered, "ImagingStudy")],
        "bodySite": {"coding": [*_concept(codes.finding_site)["coding"], *([side] if side else [])]},
        "valueCodeableConcept": _concept(codes.grades[said["predicted"]]),
        "component": probabilities,
        "note": [{"text": text} for text in (f"{NOTICE}.", *_at_point(said), *_messages(answered))],
    }


def _at_point(said: Json) -> list[str]:
    """Whether the knee is positive at the operating point, if there is one."""
    return [said["operating_point"]["message"]] if "operating_point" in said else []


def _messages(answered: Answered) -> list[str]:
    return [warning["message"] for warning in answered.answer["warnings"]]


def _report(answered: Answered) -> Json:
    said, origin = answered.answer["result"], answered.origins[0]
    predicted = said["predicted"]
    conclusion = f"Predicted: {predicted}, probability {said['probabilities'][predicted]:.3f}. {NOTICE}."
    procedures = origin.get("ProcedureCodeSequence") or [answered.codes.procedure]
    return {
        "status": STATUS,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(conclusion)}</p></div>',
        },
        "identifier": [{"system": "urn:cruciate:prediction", "value": answered.answer["id"]}],
        "basedOn": _requests(origin),
        "category": [_category()],
        "code": _concept(procedures[0]) | {"text": "Prediction of ACL injury on a knee MRI"},
        "subject": _reference(answered, "Patient"),
        "effectiveDateTime": _started(answered),
        "issued": answered.created.isoformat(),
        "result": [_reference(answered, "Observation")],
        "imagingStudy": [_reference(answered, "ImagingStudy")],
        "conclusion": conclusion,
        "conclusionCode": [_concept(answered.codes.grades[predicted])],
    }


def _category() -> Json:
    return {"coding": [_coding(HL7.format("v2-0074"), "RAD", "Radiology")]}


def _requests(origin: Dataset) -> list[Json]:
    """The orders that the study names, by their identifiers: the resources are in another system."""
    identifiers = (str(one.get("RequestedProcedureID", "")) for one in origin.get("RequestAttributesSequence", ()))
    return [{"type": "ServiceRequest", "identifier": {"value": one}} for one in identifiers if one]


def _accession(origin: Dataset) -> list[Json]:
    if not origin.AccessionNumber:
        return []
    kind = {"coding": [_coding(HL7.format("v2-0203"), "ACSN", "Accession ID")]}
    return [{"type": kind, "value": str(origin.AccessionNumber)}]


def _side(answered: Answered) -> Json | None:
    side = answered.codes.side(answered.answer["study"]["laterality"])
    return None if side is None else _concept(side)["coding"][0]


def _concept(code: CodedConcept | Dataset) -> Json:
    """A DICOM code (PS3.3 8.8) as a CodeableConcept."""
    scheme = str(code.CodingSchemeDesignator)
    system = SYSTEMS.get(scheme, OTHER_SYSTEM.format(scheme))
    return {"coding": [_coding(system, str(code.CodeValue), str(code.CodeMeaning))]}


def _coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code, "display": display}


def _oid(image: Dataset) -> str:
    return f"urn:oid:{image.SOPClassUID}"


def _started(answered: Answered) -> str | None:
    """Date and time of the study, only the date if its minutes aren't known; None without a date."""
    origin = answered.origins[0]
    day = _date(origin.StudyDate)
    if day is None or len(origin.StudyTime) < len("hhmm"):
        return day
    time = TM(origin.StudyTime).replace(microsecond=0)
    return datetime.combine(DA(origin.StudyDate), time, answered.zone).isoformat()


def _date(text: str) -> str | None:
    day = DA(text) if text else None
    return day.isoformat() if day else None


def _entry(answered: Answered, kind: str, content: Json) -> Json:
    """A resource with its address. Elements without a value are left out."""
    known: dict[str, Any] = {name: value for name, value in content.items() if value not in (None, [])}
    return {"fullUrl": _url(answered, kind), "resource": {"resourceType": kind} | known}


def _reference(answered: Answered, kind: str) -> Json:
    return {"reference": _url(answered, kind), "type": kind}


def _url(answered: Answered, kind: str) -> str:
    return uuid.uuid5(NAMESPACE, f"fhir/{kind}/{answered.answer['id']}").urn
