#!/usr/bin/env python3
"""How many changes per second go from Tribe to Outlook where 500 mailboxes are busy and each remote call takes 100 ms;
with --peers, beside Node-RED with the flow that one would draw there: webhook, GET, PATCH. Started by scripts/bench."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import TARGET, Figures, exactly, tool
from stage import Client, Process, Sandbox, Service, Stage, activate, free_port, say, until

MAILBOXES, EACH = int(os.environ.get("MAILBOXES", "500")), 10
# Enough of them have one manager, and each mailbox enough of those.
PEOPLE = 16 * MAILBOXES
LATENCY_MS, CONNECTIONS = 100, 8
QUIET = {"SYNC__DELTA_INTERVAL": "2h", "SYNC__POLL_INTERVAL": "2h", "SYNC__SWEEP_INTERVAL": "24h", "TELEMETRY__LOG_FILTER": "error"}
HERE = Path(__file__).resolve().parent / "node-red"


def ask(path, sql):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as conn:
        return conn.execute(sql).fetchall()


def contacts(sandbox):
    """Every contact with its owner; links know it by the id that stays."""
    return [(box["user_id"], contact) for box in sandbox.state()["graph"]["mailboxes"] for contact in box["contacts"]]


def world(stage, name, settings):
    """A sandbox whose mailboxes are all in step with its people, by a service of ours; and who has whom for its own."""
    sandbox = stage.add(Sandbox(stage.folder, f"sandbox-{name}", PEOPLE, MAILBOXES), Sandbox.end)
    service = stage.add(Service(stage.folder, name, sandbox, settings), Service.end)
    until("the service is ready", service.ready, 60)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda box: activate(service.api, box), sandbox.config["mailboxes"]))
    count = lambda sql: ask(service.database, sql)[0][0]
    until("every mailbox is live", lambda: count("SELECT count(*) FROM users WHERE state <> 'live'") == 0, 900, pause=1)
    until("the environment was gone through", lambda: count("SELECT min(swept_ms) FROM environments") > 0, 300)
    until("nothing waits", lambda: count("SELECT count(*) FROM hints") == 0, 600, pause=1)
    rows = ask(service.database, "SELECT user, person, contact FROM links WHERE state = 1 ORDER BY user, person")
    holders = Counter(person for _, person, _ in rows)
    own = {}
    for user, person, contact in rows:
        chosen = own.setdefault(user, [])
        if holders[person] == 1 and len(chosen) < EACH:
            chosen.append((str(uuid.UUID(bytes=person)), contact))
    chosen = [pair for pairs in own.values() for pair in pairs]
    say(f"{name}: {len(rows):,} links, {len(chosen):,} changes in {len(own)} mailboxes")
    return sandbox, service, chosen


def edit(sandbox, people):
    """Changes everybody's first name while no hint goes out; the names."""
    rule = sandbox.api.call("POST", "/_sandbox/faults", {"hints": {"source": "tribe", "drop": True}, "share": 1})
    names = {person: f"N{number}" for number, person in enumerate(people)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: sandbox.edit(pair[0], {"FirstName": pair[1]}), names.items()))
    sandbox.api.call("DELETE", f"/_sandbox/faults/{rule['id']}")
    sandbox.api.call("POST", "/_sandbox/latency", {"graph_ms": LATENCY_MS, "tribe_ms": LATENCY_MS})
    sandbox.api.call("DELETE", "/_sandbox/calls")
    return names


def carry(sandbox, chosen, process, address, path, ended):
    """Tells of all people at once; what came of it."""
    names = edit(sandbox, [person for person, _ in chosen])
    listed = Path(process.folder, "people.json")
    listed.write_text(json.dumps(list(names)))
    cpu, began = process.cpu(), time.monotonic()
    told = tool("tell", address, path, CONNECTIONS, sandbox.config["tribe"]["webhook_secret"], listed)
    if told["accepted"] != len(names):
        raise SystemExit(f"{told['accepted']} of {len(names)} hints were accepted")
    until("everything was carried over", ended, 1_800, pause=0.05)
    took = time.monotonic() - began
    calls = sandbox.api.call("GET", "/_sandbox/calls")
    if calls["dropped"]:
        raise SystemExit("the log of calls was too short")
    shown = {contact["immutableId"]: contact.get("givenName") for _, contact in contacts(sandbox)}
    done = sum(shown.get(contact) == names[person] for person, contact in chosen)
    return {"took": took, "done": done, "lost": len(names) - done, "rate": done / took,
            "cpu": 1_000 * (process.cpu() - cpu) / max(done, 1),
            "refused": sum(call["status"] == 429 for call in calls["calls"]), "calls": len(calls["calls"]) / len(names)}


