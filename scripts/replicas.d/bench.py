"""Sixty busy mailboxes in six environments, each remote call 50 ms away: three replicas against one.

Busy: the next edit of a mailbox is made in Tribe as soon as the one before is recorded.
"""

import queue
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from stage import Client, Door, Postgres, Process, Replica, Sandbox, Session, Stage, activate, say, until

ENVIRONMENTS = 6
MAILBOXES = 60
PEOPLE = 4 * MAILBOXES
LATENCY_MS = 50
# So many lines of the audit are looked at again: what is written at once is numbered before it is committed.
LATE = 200
SETTINGS = {
    # The sandboxes of the environments stand on this machine.
    "SERVER__PRIVATE_NETWORKS": "127.0.0.0/8",
    "WORKER__MAILBOXES": "10",
    # The hints alone are measured.
    "SYNC__DELTA_INTERVAL": "2h",
    "SYNC__POLL_INTERVAL": "2h",
    "SYNC__SWEEP_INTERVAL": "24h",
    "TELEMETRY__LOG_FILTER": "warn",
}


def play(seconds):
    with Stage() as stage:
        one = half(stage, 1, seconds)
        three = half(stage, 3, seconds)
    print(f"{'replicas':>9} {'changes':>8} {'changes/s':>10} {'CPU ms/change':>14} {'Postgres':>9}"
          f" {'sandboxes, bench':>17} {'cores busy':>11}")
    for count, result in ((1, one), (3, three)):
        print(f"{count:>9} {result['changes']:>8} {result['rate']:>10.1f} {1000 * result['cpu']:>14.2f}"
              f" {1000 * result['postgres']:>9.2f} {1000 * result['others']:>17.2f} {result['cores']:>11.2f}")
    faster, dearer = three["rate"] / one["rate"], three["cpu"] / one["cpu"]
    fast, cheap = faster >= 2.5, dearer <= 1.2
    print(f"{'ok  ' if fast else 'FAIL'}  three do {faster:.2f} times the changes per second of one (at least 2.5)")
    print(f"{'ok  ' if cheap else 'FAIL'}  at {dearer:.2f} times the CPU per change (at most 1.2)")
    failed = (not fast) + (not cheap)
    print(f"{2 - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def half(stage, count, seconds):
    """A fresh database and fresh sandboxes, worked on by so many replicas."""
    postgres = Postgres()
    # One Microsoft 365 for all, and a Tribe for each environment; the same seed gives the same people.
    sandboxes = [Sandbox(stage.folder, f"sandbox-{count}-{number}", PEOPLE, MAILBOXES)
                 for number in range(ENVIRONMENTS)]
    door = Door()
    replicas = []
    session = None
    try:
        for number in range(count):
            replica = Replica(stage.folder, f"bench-{count}-{number}", door, postgres.url, sandboxes[0], SETTINGS)
            replicas.append(replica)
            until(f"{replica.name} is ready", replica.ready, 60)
            replica.in_rotation(True)
        api = Client(door.origin, replicas[0].api.headers)
        names = ["default"]
        for number, sandbox in enumerate(sandboxes[1:], 1):
            tribe = sandbox.config["tribe"]
            names.append(f"env-{number}")
            api.call("POST", "/api/v1/environments", {"id": names[-1], "tribe": {
                "api_url": sandbox.origin, "auth_url": sandbox.origin,
                "client_id": tribe["client_id"], "client_secret": tribe["client_secret"]}})
        boxes = sandboxes[0].config["mailboxes"]
        owner = {}
        jobs = [(number, names[number % ENVIRONMENTS], box) for number, box in enumerate(boxes)]
        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(lambda job: activate(api, job[2], job[1]), jobs))
        session = Session(postgres.url)
        until("every mailbox is live", lambda: session.ask(
            "SELECT count(*) FROM users WHERE state <> 'live'")[0][0] == "0", 240)
        rows = session.ask("SELECT encode(u.id, 'hex'), u.number, u.environment, encode(l.person, 'hex') FROM links l"
                           " JOIN users u ON u.number = l.user WHERE l.state = 1 ORDER BY 1, 4")
        # Each mailbox edits people that nobody else has, so that one edit is one change.
        holders = Counter((environment, person) for _, _, environment, person in rows)
        people = {}
        for user, number, environment, person in rows:
            owner[user] = int(number)
            if holders[environment, person] == 1:
                people.setdefault(int(number), []).append(person)
        busy = {owner[user.replace("-", "")]: sandboxes[index % ENVIRONMENTS] for index, user in enumerate(ids)}
        if len(people) < MAILBOXES:
            raise SystemExit(f"only {len(people)} mailboxes have people of their own")
        for sandbox in sandboxes:
            sandbox.api.call("POST", "/_sandbox/latency", {"graph_ms": LATENCY_MS, "tribe_ms": LATENCY_MS})
        quiet = lambda: session.ask("SELECT count(*) FROM hints WHERE not_before_ms <= lease_now(NULL)")[0][0] == "0"
        until("nothing waits", quiet, 120)
        return measure(session, postgres, replicas, sandboxes, busy, people, seconds)
    finally:
        if session:
            session.process.kill()
        for process in (*replicas, *sandboxes):
            process.end()
        postgres.close()


