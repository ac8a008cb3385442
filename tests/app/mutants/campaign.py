"""Many mutants, one after another, against a service that is watched; what came back, and what was wrong with it."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from app.client import RunningService, serving
from tests.app.mutants.damage import TEXT
from tests.app.mutants.sending import Answer, Sender, mutant
from tests.app.mutants.sources import NAME, Source, sources
from tests.app.mutants.watching import Watch
from tests.conftest import ROOT

BUNDLE = ROOT / "models" / "bundles" / "demo"
# How long an answer may take. A slow one is asked for again: machines are slow at times, costly mutants always.
SLOW_S, AGAIN = 5.0, 2
# Numbers of seven digits for UIDs.
FIRST, FURTHER = 1_000_000, 1_000_000
ERRORS = re.compile(r"^\S+ \S+ (?:ERROR|CRITICAL) .*|.*Traceback.*", re.MULTILINE)


@dataclass
class Outcome:
    """What a campaign has seen.

    Attributes:
        statuses: How many answers by request and status.
        seconds: How long each answer took.
        faults: What is wrong, a sentence for each; empty if all is well.
        watch: What the service cost.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    watch: Watch | None = None

    def count(self, answer: Answer) -> None:
        """Add an answer."""
        self.statuses[f"{answer.asked.partition(';')[0]} {answer.status}"] += 1
        self.seconds.append(answer.seconds)

    def text(self) -> str:
        """The figures for people."""
        ordered = sorted(self.seconds)
        lines = [f"{count:7,}  {what}" for what, count in sorted(self.statuses.items())]
        lines += [f"{len(ordered):7,}  requests, {sum(ordered):.0f} s"]
        lines += [f"slowest {ordered[-1]:.2f} s, 99 % under {ordered[len(ordered) * 99 // 100]:.2f} s"]
        if self.watch:
            peaks = ", ".join(f"{name} {peak >> 10} MB" for name, peak in self.watch.peaks.items())
            lines += [f"memory: {self.watch.most >> 10} MB together, peaks: {peaks}"]
            lines += [f"/healthz: slowest {self.watch.slowest_health_s:.2f} s"]
        return "\n".join([*lines, *(f"FAULT {fault}" for fault in self.faults)])


def campaign(count: int, seed: int, scratch: Path) -> Outcome:
    """Send this many mutants to a service on an empty folder."""
    outcome, studies = Outcome(), sources()
    with serving(BUNDLE, scratch, CRUCIATE_QUIET_S="1") as service:
        service.wait_until_ready()
        sender = Sender(service.port, json.loads(service.ask("GET", "/openapi.json")))
        with Watch(service) as outcome.watch:
            for number in range(count):
                for answer in sender.send(mutant(seed, number, studies, FIRST + number)):
                    outcome.count(answer)
                    if answer.fault:
                        outcome.faults.append(f"{number}: {answer.asked}: {answer.fault}")
                    if answer.seconds > SLOW_S and _is_slow(sender, seed, number, studies):
                        outcome.faults.append(f"{number}: {answer.asked}: {answer.seconds:.1f} s")
        outcome.faults += [f"/healthz: {said}" for said in outcome.watch.unhealthy]
        outcome.faults += _in_log(service)
    if service.process.returncode:
        outcome.faults.append(f"the service ended with {service.process.returncode}")
    return outcome


def _is_slow(sender: Sender, seed: int, number: int, studies: list[Source]) -> bool:
    """Whether the same mutant, with UIDs that aren't known yet, is slow again each time."""
    for again in range(1, AGAIN + 1):
        known_as = FIRST + again * FURTHER + number
        if all(answer.seconds <= SLOW_S for answer in sender.send(mutant(seed, number, studies, known_as))):
            return False
    return True


def _in_log(service: RunningService) -> list[str]:
    """Lines of the log that tell of a fault of the service, or that quote a mutant."""
    log = service.log.read_bytes()
    quoted = [word for word in (TEXT, *NAME.encode().split(b"^")) if word in log]
    faults = [f"the log quotes {word!r}" for word in quoted]
    if not log.isascii():
        faults.append("the log has bytes that aren't ASCII")
    return faults + [f"the log: {line}" for line in dict.fromkeys(ERRORS.findall(log.decode(errors="replace")))]