def ours(stage):
    sandbox, service, chosen = world(stage, "tribelink", QUIET)
    last = ask(service.database, "SELECT coalesce(max(id), 0) FROM audit")[0][0]
    written = lambda: ask(service.database, f"SELECT count(*) FROM audit WHERE id > {last} AND direction = 'to_outlook'")[0][0]
    # What comes back of the own writes is part of the work.
    ended = lambda: written() >= len(chosen) and ask(service.database, "SELECT count(*) FROM hints")[0][0] == 0
    found = carry(sandbox, chosen, service, service.origin.removeprefix("http://"), "/webhooks/tribe/default", ended)
    service.end()
    sandbox.end()
    return found


class NodeRed(Process):
    """Node-RED with its one flow, from the package that package-lock.json names."""

    def __init__(self, folder, known):
        modules = TARGET / "bench" / "node-red"
        modules.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            (modules / name).write_text((HERE / name).read_text())
        subprocess.run(["bash", "-c", '. scripts/lib.sh; node_modules "$1"', "-", modules], check=True)
        self.port = free_port()
        home = Path(folder, "node-red")
        home.mkdir()
        (home / "flows.json").write_text((HERE / "flows.json").read_text())
        (home / "known.json").write_text(json.dumps(known))
        super().__init__(folder, "node-red", [modules / "node_modules/node-red/red.js", "--settings", HERE / "settings.js"], {
            "PEER_PORT": str(self.port), "PEER_FOLDER": str(home), "PEER_FLOWS": str(home / "flows.json"), "PEER_KNOWN": str(home / "known.json")},
            program="node")
        self.api = Client(f"http://127.0.0.1:{self.port}")

    def count(self):
        try:
            return self.api.call("GET", "/count", timeout=120)
        except OSError:
            return None


def theirs(stage):
    sandbox, service, chosen = world(stage, "beside", QUIET)
    owners = {contact["immutableId"]: owner for owner, contact in contacts(sandbox)}
    service.end()
    token = lambda wanted: sandbox.api.call("POST", "/_sandbox/tokens", wanted)["access_token"]
    tokens = {box["user_id"]: token({"mailbox": box["address"]}) for box in sandbox.config["mailboxes"]}
    # Whom it concerns and every token are given to it: a flow would have to find both.
    people = {person: {"contact": contact, "token": tokens[owners[contact]]} for person, contact in chosen}
    peer = stage.add(NodeRed(stage.folder, {"origin": sandbox.origin, "tribe": token({"crm": True}), "people": people}), NodeRed.end)
    until("Node-RED answers", peer.count, 120)

    def ended():
        told = peer.count()
        return told and told["done"] + told["failed"] >= len(chosen)

    return carry(sandbox, chosen, peer, f"127.0.0.1:{peer.port}", "/hook", ended)


def play(peers):
    with Stage() as stage:
        own = ours(stage)
        peer = theirs(stage) if peers else None

    figures = Figures("busy", "Many busy mailboxes", (
        f"{EACH} people of each of {MAILBOXES} mailboxes were edited in Tribe, and one webhook tells of each, all at once; each remote call takes "
        f"{LATENCY_MS} ms, and Graph keeps to its limits. Until every contact was written and what came back of it was dealt with."
        + (" Node-RED 4 has a flow of webhook, GET and PATCH, and is told beforehand which contact and which token each person needs; it does "
           "not hear what comes back." if peers else "")))
    if peer:
        figures.judge("changes carried over", "/s", exactly(own["rate"]), at_least=peer["rate"], because="what Node-RED does")
        figures.judge("CPU for each", "ms", exactly(own["cpu"]), at_most=peer["cpu"] / 4, because="a quarter of Node-RED's")
    else:
        figures.yardstick("changes carried over", "/s", exactly(own["rate"]))
        figures.yardstick("CPU for each", "ms", exactly(own["cpu"]))
    figures.judge("calls refused for their number (429)", "", exactly(own["refused"]), at_most=0)
    figures.judge("changes that did not arrive", "", exactly(own["lost"]), at_most=0)
    figures.yardstick("remote calls for each change, batch items and hints that came back included", "", exactly(own["calls"]))
    if peer:
        figures.yardstick("Node-RED: changes carried over", "/s", exactly(peer["rate"]))
        figures.yardstick("Node-RED: CPU for each", "ms", exactly(peer["cpu"]))
        figures.yardstick("Node-RED: calls refused for their number (429)", "", exactly(peer["refused"]))
        figures.yardstick("Node-RED: changes that did not arrive", "", exactly(peer["lost"]))
    return figures.keep()


if __name__ == "__main__":
    sys.exit(1 if play("--peers" in sys.argv[1:]) else 0)
