"""Every code that Cruciate's DICOM objects use, and where it comes from. A site can replace them by its own codes.

SCT: SNOMED CT, as DICOM's context groups list them (PS3.16: CID 8134 knee joint, 244 laterality, 240 present,
absent and undetermined, 100 imaging procedure); 239725005 is from SNOMED CT itself. DCM: PS3.16 annex D (CID 217
Visual Explanation for the maps). Neither has codes for grades with the same meaning as the label schemes, and none for
"any abnormality of this ligament" could be verified, so these codes are private. So are those for the ligament itself,
the region above a threshold and the probability of a class.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from data_prep.volume import Laterality

PRIVATE = "99CRUCIATE"
PRIVATE_SCHEME = CodingSchemeIdentificationItem(PRIVATE, name="Cruciate")
# The unit of evidence. UCUM ignores what is in braces.
DENSITY = CodedConcept("{logit}/mm2", "UCUM", "logit/mm2")
# PS3.3 8.1, 8.2: code value and scheme are SH, the meaning is LO (PS3.5 6.2).
LENGTHS = {"value": 16, "scheme": 16, "meaning": 64}


class CodesError(ValueError):
    """A file of codes is invalid. The message gives the reason in one sentence."""


@dataclass(frozen=True)
class Codes:
    """Each field is a table of the file: `[finding]` with `value`, `scheme`, `meaning`; `[grades."minor strain"]`.

    Attributes:
        abnormality: Any injury of the ligament, which is all that a model of two classes knows.
        finding: The rupture, for models that tell it from other injuries.
        finding_site: Where it is looked for.
        operating_point: The sentence that says whether the knee is positive at the operating point.
        ligament: What a reader's segmentation shows.
        region: What the segmentation shows: where the evidence reaches the threshold.
        threshold: The lowest evidence in the region.
        activation: The quantity of an exact map.
        gradient_activation: The quantity of a Grad-CAM map.
        predicted_grade: The name of the model's grade.
        read_grade: The name of a reader's grade.
        grades: By the class names of the label schemes.
    """

    abnormality: CodedConcept
    finding: CodedConcept
    finding_site: CodedConcept
    right: CodedConcept
    left: CodedConcept
    present: CodedConcept
    absent: CodedConcept
    undetermined: CodedConcept
    procedure: CodedConcept
    probability: CodedConcept
    comment: CodedConcept
    operating_point: CodedConcept
    ligament: CodedConcept
    region: CodedConcept
    threshold: CodedConcept
    activation: CodedConcept
    gradient_activation: CodedConcept
    predicted_grade: CodedConcept
    read_grade: CodedConcept
    grades: Mapping[str, CodedConcept]

    def overridden(self, path: Path) -> Self:
        """These codes, replaced by a site's own codes where a TOML file has any.

        Raises:
            CodesError: The file can't be read, or a table is wrong; the message names the first wrong one.
        """
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CodesError(f"{path.name} can't be read as TOML ({type(error).__name__}).") from None
        grades = _concepts(tables.pop("grades", {}), self.grades, "grades.")
        known = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "grades"}
        return replace(self, grades={**self.grades, **grades}, **_concepts(tables, known))

    def side(self, laterality: Laterality) -> CodedConcept | None:
        """The code of a side; None if the side isn't known."""
        return {"L": self.left, "R": self.right}.get(laterality)

    def quantity(self, method: str) -> CodedConcept:
        """The code of what a map of this method shows."""
        return self.gradient_activation if method == "grad-cam" else self.activation

    def probability_of(self, name: str) -> CodedConcept:
        """The code of a class's probability."""
        return CodedConcept(f"P{STANDARD.grades[name].value}", PRIVATE, f"Probability of {name}")


STANDARD = Codes(
    abnormality=CodedConcept("ABNORMAL", PRIVATE, "Abnormality of anterior cruciate ligament"),
    finding=CodedConcept("239725005", "SCT", "Rupture of anterior cruciate ligament"),
    finding_site=CodedConcept("49076000", "SCT", "Knee joint"),
    right=CodedConcept("24028007", "SCT", "Right"),
    left=CodedConcept("7771000", "SCT", "Left"),
    present=CodedConcept("52101004", "SCT", "Present"),
    absent=CodedConcept("272519000", "SCT", "Absent"),
    undetermined=CodedConcept("373068000", "SCT", "Undetermined"),
    procedure=CodedConcept("363679005", "SCT", "Imaging procedure"),
    probability=CodedConcept("122157", "DCM", "Probability"),
    comment=CodedConcept("121106", "DCM", "Comment"),
    operating_point=CodedConcept("111081", "DCM", "CAD Operating Point Description"),
    ligament=CodedConcept("ACL", PRIVATE, "Anterior cruciate ligament"),
    region=CodedConcept("REGION", PRIVATE, "Region of evidence above the threshold"),
    threshold=CodedConcept("THRESHOLD", PRIVATE, "Threshold of evidence"),
    activation=CodedConcept("130402", "DCM", "Class activation"),
    gradient_activation=CodedConcept("130403", "DCM", "Gradient-weighted class activation"),
    predicted_grade=CodedConcept("GRADE", PRIVATE, "Predicted grade of ACL injury"),
    read_grade=CodedConcept("READGRADE", PRIVATE, "Grade of ACL injury by a reader"),
    grades={
        "healthy": CodedConcept("HEALTHY", PRIVATE, "Healthy anterior cruciate ligament"),
        "unhealthy": CodedConcept("UNHEALTHY", PRIVATE, "Injured anterior cruciate ligament"),
        "minor strain": CodedConcept("STRAIN", PRIVATE, "Minor strain of anterior cruciate ligament"),
        "partial rupture or strain": CodedConcept("PARTIAL", PRIVATE, "Partial rupture or strain of ACL"),
        "complete rupture": CodedConcept("COMPLETE", PRIVATE, "Complete rupture of ACL"),
    },
)


def _concepts(tables: object, known: Mapping[str, CodedConcept], prefix: str = "") -> dict[str, CodedConcept]:
    if not isinstance(tables, dict):
        raise CodesError("[grades] must hold a table for each class.")
    for name, table in tables.items():
        if name not in known:
            raise CodesError(f"There is no code [{prefix}{name}]; the codes are: {', '.join(known)}.")
        sound = isinstance(table, dict) and table.keys() == LENGTHS.keys()
        if not sound or not all(_fits(table[part], length) for part, length in LENGTHS.items()):
            lengths = ", ".join(f"{part} of at most {length} characters" for part, length in LENGTHS.items())
            raise CodesError(f"[{prefix}{name}] needs exactly {lengths}.")
    return {name: CodedConcept(table["value"], table["scheme"], table["meaning"]) for name, table in tables.items()}


def _fits(text: object, length: int) -> bool:
    return isinstance(text, str) and 0 < len(text.strip()) <= length and text.isprintable() and "\\" not in text
