#!/usr/bin/env python3
"""How long the first sync of 5,000 people takes where Graph answers after 100 ms and keeps to its limits, and what it
sends; then once more over the finished mailbox, which must write nothing. Started by scripts/bench."""

import sqlite3
import sys
import time

from figures import Figures, exactly
from stage import Sandbox, Service, Stage, activate, until

# Of so many people of the sandbox's seed so many are eligible for its first employee.
PEOPLE, ELIGIBLE = 5_899, 5_000
LATENCY_MS = 100
# 5,000 writes, twenty to a request, of each request four at a time.
LEAST_S = ELIGIBLE / 4 * LATENCY_MS / 1_000
READS = ("GET", "HEAD")


def writes(calls):
    """How many requests of Graph carried a write, and how many contacts were written; a batch's items follow it."""
    requests = items = 0
    fresh = False
    for call in sorted(calls, key=lambda call: call["number"]):
        if call["side"] != "graph":
            continue
        is_batch = call["path"].startswith("/v1.0/$batch")
        if is_batch:
            fresh = True
        elif call["method"] not in READS and "/subscriptions" not in call["path"]:
            items += 1
            requests += fresh or not call["batch_item"]
            fresh = False
    return requests, items


def swept(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as conn:
        return conn.execute("SELECT min(swept_ms) FROM environments").fetchone()[0] > 0


def play():
    with Stage() as stage:
        sandbox = stage.add(Sandbox(stage.folder, "sandbox", PEOPLE, 1), Sandbox.end)
        service = stage.add(Service(stage.folder, "service", sandbox, {"TELEMETRY__LOG_FILTER": "warn"}), Service.end)
        until("the service is ready", service.ready, 60)
        sandbox.api.call("POST", "/_sandbox/latency", {"graph_ms": LATENCY_MS, "tribe_ms": LATENCY_MS, "microsoft_ms": 0})
        user = activate(service.api, sandbox.config["mailboxes"][0], start=False)
        shown = lambda: service.api.call("GET", f"/api/v1/users/{user}")
        until("consent was given", lambda: shown()["state"] == "consented", 60)
        # The first sweep of a new environment, which would come in between, once a day.
        until("the environment was gone through", lambda: swept(service.database), 300)
        sandbox.api.call("DELETE", "/_sandbox/calls")
        began = time.monotonic()
        service.api.call("POST", f"/api/v1/users/{user}/start")
        until("the mailbox is live", lambda: shown()["state"] == "live", 900, pause=0.1)
        took = time.monotonic() - began
        first = sandbox.api.call("GET", "/_sandbox/calls")
        there = len(sandbox.state()["graph"]["mailboxes"][0]["contacts"])
        peak = service.memory("VmHWM")

        # What came back of one's own writes is gone by before the second run.
        until("nothing waits", lambda: shown()["backlog"] == 0, 120)
        sandbox.api.call("DELETE", "/_sandbox/calls")
        before = shown()["last_proven_at"]
        service.api.call("POST", f"/api/v1/users/{user}/resync")
        until("the mailbox was gone through", lambda: shown()["last_proven_at"] != before and shown()["backlog"] == 0, 600)
        second = sandbox.api.call("GET", "/_sandbox/calls")

    if there != ELIGIBLE:
        raise SystemExit(f"{there} contacts instead of {ELIGIBLE}")
    if first["dropped"] or second["dropped"]:
        raise SystemExit("the log of calls was too short")
    refused = lambda run: sum(call["status"] == 429 for call in run["calls"])
    requests, items = writes(first["calls"])
    figures = Figures("first-sync", "The first sync", (
        f"{ELIGIBLE:,} people into one mailbox; Tribe and Graph answer each call after {LATENCY_MS} ms, Graph takes four calls of "
        "a mailbox at once and ten thousand in ten minutes, as it says. From the command to `live`."))
    figures.judge("first sync of 5,000 people", "s", exactly(took), at_most=1.10 * LEAST_S, because="1.10 × the least there can be, four writes at once")
    figures.judge("requests that wrote", "", exactly(requests), at_least=250, at_most=250)
    figures.judge("contacts written", "", exactly(items), at_most=ELIGIBLE)
    figures.judge("calls refused for their number (429)", "", exactly(refused(first)), at_most=0)
    figures.judge("writes of a second run over the same", "", exactly(writes(second["calls"])[1]), at_most=0)
    figures.judge("calls of the second run refused for their number (429)", "", exactly(refused(second)), at_most=0)
    figures.yardstick("most memory", "MB", exactly(peak))
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play() else 0)
