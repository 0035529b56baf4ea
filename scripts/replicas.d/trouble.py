"""A first sync and a burst of edits while replicas and Postgres are killed, frozen and crashed."""

import hashlib
import random
import signal
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

from stage import Client, Door, Postgres, Process, Replica, Sandbox, Stage, activate, say, stamp_of, until

LEASE = 4
SETTINGS = {
    "WORKER__LEASE": f"{LEASE}s",
    "WORKER__MAILBOXES": "20",
    "SYNC__DELTA_INTERVAL": "10s",
    "SYNC__POLL_INTERVAL": "10s",
    "SYNC__SWEEP_INTERVAL": "40s",
    # The scene edits and creates a lot within an hour; the brake is not what it is about.
    "SYNC__BRAKE_PERCENT": "100",
    "SYNC__BRAKE_MIN": "100000",
}

# Every row that is written under a lease is compared, at the end of its transaction, with the fence
# that the lane has then.
WATCH = """
CREATE TABLE fences (at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), on_table TEXT, lane TEXT,
                     fence BIGINT, current BIGINT);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told TEXT := nullif(current_setting('tribelink.lease', true), '');
BEGIN
    IF told IS NOT NULL THEN
        INSERT INTO fences (on_table, lane, fence, current)
        SELECT TG_TABLE_NAME, split_part(told, ' ', 1), split_part(told, ' ', 2)::bigint,
               (SELECT fence FROM leases WHERE lane = split_part(told, ' ', 1));
    END IF;
    RETURN NULL;
END $$;
"""
for TABLE in ("links", "audit", "cursors", "hints", "users", "subscriptions", "parked"):
    WATCH += f"""
CREATE CONSTRAINT TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON {TABLE}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch();
"""


