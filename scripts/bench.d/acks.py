#!/usr/bin/env python3
"""How many hints the service takes in durably, against a server that does nothing and against the disk.

Both remotes are away, so that the intake alone is at work; what it stored waits in the database and grows. The
generator runs on the same cores. Started by scripts/bench."""

import json
import os
import sqlite3
import sys

from figures import Echo, Figures, exactly, spread, tool
from stage import Postgres, Sandbox, Service, Stage, activate, until
from tap import Tap

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS, CONNECTIONS, ITEMS = 3, 32, 100
QUIET = {"SYNC__DELTA_INTERVAL": "2h", "SYNC__POLL_INTERVAL": "2h", "TELEMETRY__LOG_FILTER": "error", "SERVER__RATE_LIMIT": "0"}


def subscriptions(sandbox, tap):
    """What each subscription says to be known by; heard from a contact that changes."""
    addresses = {box["user_id"]: box["address"] for box in sandbox.config["mailboxes"]}
    for box in sandbox.state()["graph"]["mailboxes"]:
        for contact in box["contacts"][:1]:
            sandbox.api.call("PATCH", "/_sandbox/graph/contacts", {
                "mailbox": addresses[box["user_id"]], "contact": contact["id"], "changes": {"jobTitle": "Heard"}})
    there = sandbox.state()["graph"]["subscriptions"]
    until("every subscription was heard of", lambda: all(one["id"] in tap.heard for one in there), 60)
    return [{"id": one["id"], "client_state": tap.heard[one["id"]], "owner": one["mailbox"]} for one in there]


def stored(service, postgres):
    sql = "SELECT count(*) FROM hints"
    if postgres:
        return int(postgres.ask(sql)[0][0])
    with sqlite3.connect(f"file:{service.database}?mode=ro", uri=True) as conn:
        return conn.execute(sql).fetchone()[0]


def intake(rounds, on_postgres=False):
    """What so many rounds found, the most memory, and the hints that wait at the end."""
    with Stage() as stage, Echo() as echo:
        postgres = stage.add(Postgres(), Postgres.close) if on_postgres else None
        sandbox = stage.add(Sandbox(stage.folder, "sandbox", 40, 2), Sandbox.end)
        tap = stage.add(Tap(), Tap.close)
        service = stage.add(
            Service(stage.folder, "service", sandbox, QUIET, postgres and postgres.url, public_url=tap.origin), Service.end)
        tap.service = service.origin
        until("the service is ready", service.ready, 60)
        users = [activate(service.api, box) for box in sandbox.config["mailboxes"]]
        live = lambda: all(service.api.call("GET", f"/api/v1/users/{user}")["state"] == "live" for user in users)
        until("both mailboxes are live", live, 60)
        known = os.path.join(stage.folder, "subscriptions.json")
        with open(known, "w", encoding="utf-8") as file:
            json.dump(subscriptions(sandbox, tap), file)
        for path in ("/v1/odata/", "/v1.0/"):
            sandbox.api.call("POST", "/_sandbox/faults", {"match": {"path": path}, "then": {"status": 503}})
        secret = sandbox.config["tribe"]["webhook_secret"]
        address = service.origin.removeprefix("http://")
        load = lambda path, seconds, *kind: tool("load", address, f"/webhooks/{path}", CONNECTIONS, seconds, *kind)
        all_found = []
        before = stored(service, postgres)
        sent = 0
        for _ in range(rounds):
            found = {
                "echo": tool("load", echo, "/", CONNECTIONS, SECONDS),
                "commits": tool("commits", stage.folder, 2),
                "syncs": tool("syncs", stage.folder, 2),
                "acks": load("tribe/default", SECONDS, "tribe", secret),
                "notices": load("graph/notifications", SECONDS, "graph", known, ITEMS),
            }
            # Where nobody waits for a core, the disk alone makes anybody wait.
            found["half"] = load("tribe/default", f"{SECONDS}@{found['acks']['per_second'] / 2:.0f}", "tribe", secret)
            for name in ("acks", "half", "notices"):
                if found[name]["others"]:
                    raise SystemExit(f"{name} were refused: {found[name]['others']}")
            sent += found["acks"]["count"] + found["half"]["count"] + ITEMS * found["notices"]["count"]
            all_found.append(found)
        waiting = stored(service, postgres)
        if waiting - before < sent:
            raise SystemExit(f"of {sent} hints {waiting - before} are in the database")
        return all_found, service.memory("VmHWM"), waiting


def play():
    rounds, peak, backlog = intake(ROUNDS)
    beside, _, _ = intake(max(2, ROUNDS // 2), on_postgres=True)
    measure = lambda name, figure: spread(found[name][figure] for found in rounds)
    figures = Figures("acks", "Hints taken in", (
        f"SQLite with `synchronous=FULL`, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s each; both remotes away, so that "
        "nothing but the intake is at work. The generator (examples/bench) shares the cores with what it measures. What was "
        "acknowledged was counted in the database. The service on Postgres is measured beside it, with Postgres on the same cores."))
    echo, commits, syncs = measure("echo", "per_second"), measure("commits", "per_second"), measure("syncs", "p99_ms")
    figures.yardstick("hyper echo of the same 1 KB", "/s", echo)
    figures.yardstick("p99 of that echo", "ms", measure("echo", "p99_ms"))
    figures.yardstick("single-row SQLite commits", "/s", commits)
    figures.yardstick("p99 of fdatasync after 1 KB", "ms", syncs)
    bound = min(0.30 * echo["median"], 0.6 * CONNECTIONS * commits["median"])
    figures.judge("signed webhooks of 1 KB, stored and acknowledged", "/s", measure("acks", "per_second"), at_least=bound,
                  because="the smaller of 0.30 × echo and 0.6 × 32 × single commits")
    figures.judge("their p99", "ms", measure("acks", "p99_ms"), at_most=10 * syncs["median"], because="10 × p99 of fdatasync")
    figures.yardstick(f"what {CONNECTIONS} at once take on average at the rate that is asked for", "ms", exactly(1_000 * CONNECTIONS / bound))
    figures.judge("p99 at half the rate that was reached", "ms", measure("half", "p99_ms"), at_most=10 * syncs["median"], because="10 × p99 of fdatasync")
    figures.judge(f"items of Graph's notifications, {ITEMS} to a body", "/s", measure("notices", "items_per_second"), at_least=40_000)
    figures.judge(f"most memory, with {backlog:,} hints waiting", "MB", exactly(peak), at_most=128)
    for name, figure, what, unit in (
            ("acks", "per_second", "signed webhooks", "/s"), ("acks", "p99_ms", "their p99", "ms"),
            ("half", "p99_ms", "p99 at half of that rate", "ms"), ("notices", "items_per_second", "items of Graph's notifications", "/s")):
        figures.yardstick(f"on Postgres: {what}", unit, spread(found[name][figure] for found in beside))
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play() else 0)
