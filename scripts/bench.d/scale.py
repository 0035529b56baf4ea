#!/usr/bin/env python3
"""What 10,000 users with a million links cost: memory, disk, the first acknowledgement after a start, and whether taking
in hints and carrying over a change take longer than with 10,000 links; over SQLite, and beside it over Postgres.
Started by scripts/bench."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid

import edits
from figures import TARGET, Figures, exactly, spread, tool
from stage import BINARY, KEYS, Postgres, Sandbox, Service, Stage, activate, say, until

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SIZES = {"small": (100, 10_000, 500), "large": (10_000, 1_000_000, 50_000)}
SECONDS, CONNECTIONS, EDITS, STARTS = 3, 32, 15, 5
IDLE_S = 20
QUIET = {"SYNC__DELTA_INTERVAL": "2h", "SYNC__POLL_INTERVAL": "2h", "TELEMETRY__LOG_FILTER": "error"}


def fill(url, size):
    done = subprocess.run(
        [TARGET / "dist" / "examples" / "fill", url, *map(str, size), "0", "0"],
        check=True, capture_output=True, text=True, env={"TRIBELINK_SECURITY__ENCRYPTION_KEYS": KEYS})
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    return int(told["links"]), told["everywhere"]


def per_link(service, postgres):
    """Bytes of the table of links and of its indices, for each link."""
    if postgres:
        return float(postgres.ask("SELECT pg_total_relation_size('links')::float / count(*) FROM links")[0][0])
    with sqlite3.connect(service.database) as conn:
        names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE tbl_name = 'links'")]
        pages = conn.execute(f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({','.join('?' * len(names))})", names).fetchone()[0]
        return pages / conn.execute("SELECT count(*) FROM links").fetchone()[0]


def first_ack(service, secret):
    """Milliseconds from exec to the first durable acknowledgement, and how soon it was tried again."""
    body = json.dumps({"webhookId": "w", "payload": {"entityId": str(uuid.uuid4()), "entityType": "Relation.Person"}})
    signature = base64.b64encode(hmac.new(secret.encode(), body.encode(), hashlib.sha512).digest()).decode()
    headers = {"content-type": "application/json", "x-tribe-signature": signature}
    began = time.perf_counter()
    service.start()
    while time.perf_counter() - began < 60:
        conn = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        try:
            conn.request("POST", "/webhooks/tribe/default", body, headers)
            if conn.getresponse().status == 202:
                return (time.perf_counter() - began) * 1_000
        except OSError:
            pass
        finally:
            conn.close()
        time.sleep(0.001)
    raise SystemExit("no hint was acknowledged within a minute after a start")


def measure(stage, name, size, on_postgres=False):
    postgres = stage.add(Postgres(), Postgres.close) if on_postgres else None
    sandbox = stage.add(Sandbox(stage.folder, f"sandbox-{name}", 60, 2), Sandbox.end)
    service = stage.add(Service(stage.folder, name, sandbox, QUIET, postgres and postgres.url), Service.end)
    until("the service is ready", service.ready, 60)
    boxes = sandbox.config["mailboxes"][:2]
    users = [activate(service.api, box) for box in boxes]
    live = lambda: all(service.api.call("GET", f"/api/v1/users/{user}")["state"] == "live" for user in users)
    until("both mailboxes are live", live, 60)
    sandbox.api.call("POST", "/_sandbox/graph/switches", {"notify_delay_ms": 0})
    service.end()
    began = time.monotonic()
    links, everywhere = fill(postgres.url if postgres else f"sqlite:{service.database}", size)
    found = {"links": links}
    say(f"{found['links']:,} links in {time.monotonic() - began:.0f} s")
    found["per_link"] = per_link(service, postgres)
    secret = sandbox.config["tribe"]["webhook_secret"]
    found["starts"] = []
    for _ in range(STARTS):
        service.end()
        found["starts"].append(first_ack(service, secret))
    until("the service is ready", service.ready, 60)
    time.sleep(IDLE_S)
    found["idle"] = service.memory()
    # Of the first mailbox, which has the most links; a change of the one whom all have would be one of every mailbox.
    changes = edits.measure(sandbox, boxes[0], EDITS, spared=everywhere)
    found["change"] = spread(changes[0] + changes[1])
    for path in ("/v1/odata/", "/v1.0/"):
        sandbox.api.call("POST", "/_sandbox/faults", {"match": {"path": path}, "then": {"status": 503}})
    found["acks"] = lambda: tool("load", service.origin.removeprefix("http://"), "/webhooks/tribe/default", CONNECTIONS, SECONDS, "tribe", secret)["per_second"]
    found["peak"] = lambda: service.memory("VmHWM")
    return found


def both(rounds, on_postgres=False):
    """The small and the large one, and the acknowledgements of both, round by round."""
    with Stage() as stage:
        small, large = (measure(stage, name, size, on_postgres) for name, size in SIZES.items())
        # In turn, so that both meet the same machine.
        acks = [(small["acks"](), large["acks"]()) for _ in range(rounds)]
        large["peak"] = large["peak"]()
        return small, large, acks


def play():
    small, large, rounds = both(ROUNDS)
    beside = both(max(2, ROUNDS // 2), on_postgres=True)
    peak = large["peak"]
    binary = os.path.getsize(BINARY) / 1e6

    users, links, most = SIZES["large"]
    figures = Figures("scale", "10,000 users, a million links", (
        f"SQLite with {users:,} users and {large['links']:,} links with contact ids of 150 letters (the largest mailbox has {most:,}), against "
        f"{SIZES['small'][0]} users and {small['links']:,} links; {ROUNDS} rounds in turn of {SECONDS} s with {CONNECTIONS} connections."))
    figures.judge(f"memory, {IDLE_S} s after the start", "MB", exactly(large["idle"]), at_most=48)
    figures.judge("most memory, under the load", "MB", exactly(peak), at_most=128)
    figures.judge("disk for each link, indices included", "bytes", exactly(large["per_link"]), at_most=560)
    figures.judge("from exec to the first durable acknowledgement", "ms", spread(large["starts"]), at_most=150)
    figures.yardstick("the same with 10,000 links", "ms", spread(small["starts"]))
    figures.yardstick("acknowledgements with 10,000 links", "/s", spread(one for one, _ in rounds))
    figures.judge("acknowledgements, times fewer than with 10,000 links", "×", spread(one / other for one, other in rounds), at_most=1.2)
    figures.yardstick("a change to the other side with 10,000 links", "ms", small["change"])
    figures.judge("a change to the other side, times longer", "×", exactly(large["change"]["median"] / small["change"]["median"]), at_most=1.2)
    figures.judge("the program", "MB", exactly(binary), at_most=25)
    small, large, rounds = beside
    figures.yardstick("on Postgres: most memory, under the load", "MB", exactly(large["peak"]))
    figures.yardstick("on Postgres: disk for each link, indices included", "bytes", exactly(large["per_link"]))
    figures.judge("on Postgres: acknowledgements, times fewer than with 10,000 links", "×", spread(one / other for one, other in rounds), at_most=1.2)
    figures.judge("on Postgres: a change to the other side, times longer", "×", exactly(large["change"]["median"] / small["change"]["median"]), at_most=1.2)
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play() else 0)
