"""A search is an `optuna.Study` in a SQL storage. Several processes, on one or more machines, can work on it.

Optuna's heartbeats show which trial's process was killed. The next free process then tries this trial's values again.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import sleep
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

# Seconds between the heartbeats of a process; after the grace time without a heartbeat it counts as killed.
HEARTBEAT_S, GRACE_S = 15, 60
# Seconds between checks whether the other processes' trials are over.
POLL_S = 2.0
# Processes that start at the same time may all create the tables of a new database: all except one fail, and retry.
OPENINGS = 5
# SQLite lets one process write at a time; the others wait up to this time.
LOCK_S = 60
# The attribute of a failed trial that says why. A trial that fails without it was killed.
FAILED = "failed"
# The attribute that counts how often a process was killed while it tried these values. Values that exhaust the
# machine's memory would kill every process, so they aren't tried again after MOST_KILLED times.
KILLED, MOST_KILLED = "killed", 3
SETTINGS = "settings"


class Draws(BaseSampler):
    """Optuna's TPE (Bergstra 2011), seeded for each trial by its number.

    A single process draws the same trials each time. A continued search doesn't repeat the first draws. Processes that
    share a search don't draw the same values.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seed = int(np.random.SeedSequence((self.seed, trial.number)).generate_state(1)[0])
        self.tpe = TPESampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.tpe.sample_independent(study, trial, param_name, param_distribution)


@contextmanager
def open_search(url: str, name: str, minimise: bool, seed: int) -> Iterator[optuna.Study]:
    """Open the search of that name, or make it. Errors of its storage become a ValueError."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _faults_without_secrets(url), _storage(url) as storage:
        yield optuna.create_study(
            storage=storage,
            study_name=name,
            direction="minimize" if minimise else "maximize",
            sampler=Draws(seed),
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )


def claim(study: optuna.Study, settings: Mapping[str, object]) -> None:
    """Record the search's settings. ValueError if a search of this name has other settings."""
    before = study.user_attrs.get(SETTINGS)
    if before is None:
        study.set_user_attr(SETTINGS, dict(settings))
    elif changed := [name for name in {**before, **settings} if before.get(name) != settings.get(name)]:
        raise ValueError(
            f"the search {study.study_name} was started with other {', '.join(changed)}; give another --out"
        )


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count: complete, pruned, or failed for a known reason. Killed trials don't; they are tried again."""
    return [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]


def work(
    study: optuna.Study, objective: Callable[[Trial], float], trials: int, say: Callable[[FrozenTrial], None]
) -> None:
    """Run trials until `trials` of all processes count; `say` is called after each trial of this process."""

    def unless_enough(trial: Trial) -> float:
        """If several processes begin the last trial, only one runs it; the others return NaN, which doesn't count."""
        # Optuna's first heartbeat comes from a thread. A trial killed before it would always look alive.
        study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
        earlier = study.get_trials(deepcopy=False)[: trial.number]
        if sum(_counts(other) or _running(other) for other in earlier) >= trials:
            return math.nan
        try:
            return objective(trial)
        except KeyboardInterrupt:
            _again(study, trial)
            raise

    while (over := len(counted(study))) < trials:
        if over + sum(map(_running, study.get_trials(deepcopy=False))) < trials:
            study.optimize(unless_enough, n_trials=1, callbacks=[lambda _, trial: say(trial)])
        else:
            sleep(POLL_S)
            with _without_experimental():
                fail_stale_trials(study)


@contextmanager
def _faults_without_secrets(url: str) -> Iterator[None]:
    """Turn a database's error into a ValueError without its user, password and options."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the search's storage isn't a database URL like postgresql://user@host/name") from None
    shown = f"{parsed.drivername}://{parsed.host or ''}/{parsed.database or ''}"
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(getattr(cause, "orig", "") or type(cause).__name__).splitlines()[0]
        for secret in filter(None, (parsed.username, parsed.password, *parsed.query.values())):
            reason = reason.replace(str(secret), "***")
        raise ValueError(f"the search's storage {shown}: {reason}") from None


@contextmanager
def _storage(url: str) -> Iterator[RDBStorage]:
    """The storage; its connections are closed at the end."""
    for opening in range(OPENINGS):
        try:
            storage = _connected(url)
            break
        except ImportError:
            raise ValueError(f"the search's storage needs the package of {make_url(url).drivername}'s driver") from None
        except (DBAPIError, StorageInternalError):
            if opening == OPENINGS - 1:
                raise
            sleep(0.2 * 2**opening)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _connected(url: str) -> RDBStorage:
    sqlite = make_url(url).get_backend_name() == "sqlite"
    # A trial may last hours. If the connection was dropped meanwhile, it is opened again.
    options: dict[str, Any] = {"connect_args": {"timeout": LOCK_S}} if sqlite else {"pool_pre_ping": True}
    with _without_experimental():
        return RDBStorage(
            url,
            engine_kwargs=options,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=_again,
        )


def _again(study: optuna.Study, trial: FrozenTrial | Trial) -> None:
    """Let the next trial use this one's values, to continue what it left unfinished."""
    killed = trial.user_attrs.get(KILLED, 0) + 1
    if killed < MOST_KILLED:
        study.enqueue_trial(trial.params, user_attrs={KILLED: killed})


def _counts(trial: FrozenTrial) -> bool:
    nothing = trial.state == TrialState.FAIL and FAILED in trial.user_attrs
    return nothing or trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _running(trial: FrozenTrial) -> bool:
    """Whether a trial is running. A trial killed before it drew a value has no heartbeat, so it has only GRACE_S."""
    began = trial.datetime_start or datetime.min
    young = datetime.now() - began < timedelta(seconds=GRACE_S)
    return trial.state == TrialState.RUNNING and (young or bool(trial.params))


@contextmanager
def _without_experimental() -> Iterator[None]:
    """Hide the warning that Optuna's heartbeats are experimental; they have been since version 2.9."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