def measure(session, postgres, replicas, sandboxes, busy, people, seconds):
    chance = random.Random(3)
    turns = {number: 0 for number in people}
    edits = queue.SimpleQueue()

    def editor():
        while (number := edits.get()) is not None:
            own = people[number]
            person = own[turns[number] % len(own)]
            turns[number] += 1
            hexes = f"{person[:8]}-{person[8:12]}-{person[12:16]}-{person[16:20]}-{person[20:]}"
            busy[number].edit(hexes, {"FirstName": f"N{turns[number]}x{chance.randrange(10**6)}"})

    threads = [threading.Thread(target=editor, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    last = int(session.ask("SELECT coalesce(max(id), 0) FROM audit")[0][0])
    for number in people:
        edits.put(number)
    warm = time.monotonic() + 5
    began = ended = changes = cpu = database = None
    known = {int(number) for number, in session.ask(f"SELECT id FROM audit WHERE id > {last - LATE}")}
    while ended is None:
        # A lower number may be committed after a higher one: looked at again for a while.
        rows = session.ask(f'SELECT id, "user" FROM audit WHERE id > {last - LATE} AND direction = \'to_outlook\' ORDER BY id')
        rows = [(int(number), user) for number, user in rows if int(number) not in known]
        now = time.monotonic()
        if began is None and now >= warm:
            began, changes = now, 0
            cpu, database = sum(one.cpu() for one in replicas), postgres_cpu(postgres)
            others = sum(one.cpu() for one in sandboxes) + time.process_time()
        for number, user in rows:
            last = max(last, number)
            known.add(number)
            edits.put(int(user))
            if changes is not None:
                changes += 1
        if began is not None and now - began >= seconds:
            ended = now
            cpu = sum(one.cpu() for one in replicas) - cpu
            database = postgres_cpu(postgres) - database
            others = sum(one.cpu() for one in sandboxes) + time.process_time() - others
        time.sleep(0.03)
    for _ in threads:
        edits.put(None)
    took = ended - began
    say(f"{len(replicas)} replicas: {changes} changes in {took:.1f} s, {cpu:.1f} s of CPU")
    if not changes:
        raise SystemExit("nothing was changed")
    return {"changes": changes, "rate": changes / took, "cpu": cpu / changes, "postgres": database / changes,
            "others": others / changes, "cores": (cpu + database + others) / took}


def postgres_cpu(postgres):
    """Seconds of CPU of every process of the server that lives."""
    from pathlib import Path

    from stage import TICKS

    port = postgres.url.rsplit(":", 1)[1].split("/")[0]
    head = None
    for proc in Path("/proc").iterdir():
        if proc.name.isdigit():
            try:
                words = (proc / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words and words[0].endswith(b"/postgres") and b"-D" in words:
                data = words[words.index(b"-D") + 1].decode()
                try:
                    if f"port = {port}\n" in Path(data, "postgresql.conf").read_text(encoding="utf-8"):
                        head = int(proc.name)
                except OSError:
                    continue
    total = 0.0
    for proc in Path("/proc").iterdir():
        if proc.name.isdigit():
            try:
                fields = (proc / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            except (OSError, ValueError):
                continue
            if int(proc.name) == head:
                # Its own, and that of those that have ended.
                total += sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICKS
            elif head and int(fields[1]) == head:
                total += (int(fields[11]) + int(fields[12])) / TICKS
    return total
