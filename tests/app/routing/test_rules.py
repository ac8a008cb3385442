import pytest

from app.routing.rules import Rules, RulesError
from app.service.environment import SettingsError
from app.service.settings import Settings
from tests.conftest import ROOT

NO_CALLER = {"caller": frozenset()}
ALL = """
[[rule]]
name = "from the first scanner"
caller = "MR1"
description = ["*knee*", "*genou*"]
bundle = "mrnet"

[[rule]]
name = "knees"
body_part = "KNEE"
targets = ["dicom://PACS@pacs:104"]

[[rule]]
name = "brackets stand for themselves"
station = "A[1]"

[[rule]]
name = "the rest"
ignore = true
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> Rules:
        path = tmp_path / "rules.toml"
        path.write_text(text, encoding="utf-8")
        return Rules.read(path)

    return read


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"caller": {"MR1"}, "description": {"MR Knee right"}}, "from the first scanner"),
        ({"caller": {"mr1", "MR2"}, "description": {"T1", "GENOU"}}, "from the first scanner"),
        ({"caller": {"MR10"}, "description": {"MR Knee"}}, "the rest"),
        ({"caller": {"MR1"}, "description": {"hip"}, "body_part": {"KNEE "}}, "knees"),
        ({"caller": {"MR1"}, "description": {"knee"}, "body_part": {"KNEE"}}, "from the first scanner"),
        ({"station": {"A[1]"}}, "brackets stand for themselves"),
        ({"station": {"A1"}}, "the rest"),
        ({}, "the rest"),
    ],
)
def test_the_first_rule_that_matches_is_followed(read, facts, name):
    assert read(ALL).first({key: frozenset(values) for key, values in facts.items()}).name == name


def test_without_a_rule_that_matches_nothing_is_chosen(read):
    assert read('[[rule]]\nname = "a"\ncaller = "MR1"').first(NO_CALLER) is None
    assert read("").first(NO_CALLER) is None


def test_the_example_of_the_page_can_be_used(read):
    page = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
    rules = read(page.split("```toml\n")[1].split("```")[0])
    assert [rule.ignore for rule in rules.rule] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule", "can't be read as TOML"),
        ('rule = "x"', "every rule begins with"),
        ('[[rules]]\nname = "a"', "rules: .*every rule begins with"),
        ('[[rule]]\ncaller = "x"', "rule number 1: name: Field required"),
        ('[[rule]]\nname = "a"\ncaler = "x"', "rule 'a': caler: Extra inputs"),
        ('[[rule]]\nname = "a"\ncaller = 5', "rule 'a': caller:"),
        ('[[rule]]\nname = "a"\ncaller = []', "rule 'a': caller:"),
        ('[[rule]]\nname = "a"\ncaller = ""', "rule 'a': caller:"),
        ('[[rule]]\nname = "a"\nignore = "perhaps"', "rule 'a': ignore:"),
        ('[[rule]]\nname = "a"\ncaller = "x"\n[[rule]]\nname = "a"', "two rules with the name 'a'"),
        ('[[rule]]\nname = "a"\n[[rule]]\nname = "b"', "rule 'b' is never reached, because rule 'a' matches"),
        ('[[rule]]\nname = "a"\nignore = true\nbundle = "x"', "rule 'a' ignores studies"),
        ('[[rule]]\nname = "a"\nignore = true\ntargets = []', "rule 'a' ignores studies"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_rule(read, text, said):
    with pytest.raises(RulesError, match=said) as error:
        read(text)
    assert "\n" not in str(error.value)


def start(tmp_path, text: str, **variables: str) -> Settings:
    (tmp_path / "mrnet").mkdir()
    (tmp_path / "mrnet" / "manifest.json").touch()
    path = tmp_path / "rules.toml"
    path.write_text(text)
    ours = {"CRUCIATE_BUNDLES": str(tmp_path / "mrnet"), "CRUCIATE_RULES": str(path)}
    return Settings.from_environment(ours | {"CRUCIATE_TARGETS": "https://a:b@pacs/dicom-web"} | variables)


def test_the_service_starts_with_rules_that_name_what_there_is(tmp_path):
    text = '[[rule]]\nname = "a"\nbundle = "mrnet"\ntargets = ["https://pacs/dicom-web"]'
    assert [rule.name for rule in start(tmp_path, text).rules.rule] == ["a"]


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        ('bundle = "other"', {}, "CRUCIATE_RULES: rule 'a' names the bundle 'other', which isn't served"),
        ('targets = ["https://elsewhere"]', {}, "CRUCIATE_RULES: rule 'a' names the target 'https://elsewhere'"),
        (
            'station = "x"',
            {"CRUCIATE_TARGETS": "", "CRUCIATE_DEIDENTIFY": "basic", "CRUCIATE_DEIDENTIFY_KEY": "k" * 32},
            "CRUCIATE_DEIDENTIFY removes the names of stations, so rule 'a'",
        ),
        ("", {"CRUCIATE_RULES": "/nowhere.toml"}, "CRUCIATE_RULES: /nowhere.toml can't be read"),
    ],
)
def test_the_service_does_not_start_with_a_mistake(tmp_path, text, variables, said):
    with pytest.raises(SettingsError, match=said):
        start(tmp_path, f'[[rule]]\nname = "a"\n{text}', **variables)
