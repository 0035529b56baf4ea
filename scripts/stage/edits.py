"""How long an edit takes to the other side: from just before it is made to the answer of the write that carries it over."""

import itertools
import time

from stage import stamp_of

# No two edits are the same: what is there already is written nowhere.
NUMBERS = itertools.count()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def written(sandbox, side, methods):
    """When the first write of that side since the log was cleared was answered, by the machine's clock in ms."""
    done = [call["at_ms"] + (call["took_ms"] or 0) for call in sandbox.api.call("GET", "/_sandbox/calls")["calls"]
            if call["side"] == side and call["method"] in methods and call["status"] is not None
            and "$batch" not in call["path"] and "/subscriptions" not in call["path"]]
    return min(done, default=None)


def one(sandbox, side, methods, edit):
    sandbox.api.call("DELETE", "/_sandbox/calls")
    began = time.time() * 1_000
    edit()
    end = time.monotonic() + 60
    # The log is asked rarely: who asks takes the same cores.
    while time.monotonic() < end:
        time.sleep(0.04)
        at = written(sandbox, side, methods)
        if at is not None:
            # What comes back of the write is dealt with before the next edit.
            time.sleep(0.06)
            return at - began
    raise SystemExit(f"an edit did not reach {side} within a minute")


def measure(sandbox, mailbox, rounds, tribe=True, spared=None):
    """Milliseconds of so many edits in each direction, of the people of one mailbox in turn, a `spared` one left out;
    without `tribe` in Outlook alone."""
    owner = next(box for box in sandbox.state()["graph"]["mailboxes"] if box["user_id"] == mailbox["user_id"])
    # Whose stamp it is stands in its third part.
    of = {contact["id"]: stamp_of(contact).split("|")[2] for contact in owner["contacts"] if stamp_of(contact)}
    contacts = [contact for contact, person in of.items() if person != spared]
    people = [of[contact] for contact in contacts]
    to_outlook, to_tribe = [], []
    for number in itertools.islice(NUMBERS, rounds):
        person, contact = people[number % len(people)], contacts[number % len(contacts)]
        if tribe:
            to_outlook.append(one(sandbox, "graph", ("PATCH", "POST"), lambda: sandbox.edit(person, {"FirstName": f"Name{number}"})))
        initials = f"{LETTERS[number % 26]}.{LETTERS[number // 26 % 26]}."
        told = {"mailbox": mailbox["address"], "contact": contact, "changes": {"initials": initials}}
        to_tribe.append(one(sandbox, "tribe", ("PUT", "POST", "PATCH"), lambda: sandbox.api.call("PATCH", "/_sandbox/graph/contacts", told)))
    return to_outlook, to_tribe


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
