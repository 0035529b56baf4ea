#!/usr/bin/env python3
"""How long a fresh edit waits while 100,000 hints of 200 other mailboxes are worked off. Started by scripts/bench."""

import os
import sqlite3
import sys
import time
import uuid

import edits
from figures import Figures, exactly, spread
from stage import Sandbox, Service, Stage, activate, say, until

MAILBOXES, HINTS = 200, 100_000
EDITS = int(os.environ.get("EDITS", "10"))
# Enough people for a bunch of hints about different ones; the sandbox answers at once.
PEOPLE = 60


def crowd(path, own, people):
    """Hints about everybody for every mailbox but one, as a notification storm leaves them."""
    with sqlite3.connect(path) as conn:
        numbers = [row[0] for row in conn.execute("SELECT number FROM users WHERE id <> ?", (uuid.UUID(own).bytes,))]
        now = int(time.time() * 1_000)
        each = HINTS // len(numbers)
        target = lambda place: '{"at":"person","id":"%s"}' % people[place % len(people)]
        rows = [("default", number, target(place), "webhook", now, now, 0) for number in numbers for place in range(each)]
        conn.executemany(
            "INSERT INTO hints (environment, user, target, source, received_ms, not_before_ms, attempts) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        conn.execute("UPDATE users SET hint_due_ms = ? WHERE id <> ?", (now, uuid.UUID(own).bytes))
        return len(rows)


def waiting(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as conn:
        return conn.execute("SELECT count(*) FROM hints").fetchone()[0]


def play():
    with Stage() as stage:
        sandbox = stage.add(Sandbox(stage.folder, "sandbox", PEOPLE, MAILBOXES + 1), Sandbox.end)
        service = stage.add(Service(stage.folder, "service", sandbox, {"TELEMETRY__LOG_FILTER": "error"}), Service.end)
        until("the service is ready", service.ready, 60)
        boxes = sandbox.config["mailboxes"]
        users = [activate(service.api, box) for box in boxes]
        live = lambda: service.api.call("GET", "/api/v1/status")["users"].get("live", 0) == len(users)
        until("every mailbox is live", live, 900, pause=1)
        until("nothing waits", lambda: waiting(service.database) == 0, 600, pause=1)
        own = max(boxes, key=lambda box: len(next(
            one["contacts"] for one in sandbox.state()["graph"]["mailboxes"] if one["user_id"] == box["user_id"])))
        user = users[boxes.index(own)]
        _, alone = edits.measure(sandbox, own, EDITS, tribe=False)
        people = [link["person_id"] for link in service.api.call("GET", f"/api/v1/users/{user}/links?limit=500")["items"]]
        service.end()
        added = crowd(service.database, user, people)
        service.start()
        until("the service is ready", service.ready, 60)
        began = time.monotonic()
        taken, left = [], added
        while left and len(taken) < EDITS:
            # The last, too, which may have waited for all that was left.
            taken += edits.measure(sandbox, own, 1, tribe=False)[1]
            left = waiting(service.database)
        say(f"{left:,} of {added:,} hints are left after {time.monotonic() - began:.0f} s")
        until("all hints were worked off", lambda: waiting(service.database) == 0, 1_800, pause=0.5)
        took = time.monotonic() - began

    figures = Figures("backlog", "A long backlog", (
        f"{added:,} hints wait in {MAILBOXES} mailboxes when the service starts; {len(taken)} edits are made in another mailbox's Outlook, one "
        f"after the other, while they are worked off. The remotes answer at once."))
    if len(taken) < 3:
        raise SystemExit("the backlog was gone before the third edit: too little was measured")
    figures.yardstick("an edit with no backlog", "ms", spread(alone))
    figures.judge("a fresh edit behind the backlog", "ms", {**spread(taken), "median": max(taken)}, at_most=1_000, because="the longest of them")
    figures.yardstick("until all was worked off", "s", exactly(took))
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play() else 0)
