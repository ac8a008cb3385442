"""Descriptions in the languages that scanners are sold with: is fat suppressed, does the sentence deny it?"""

import pytest

from data_prep.selection.wording import LONGEST_TEXT, WORDS, phrases, plain, suppression

YES = """
PD FS|SAG PD FATSAT|Sag PD Fat Sat|fat-sat|PD F/S|PDFS|PDfsSag|sagpdfs|T2FS|tse_fs
Sag PD FAT SUPPRESSED|fat supp|fatsuppressed|PD SPIR|PDW_SPAIR|STIR sag|tirm_sag|TIR|PD SPECIAL
CHESS|ChemSat|chem sat|ProSet|WATSc|3D_WATSf|t1_fl3d_we|water excitation|DESS WE|PD w/ FS|w/fs
FS w/o contrast|PD FS ohne KM|no phase wrap FS|T2WI FS(+)|NPW FS|PD FS post Gd|PD fettgesättigt
fettunterdrückt|Fettsättigung|fett-sat|saturation de graisse|saturation de la graisse
sat graisse|supresión grasa|con supresión de grasa|saturación grasa|saturação de gordura
sat gordura|soppressione del grasso|sat. grasso|vetsat|vetonderdrukking|saturacja tłuszczu
z supresją tłuszczu|PD с жироподавлением|подавление жира|yağ baskılı|脂肪抑制|T2 脂肪抑制 矢状断|压脂|矢状位压脂
抑脂|지방억제|fedtsat|fettundertryckt
Sag PD F.S.|PD矢状位FS|PD Q-FAT|lipid sat|zsírelnyomás|sop grasso
PD_FS_0.5mm|PD FS 0.4|pd_tse_fs_0.3x0.3x3_sag|PD FS 0 GAP|PD FS 0 deg|SAG NO ANGLE PD FS|Sag no obl PD FS
non-oblique sag PD FS|NON-ISO PD FS|PD w/o ipat FS|PD FS none contrast|PD FS 无造影|DP SAT G|DP Sat.G.|PD mFS|PD c/ FS
"""
NO = """
no FS|non FS|nonFS|NOFS|non-fat-sat|PD no fat sat|PD without FS|PD without fat suppression
without any fat sat|w/o FS|PD_w/o_fs|w/oFS|wo FS|not fat suppressed|FS off|fatsat off
fat sat: none|FS(-)|T2WI FS(-)|PDNOFS|PD_TSE_NO_FS|fat sat no|PD ohne FS|ohne Fettsättigung
nicht fettgesättigt|FS aus|sans saturation de graisse|pas de FS|sans FS|sin supresión de grasa
sin fat sat|sem saturação de gordura|sem FS|senza soppressione del grasso|senza FS
zonder vetonderdrukking|bez FS|bez saturacji tłuszczu|без жироподавления|без FS|utan fettsat
uden fedtsat|脂肪抑制なし|非压脂|不压脂|无脂肪抑制
DP SAG S/ FS|DP S/ FATSAT|T2 s/ saturacao de gordura|DP ss fatsat|DP SS SAT GRAISSE|PD (FS-)|PD (-FS)|PD FS(−)
PD FS (–)|PD yağ baskısız|yağ baskılamasız PD|PD ilman FS|PD b/FS|б/жироподавления|PD o. FS|PD N-FS|PD N/FS|FS안함
지방억제안함|PD nonfat sat|PD FS 0|FatSat=0
"""
SILENT = "PD FSE SAG|offset test|frfse|T1 SAG|FS3T?|refs|wefts|grasshopper|saturn|pre sat|SAT1"


def cases(text: str) -> list[str]:
    return [case for line in text.split("\n") for case in line.split("|") if case]


@pytest.mark.parametrize("text", cases(YES))
def test_fat_is_suppressed(text):
    assert suppression(plain(text)) == "yes"


@pytest.mark.parametrize("text", cases(NO))
def test_fat_suppression_is_denied(text):
    assert suppression(plain(text)) == "no"


@pytest.mark.parametrize("text", cases(SILENT))
def test_no_word_of_it(text):
    assert suppression(plain(text)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "PD with and without FS",
        "PD mit und ohne FS",
        "FS, no FS",
        "without sharp edges FS",
        "PD FS-",
        "Sag FS -",
        "PD FS- sag",
        "FS W/O",
    ],
)
def test_contradictions_are_unclear(text):
    assert suppression(plain(text)) == "unclear"


def test_plain_words():
    assert plain("  Sag_PD-FS  (T2*) Übersicht ") == " sag pd fs t2star ubersicht "
    assert plain("ＰＤ ＦＳ") == " pd fs "
    assert plain("矢状位压脂") == " 矢状位 压脂 "
    assert plain("") == "  "


@pytest.mark.parametrize("text", ["fs" * 30_000, "a" * 60_000, "no fat " * 9_000, "ﷺ" * 60_000, "w/o " * 15_000])
def test_endless_text_is_read_up_to_a_limit(text):
    assert len(plain(text)) < 20 * LONGEST_TEXT
    assert suppression(plain("PD FS " + text)) in ("yes", "unclear")


def test_the_vocabulary_is_plain_itself():
    for part in ("text", "suppression", "weighting"):
        for name in WORDS[part]:
            for phrase in phrases(part, name):
                assert f" {phrase.replace('*', '')} ".split() == phrase.replace("*", "").split(" "), (
                    part,
                    name,
                    phrase,
                )
                assert "*" not in phrase.rstrip("*"), (part, name, phrase)
