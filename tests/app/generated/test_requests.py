"""Requests that schemathesis generates from the OpenAPI document, against a running service.

No 5xx, and nothing that the document doesn't announce. If CRUCIATE_LONG is set, there are many more of them.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import RunningService, serving
from app.http.keys import PROTECTED
from app.store.keys import SCOPES, create
from app.store.opening import open_database
from tests.app.announced import operations
from tests.app.dicomweb.messages import RELATED, body
from tests.app.generated.hooks import STUDY as FILES_OF
from tests.app.server.raw import Answer, asked
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

LONG = bool(os.environ.get("CRUCIATE_LONG"))
EXAMPLES, PHASES = (20, "examples,coverage,fuzzing,stateful") if LONG else (8, "fuzzing")
STUDY, SERIES = "2.25.7", "2.25.8"
# Studies and predictions that nothing but a DELETE asks for.
DOOMED = 3
# Bulk data: its value is longer than those in metadata.
IMAGE_COMMENTS = "00204000"
SEED = 14
USUALLY = 0.95
# Of what schemathesis says; bodies are long.
LINE = 300
BUNDLE = ROOT / "models" / "bundles" / "demo"
# A request that fits the document may be refused all the same: bytes can be any, a bundle or a class must exist, any
# type may be asked for, and a line may be too long. What doesn't fit must be refused.
REFUSED = ["400", "404", "406", "409", "413", "414", "415", "422", "431"]
EXPECTED = {"positive_data_acceptance": ["2xx", *REFUSED], "negative_data_rejection": [*REFUSED, "401"]}
# A search in a study that was deleted finds nothing: 204 (PS3.18 8.3.4). To schemathesis, the study is still there.
SEARCHES = "include-path-regex = '^/dicom-web/.*(series|instances)$'"
# What nobody owns has no owner to check.
EXCLUDED = "object_level_authorization"

# Values of parameters, by where they stand and their name.
Values = dict[str, list]


class Served:
    """A service with its keys and what it holds.

    Attributes:
        service: The service.
        keys: A key by the scopes that it has: one for each scope, and one for all.
        values: What parameters mostly are.
        elsewhere: Other values for some operations, with the choice of these operations.
    """

    def __init__(self, service: RunningService, keys: dict[str, str]) -> None:
        self.service, self.keys = service, keys
        study = self._store(instances(voxels(), STUDY, SERIES, ImageComments="long " * 300))
        ids = [self._predict(study_zip(0)), self._predict(zipped(instances(0 * voxels())))]
        reviews = [self._review(ids[0])]
        self.values: Values = {
            "path.review": reviews,
            "path.id": ids,
            "path.study": [study],
            "path.series": [SERIES],
            "path.instance": [f"{SERIES}.1", f"{SERIES}.2"],
            "path.name": [BUNDLE.name],
            "path.part": ["docs.js", "swagger-ui.css"],
            "path.index": [0, 13],
            "path.number": [1],
            "path.numbers": ["1", "1,1"],
            "path.attribute": [IMAGE_COMMENTS],
            "query.bundle": [BUNDLE.name],
            "query.class": ["healthy"],
            "query.after": [ids[0], f"{ids[0]}@this service"],
        }
        studies = [self._store(instances(voxels(9), f"2.25.6{number}", f"2.25.50{number}")) for number in range(DOOMED)]
        doomed = [self._predict(study_zip(3 + number)) for number in range(DOOMED)]
        self.elsewhere = [
            ('include-method = "DELETE"', {"path.id": doomed, "path.study": studies}),
            ('include-operation-id = "post_dicomweb_stow_store_in_study"', {"path.study": [FILES_OF]}),
        ]

    def ask(self, method: str, path: str, key: str | None, content: bytes = b"", *headers: str) -> Answer:
        """The answer to a request with a key."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(content)}"]
        lines += [f"X-API-Key: {key}"] if key else []
        return asked(self.service.port, "\r\n".join([*lines, *headers, "", ""]).encode() + content)

    def _store(self, files: list[bytes]) -> str:
        answer = self.ask("POST", "/dicom-web/studies", self.key, body(files), f"Content-Type: {RELATED}")
        assert answer.status == 200
        return re.search(r"/studies/([0-9.]+)", answer.content.decode())[1]

    def _predict(self, study: bytes) -> str:
        headers = "Content-Type: application/zip", "Prefer: respond-async"
        answer = self.ask("POST", "/v1/predictions", self.key, study, *headers)
        assert answer.status in (201, 202), answer
        return answer.headers["location"].rpartition("/")[2]

    def _review(self, id_: str) -> str:
        """Id of a review in which something is drawn."""
        content = json.dumps({"verdict": "agree", "mask": [{"slice": 3, "runs": [100, 9]}]}).encode()
        sent = f"/v1/predictions/{id_}/reviews", self.key, content, "Content-Type: application/json"
        while (answer := self.ask("POST", *sent)).status == 409:  # it is still being computed
            time.sleep(0.1)
        assert answer.status == 201, answer
        return answer.headers["location"].rpartition("/")[2]

    @property
    def key(self) -> str | None:
        """The key with every scope, if there are keys."""
        return self.keys.get("every")

    def document(self) -> dict[str, Any]:
        return json.loads(self.service.ask("GET", "/openapi.json"))


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def served(request, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("generated")
    keys = {}
    if request.param == "with keys":
        database = open_database("", folder / "var")
        scopes = {scope: [scope] for scope in SCOPES} | {"every": [*SCOPES]}
        keys = {name: create(database, name, allowed, None) for name, allowed in scopes.items()}
        database.close()
    # Each request comes from another address, so that no wrong key is slowed down.
    variables = {"CRUCIATE_TRUSTED_PROXIES": "127.0.0.1", "CRUCIATE_QUIET_S": "1"}
    with serving(BUNDLE, folder, **variables) as service:
        service.wait_until_ready()
        yield Served(service, keys)
        log = service.log.read_text()
    assert "Traceback" not in log
    assert re.findall(r"^\S+ \S+ (?:ERROR|CRITICAL) .*", log, re.MULTILINE) == []


def configured(served: Served, folder: Path) -> Path:
    """schemathesis' configuration: values that exist, and the key."""
    text = f"[parameters]\n{drawn(served.values)}"
    for at, (chosen, values) in enumerate(served.elsewhere, start=1):
        text += f"[[operations]]\n{chosen}\n[operations.parameters]\n{drawn(values, at)}"
    text += f"[[operations]]\n{SEARCHES}\n[operations.checks]\nuse_after_free.enabled = false\n"
    for at, values in enumerate((served.values, *(values for _, values in served.elsewhere))):
        text += "".join(
            f'[dictionaries."{name}{at}"]\nvalues = {json.dumps(listed)}\n' for name, listed in values.items()
        )
    text += "".join(f"[checks.{name}]\nexpected-statuses = {json.dumps(some)}\n" for name, some in EXPECTED.items())
    # Keys that schemathesis makes up would be all that is asked; that none is taken, `ignored_auth` asks.
    text += "[generation]\nwith-security-parameters = false\n"
    if served.key:
        text += f'[auth.openapi.key]\napi_key = "{served.key}"\n'
    path = folder / "schemathesis.toml"
    path.write_text(text)
    return path


def drawn(values: Values, at: int = 0) -> str:
    """Which parameters mostly have one of these values."""
    return "".join(f'"{name}" = {{dictionary = "{name}{at}", probability = {USUALLY}}}\n' for name in values)


def test_no_generated_request_is_answered_in_an_undocumented_way(served, tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configured(served, tmp_path)), "run"]
    command += [f"http://127.0.0.1:{served.service.port}/openapi.json", "--checks", "all", "--exclude-checks", EXCLUDED]
    command += ["--phases", PHASES, "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-shrink"]
    command += ["--continue-on-failure", "--report", "json", "--report-json-path", str(report)]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.app.generated.hooks",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace")
    told = json.loads(report.read_text())
    story = "\n".join(line[:LINE] for line in said.stdout.splitlines() if line.strip())
    assert told["failures"] == [], story
    assert (said.returncode, told["errors"], told["stop_reason"]) == (0, [], "completed"), story
    print(told["test_cases"], told["running_time"])
    assert told["test_cases"]["generated"] > 200
    # Otherwise nothing but 404 may have been asked for.
    reached = {name for name, phases in told["valid_rates"].items() if any(one["accepted"] for one in phases.values())}
    every = {" ".join(operation["at"]) for operation in operations(served.document()).values()}
    # schemathesis itself has read the document. In the long run, early requests delete what others would ask for.
    assert LONG or reached == every - {"GET /openapi.json"}


def test_every_operation_needs_a_key_and_the_scope_that_the_document_names(served):
    if not served.keys:
        pytest.skip("there are no keys")
    for number, operation in enumerate(operations(served.document()).values()):
        method, path = operation["at"][0], re.sub(r"{\w+}", "1", operation["at"][1])
        protected = path.startswith(PROTECTED)
        answer = served.ask(method, path, None)
        assert (answer.status == 401) == protected, path
        if not protected:
            continue
        assert {"401", "403"} <= operation["responses"].keys()
        assert answer.problem
        assert answer.headers["www-authenticate"].startswith("bearer")
        wrong = served.ask(method, path, "a-key-that-nobody-has-made", b"", f"X-Forwarded-For: 10.9.8.{number}")
        assert wrong.status == 401
        ((scope,),) = {tuple(names or [None]) for one in operation["security"] for names in one.values()}
        for name in SCOPES:
            status = served.ask(method, path, served.keys[name]).status
            assert (status == 403) == (scope not in (name, None)), (method, path, name)
