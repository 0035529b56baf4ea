#!/usr/bin/env python3
"""How long an edit takes to the other side where nothing else is going on and the remotes answer at once. Started by
scripts/bench."""

import os
import sys

import edits
from figures import Figures, exactly, spread, tool
from stage import Postgres, Sandbox, Service, Stage, activate, until

ROUNDS = int(os.environ.get("ROUNDS", "5"))
EDITS = 40


def measure(rounds, on_postgres=False):
    """The times of so many rounds in both directions, and the median commits beside them."""
    with Stage() as stage:
        database = stage.add(Postgres(), Postgres.close).url if on_postgres else None
        sandbox = stage.add(Sandbox(stage.folder, "sandbox", 60, 1), Sandbox.end)
        service = stage.add(
            Service(stage.folder, "service", sandbox, {"TELEMETRY__LOG_FILTER": "warn"}, database), Service.end)
        until("the service is ready", service.ready, 60)
        mailbox = sandbox.config["mailboxes"][0]
        user = activate(service.api, mailbox)
        until("the mailbox is live", lambda: service.api.call("GET", f"/api/v1/users/{user}")["state"] == "live", 60)
        # The remotes answer at once, and tell at once.
        sandbox.api.call("POST", "/_sandbox/graph/switches", {"notify_delay_ms": 0})
        edits.measure(sandbox, mailbox, 3)
        found, commits = [], []
        for _ in range(rounds):
            commits.append(tool("commits", stage.folder, 2)["p50_ms"])
            found.append(edits.measure(sandbox, mailbox, EDITS))
        return found, commits


def play():
    rounds, commits = measure(ROUNDS)
    beside, _ = measure(max(2, ROUNDS // 2), on_postgres=True)
    commit = spread(commits)
    p50 = 3 * commit["median"] + 5
    figures = Figures("edit", "An edit to the other side", (
        f"{ROUNDS} rounds of {EDITS} edits in each direction, one at a time; the remotes answer and tell at once. From just before the edit "
        "is made in the sandbox to the answer of the write that carries it over, both by the machine's clock in whole milliseconds."))
    figures.yardstick("median single-row SQLite commit", "ms", commit)
    for place, way in enumerate(("Tribe to Outlook", "Outlook to Tribe")):
        taken = [found[place] for found in rounds]
        figures.judge(f"{way}, p50", "ms", spread(edits.quantile(one, 0.5) for one in taken), at_most=p50, because="3 × median commit + 5 ms")
        every = [value for one in taken for value in one]
        figures.judge(f"{way}, p99", "ms", exactly(edits.quantile(every, 0.99)), at_most=5 * p50, because="5 × the target of p50")
        figures.yardstick(f"on Postgres: {way}, p50", "ms", spread(edits.quantile(found[place], 0.5) for found in beside))
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play() else 0)