class World:
    """Both sides, as they should be and as they are."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.mailboxes = {box["user_id"]: box for box in sandbox.config["mailboxes"]}

    def read(self):
        state = self.sandbox.state()
        self.people = {person["ID"]: person for person in state["tribe"]["people"]}
        self.contacts = {}
        for box in state["graph"]["mailboxes"]:
            self.contacts[box["user_id"]] = box["contacts"]

    def eligible(self):
        """For each mailbox: person → the one relationship that decides, where there is just one."""
        of = {}
        for user, box in self.mailboxes.items():
            of[user] = {}
        employees = {box["employee_id"]: user for user, box in self.mailboxes.items()}
        for person in self.people.values():
            for tie in person["Relationships"]:
                kind = tie["_Type"]
                if tie.get("IsFormer") or not kind.startswith("Relationship.Person."):
                    continue
                if ".Contact." not in kind and ".CommercialRelationship." not in kind:
                    continue
                assigned = tie["assignment"]
                for employee in {assigned["manager"], *assigned["owners"]}:
                    if employee in employees:
                        of[employees[employee]].setdefault(person["ID"], []).append(tie)
        return of

    def stamped(self, user):
        """Person → contacts with its stamp."""
        found = {}
        for contact in self.contacts[user]:
            stamp = stamp_of(contact)
            if stamp:
                found.setdefault(stamp.split("|")[2], []).append(contact)
        return found


def judge(world, doubled_on_purpose):
    """What is not as it should be: (lost, doubled, different)."""
    world.read()
    lost, doubled, different = [], [], []
    for user, people in world.eligible().items():
        found = world.stamped(user)
        for person, ties in people.items():
            contacts = found.get(person, [])
            if not contacts:
                lost.append((user, person))
                continue
            if len(contacts) > 1 and (user, person) not in doubled_on_purpose:
                doubled.append((user, person))
            card = world.people[person]
            agrees = [
                contact
                for contact in contacts
                if (contact.get("givenName") or "") == (card["FirstName"] or "")
                and (contact.get("surname") or "") == (card["LastName"] or "")
                and (
                    len(ties) > 1
                    or ".Contact." not in ties[0]["_Type"]
                    or (contact.get("jobTitle") or "") == (ties[0].get("FunctionOnBusinessCard") or "")
                )
            ]
            if not agrees:
                different.append((user, person))
    return lost, doubled, different


def play(small):
    people, users = (300, 6) if small else (5000, 20)
    with Stage() as stage:
        return scene(stage, people, users, small)


def scene(stage, people, users, small):
    chance = random.Random(7)
    postgres = stage.add(Postgres(), Postgres.close)
    sandbox = stage.add(Sandbox(stage.folder, "sandbox", people, users), Process.end)
    sandbox.api.call("POST", "/_sandbox/latency", {"graph_ms": 10, "tribe_ms": 10})
    door = Door()
    replicas = []
    for number in (1, 2, 3):
        replica = Replica(stage.folder, f"replica-{number}", door, postgres.url, sandbox, SETTINGS)
        replicas.append(stage.add(replica, Process.end))
        if number == 1:
            # The first one migrates; what watches is there before the others write.
            until("replica-1 is ready", replica.ready, 60)
            postgres.ask(WATCH)
    first, second, third = replicas
    for replica in replicas:
        until(f"{replica.name} is ready", replica.ready, 60)
        replica.in_rotation(True)
    world = World(sandbox)
    api = Client(door.origin, first.api.headers)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda box: activate(api, box), world.mailboxes.values()))
    say(f"{len(ids)} mailboxes activated, the first sync of {people} people begins")

    def linked():
        return int(postgres.ask("SELECT count(*) FROM links WHERE contact IS NOT NULL")[0][0])

    world.read()
    all_links = sum(len(people) for people in world.eligible().values())
    until("links appear", lambda: linked() > all_links // 20, 120)
    spread = postgres.ask("SELECT holder, count(*) FROM leases WHERE lane LIKE 'mailbox/%' AND"
                          " until_ms > lease_now(NULL) GROUP BY holder")
    say(f"{all_links} links to make; mailboxes at work by replica: {sorted(int(row[1]) for row in spread)}")

    # The burst: names in Tribe, functions in Outlook, never both of one person.
    known = [person for of in world.eligible().values() for person in of]
    known = sorted(set(known))
    chance.shuffle(known)
    burst = 60 if small else 600
    in_tribe, in_outlook = known[:burst], known[burst : 2 * burst]
    wanted = {}

    def edit_tribe(part):
        for number, person in enumerate(part):
            wanted[person] = f"Edited{number}x{chance.randrange(1000)}"
            sandbox.edit(person, {"FirstName": wanted[person]})
            time.sleep(0.01)

    # One create is held up on its way: it arrives after its replica froze, and after its successor
    # looked for it.
    delayed = None
    if not small:
        delay = 180_000
        sandbox.api.call("POST", "/_sandbox/faults", {
            "match": {"method": "POST", "path": "/contacts"}, "then": {"delay_ms": delay}, "count": 1})
        delayed = time.monotonic()

    def struck():
        calls = sandbox.api.call("GET", "/_sandbox/calls")["calls"]
        return [call for call in calls if call.get("fault") and call["method"] == "POST"
                and "/contacts" in call["path"]]

    pool = ThreadPoolExecutor(2)
    edits = pool.submit(edit_tribe, in_tribe)
    frozen, mailbox = None, None
    if delayed:
        until("a create is held up", struck, 60, 0.05)
        # Whoever is at work on that mailbox is to be frozen now.
        mailbox = next(box for box in world.mailboxes.values() if box["address"] == struck()[0]["by"]
                       or box["user_id"] in struck()[0]["by"])
        holder = postgres.ask(
            "SELECT l.holder FROM leases l JOIN users u ON l.lane = 'mailbox/' || encode(u.id, 'hex')"
            f" WHERE u.employee = decode('{mailbox['employee_id'].replace('-', '')}', 'hex')")[0][0]
        frozen = next((one for one in replicas if holds(postgres, one, holder)), None)
    frozen = frozen or second
    frozen.send(signal.SIGSTOP)
    frozen_at = time.monotonic()
    frozen.in_rotation(False)
    say(f"{frozen.name} is frozen")
    others = [one for one in replicas if one is not frozen]
    time.sleep(1)

    victim = others[0]
    victim.send(signal.SIGKILL)
    victim.popen.wait()
    victim.in_rotation(False)
    say(f"{victim.name} is killed with -9")
    lonely = others[1]
    # Take-over: whatever they worked on is worked on, or was, by the one that is left.
    held = [lane for lane, holder in postgres.ask(
        "SELECT lane, holder FROM leases WHERE until_ms > lease_now(NULL)")
        if holds(postgres, victim, holder) or holds(postgres, frozen, holder)]

    def taken_over():
        now = dict(postgres.ask("SELECT lane, holder FROM leases"))
        return not any(holds(postgres, victim, now[lane]) or holds(postgres, frozen, now[lane]) for lane in held)

    took = until("the one left has taken over", taken_over, 2 * LEASE, 0.05)
    say(f"{len(held)} lanes taken over within {took:.1f} s; two leases are {2 * LEASE} s")

    def crash(which):
        reds = 0
        postgres.order("stop")
        until(f"{lonely.name} is not ready", lambda: not lonely.ready(), 20)
        reds += 1
        postgres.order("start")
        healed = until(f"{lonely.name} heals", lonely.ready, 30)
        say(f"Postgres crashed ({which}): ready was red, and green {healed:.1f} s after the start")
        return reds

    crash("first time")
    victim.start()
    until(f"{victim.name} is ready", victim.ready, 60)
    victim.in_rotation(True)
    edits.result()
    crash("second time")

    if delayed:
        until("the delayed create arrives", lambda: struck()[0]["status"] is not None, 240, 0.5)
        say(f"the create that began before the freeze arrived {time.monotonic() - frozen_at:.0f} s after it")
    else:
        time.sleep(2 * LEASE)
    frozen.send(signal.SIGCONT)
    say(f"{frozen.name} wakes after {time.monotonic() - frozen_at:.0f} s, {LEASE} s being its lease")
    until(f"{frozen.name} is ready", frozen.ready, 30)
    frozen.in_rotation(True)

    until("the first sync is done", lambda: int(postgres.ask(
        "SELECT count(*) FROM users WHERE state <> 'live'")[0][0]) == 0, 600, 1)
    say(f"every mailbox is live after {time.monotonic() - began:.0f} s")

    # Now edits in Outlook, where the contacts are: of people whom one mailbox has, so that nobody
    # else types over them.
    world.read()
    of_one = {person for person in in_outlook
              if sum(person in of for of in world.eligible().values()) == 1}
    for user, people_of in world.eligible().items():
        found = world.stamped(user)
        for person in of_one:
            ties = people_of.get(person, [])
            if len(ties) == 1 and ".Contact." in ties[0]["_Type"] and len(found.get(person, [])) == 1:
                function = f"Function {chance.randrange(100000)}"
                sandbox.api.call("PATCH", "/_sandbox/graph/contacts", {
                    "mailbox": world.mailboxes[user]["address"], "contact": found[person][0]["id"],
                    "changes": {"jobTitle": function}})
                wanted[(user, person)] = function

    on_purpose = set()
    if delayed:
        world.read()
        on_purpose = {(mailbox["user_id"], person)
                      for person, contacts in world.stamped(mailbox["user_id"]).items() if len(contacts) > 1}
        say(f"stamps doubled by the delayed create: {len(on_purpose)}")

    verdict = [None]

    def converged():
        verdict[0] = judge(world, on_purpose)
        waiting = int(postgres.ask("SELECT count(*) FROM hints WHERE not_before_ms <= lease_now(NULL)")[0][0])
        return not any(verdict[0]) and waiting == 0

    try:
        until("converged", converged, 300, 2)
    except SystemExit:
        say(f"lost {verdict[0][0][:3]} doubled {verdict[0][1][:3]} different {verdict[0][2][:3]}")
        raise
    say(f"converged after {time.monotonic() - began:.0f} s")

    failures = []

    def check(what, holds):
        print(f"  {'ok  ' if holds else 'FAIL'}  {what}", flush=True)
        if not holds:
            failures.append(what)

    lost, doubled, different = judge(world, on_purpose)
    check(f"{all_links} links, {len(lost)} lost, {len(doubled)} doubled, {len(different)} different",
          not (lost or doubled or different))
    typed = sum(1 for key, value in wanted.items() if isinstance(key, str)
                and world.people[key]["FirstName"] == value)
    check(f"{typed} of {len(in_tribe)} names typed in Tribe stand on both sides", typed == len(in_tribe))
    functions = {key: value for key, value in wanted.items() if not isinstance(key, str)}
    eligible = world.eligible()
    stand = sum(1 for (user, person), value in functions.items()
                if eligible[user][person][0]["FunctionOnBusinessCard"] == value)
    check(f"{stand} of {len(functions)} functions typed in Outlook stand on both sides",
          functions and stand == len(functions))
    peaks = sandbox.api.call("GET", "/_sandbox/calls")["in_flight_peak"]
    graph = {who: peak for who, peak in peaks.items() if "@" in who or who in world.mailboxes}
    check(f"calls in flight per mailbox, at most: {max(graph.values())} ({len(graph)} mailboxes)",
          len(graph) >= users and max(graph.values()) <= 4)
    rows = postgres.ask("SELECT count(*), count(*) FILTER (WHERE fence IS DISTINCT FROM current) FROM fences")[0]
    check(f"{rows[0]} rows written under a lease, {rows[1]} of them under an old fencing number",
          int(rows[0]) > all_links and int(rows[1]) == 0)
    lost_leases = frozen.log().count("the lease was lost")
    check(f"the frozen replica was refused {lost_leases} times after it woke", lost_leases > 0 or small)
    if delayed:
        check(f"the create seen after waking began before the freeze, and doubled {len(on_purpose)} stamp",
              len(on_purpose) == 1)
        parked = until_parked(postgres, mailbox)
        check(f"the doubled stamp was found and parked: {parked!r}", parked is not None)
    state = sandbox.state()
    kinds = [hook["entityType"] for hook in state["tribe"]["webhooks"]]
    check(f"{len(kinds)} webhooks registered by three replicas, each kind once", len(kinds) == len(set(kinds)) > 1)
    kept = postgres.ask("SELECT count(*), count(DISTINCT \"user\") FROM subscriptions")[0]
    check(f"{kept[0]} subscriptions for {kept[1]} mailboxes", int(kept[0]) == int(kept[1]) == users)
    # Its counters began with its restart: it got a part of the work when it joined again.
    # The lot may give it none of few mailboxes.
    taken, owned = leases_taken(victim), mailboxes_of(postgres, victim)
    check(f"{victim.name} took {taken:.0f} leases of mailboxes since it joined again, of which {owned} are its own",
          taken > 0 or (owned == 0 and small))
    for replica in replicas:
        check(f"{replica.name} runs and is ready", replica.popen.poll() is None and replica.ready())
        panics = replica.log().count("panicked")
        check(f"{replica.name} never panicked", panics == 0)
    passed = 0 if failures else 1
    print(f"{passed} passed, {1 - passed} failed", flush=True)
    return 1 if failures else 0


def leases_taken(replica):
    """Leases of mailboxes that this process took."""
    with urllib.request.urlopen(f"http://127.0.0.1:{replica.port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith('tribelink_leases_taken_total{lane="mailbox"}'):
                return float(line.split()[-1])
    return 0.0


def mailboxes_of(postgres, replica):
    """How many mailboxes are this process's to begin with, by the lot of src/engine/share.rs."""
    names = [name for name, in postgres.ask("SELECT holder FROM replicas WHERE until_ms > lease_now(NULL)")]
    ids = [uuid.UUID(number) for number, in postgres.ask("SELECT encode(id, 'hex') FROM users")]
    score = lambda name, number: hashlib.sha256(f"{name} mailbox {number}".encode()).digest()
    owners = [max(names, key=lambda name: score(name, number)) for number in ids]
    return sum(holds(postgres, replica, owner) for owner in owners)


def holds(postgres, replica, holder):
    """Whether this process is that holder: it says so in its log."""
    return holder[:8] in replica.log()


def until_parked(postgres, mailbox):
    """The reason under which the doubled stamp was parked; `None` when it is not, in time."""
    sql = ("SELECT p.reason FROM parked p JOIN users u ON u.number = p.user"
           f" WHERE u.employee = decode('{mailbox['employee_id'].replace('-', '')}', 'hex')")
    began = time.monotonic()
    while time.monotonic() - began < 90:
        rows = postgres.ask(sql)
        if rows:
            return rows[0][0]
        time.sleep(1)
    return None
