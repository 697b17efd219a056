"""The figures of one tenant, from what is stored: the same in each process, and after a restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from agent_runtime.figure import Figure, Point, histogram
from agent_runtime.measure import MONTH, SECONDS, Key, Measure, Sum, bounds
from agent_runtime.queue import Stats
from agent_runtime.store import Session, Store
from agent_runtime.store.calls import Tally
from agent_runtime.store.retention import stored_tenants
from agent_runtime.store.upkeep import reading

ALWAYS = [(f"{MONTH}0000", f"{MONTH}9999")]
"""All months: each case is in the sum of its month."""

NOBODY = "default"
"""Whose figures are told, all zero, before there is anybody: their names are known then."""

Sums = dict[Measure, dict[Key, Sum]]


def tenant_figures(session: Session, calls: Tally) -> Iterator[Figure]:
    """Everything about one tenant. `calls`: kept by the caller from one time to the next, so that
    only new ones are read."""
    yield from _now(session)
    sums: Sums = defaultdict(dict)
    for key, one in session.measures.find(ALWAYS):
        sums[key.measure][key] = one
    yield from _decided(sums)
    yield from _timed(sums)
    yield from _asked(session, calls)


class Reading:
    """Reads the figures of all tenants, on connections of its own: it is asked on a thread of the
    exporter's, while runs go on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tallies: dict[str, Tally] = defaultdict(Tally)

    def __call__(self) -> list[Figure]:
        """As they are now."""
        found: dict[str, list[Figure]] = {}
        for file in self._store.all():
            with reading(file.path, file.cipher) as connection:
                for tenant in stored_tenants(connection) or [NOBODY]:
                    session = Session(connection, tenant, self._store.now())
                    found[tenant] = list(tenant_figures(session, self._tallies[tenant]))
        return list(together(found))


def queue_figures(queue: Stats) -> Iterator[Figure]:
    """The queue that all tenants share."""
    waiting = {"ready": queue.ready, "delayed": queue.delayed, "running": queue.running}
    points = [Point(n, {"state": state}) for state, n in waiting.items()]
    yield Figure("agent_runtime_queue", "gauge", "Segments of work by state.", points)
    oldest = [Point(queue.oldest_ready)]
    name = "agent_runtime_queue_oldest_seconds"
    yield Figure(name, "gauge", "Age of what is ready for the longest time.", oldest)


def together(found: Mapping[str, Iterable[Figure]]) -> Iterator[Figure]:
    """The figures of several tenants, each with its tenant as a label."""
    merged: dict[str, Figure] = {}
    for tenant, figures in found.items():
        for figure in figures:
            named = [replace(p, labels={**p.labels, "tenant": tenant}) for p in figure.points]
            known = merged.get(figure.name, replace(figure, points=()))
            merged[figure.name] = replace(known, points=(*known.points, *named))
    yield from merged.values()


def _now(session: Session) -> Iterator[Figure]:
    states = [Point(n, {"state": state}) for state, n in session.runs.count().items()]
    yield Figure("agent_runtime_runs", "gauge", "Runs by state.", states)
    unknown = sum(point.value for point in states if point.labels["state"] == "outcome_unknown")
    name = "agent_runtime_journal_unknown"
    yield Figure(name, "gauge", "Calls of which nobody knows what became.", [Point(unknown)])
    ready, asked = session.measures.ages()
    waits = [Point(age, {"what": what}) for what, age in (("run", ready), ("question", asked))]
    name = "agent_runtime_oldest_seconds"
    yield Figure(name, "gauge", "Age of what waits the longest; 0: nothing does.", waits)
    told = session.notices.count()
    notices = [Point(told.get(state, 0), {"state": state}) for state in ("due", "dead")]
    yield Figure("agent_runtime_notices", "gauge", "Notices not delivered, by state.", notices)
    head = [Point(session.events.head().number)]
    yield Figure("agent_runtime_events_total", "counter", "Events of the history.", head)


def _decided(sums: Sums) -> Iterator[Figure]:
    verdicts = _kinds(sums["judged"], "rule", "verdict")
    yield Figure("agent_runtime_verdicts_total", "counter", "Verdicts by rule.", list(verdicts))
    answers = _kinds(sums["answered"], "rule", "answer")
    name = "agent_runtime_decisions_total"
    yield Figure(name, "counter", "People's answers by rule.", list(answers))
    ended = _kinds(sums["ended"], "", "state")
    yield Figure("agent_runtime_runs_ended_total", "counter", "Runs by end.", list(ended))


def _timed(sums: Sums) -> Iterator[Figure]:
    told: tuple[tuple[Measure, str, str], ...] = (
        ("took", "agent_runtime_decision_seconds", "From the first look to the answer."),
        ("waited", "agent_runtime_run_waiting_seconds", "What runs waited for people."),
        ("worked", "agent_runtime_run_working_seconds", "What runs were driven."),
        ("queued", "agent_runtime_run_queued_seconds", "What runs waited for a worker."),
        ("latency", "agent_runtime_run_seconds", "From the start of runs to their end."),
    )
    for measure, name, help_ in told:
        yield Figure(name, "histogram", help_, list(_histograms(sums[measure])))


def _asked(session: Session, calls: Tally) -> Iterator[Figure]:
    calls.follow(session.calls)
    name = "agent_runtime_model_calls_total"
    by_outcome = [
        Point(one.n, {"model": model, "outcome": outcome, "retry": "yes" if again else "no"})
        for (model, outcome, again), one in sorted(calls.found.items())
    ]
    yield Figure(
        name, "counter", "Attempts at asking a model; cached: nobody was asked.", by_outcome
    )
    tokens: dict[tuple[str, str], int] = defaultdict(int)
    cost: dict[str, int] = defaultdict(int)
    for (model, _, _), one in calls.found.items():
        for kind, n in (("input", one.tokens_in), ("output", one.tokens_out)):
            tokens[model, kind] += n
        cost[model] += one.cost
    by_kind = [Point(n, {"model": m, "kind": kind}) for (m, kind), n in sorted(tokens.items())]
    yield Figure("agent_runtime_model_tokens_total", "counter", "Tokens, by kind.", by_kind)
    spent = [Point(n / 1e9, {"model": model}) for model, n in sorted(cost.items())]
    name = "agent_runtime_model_cost_total"
    yield Figure(name, "counter", "In the price table's currency, where it is known.", spent)


def _kinds(found: Mapping[Key, Sum], by: str, kind: str) -> Iterator[Point]:
    """Counts that are split by `by` and, within that, by kind."""
    for key, one in sorted(found.items()):
        if key.by == by:
            value, _, what = key.value.rpartition("\n")
            split = {by: value} if by else {}
            yield Point(one.n, {"workflow": key.workflow, **split, kind: what})


def _histograms(found: Mapping[Key, Sum]) -> Iterator[Point]:
    """One histogram for each workflow."""
    buckets: dict[str, dict[float, int]] = {}
    totals: dict[str, float] = defaultdict(float)
    for key, one in found.items():
        if (key.by, key.value) == ("", ""):
            edges = (*map(float, SECONDS), float("inf"))
            mine = buckets.setdefault(key.workflow, dict.fromkeys(edges, 0))
            mine[bounds(key.bucket)[1]] += one.n
            totals[key.workflow] += one.total
    for workflow in sorted(buckets):
        yield from histogram({"workflow": workflow}, buckets[workflow], totals[workflow])
