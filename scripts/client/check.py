"""A client generated from openapi.yaml activates a user and reads an explanation.

    check.py CLIENT_FOLDER SERVICE_URL TOKEN SANDBOX_URL

The generated package stands in CLIENT_FOLDER. One line per check, then `N passed, M failed`.
"""

import json
import sys
import time
import urllib.request
import uuid

folder, service, token, sandbox = sys.argv[1:]
sys.path.insert(0, folder)

from tribelink_client import AuthenticatedClient  # noqa: E402
from tribelink_client.api.links import people_explain  # noqa: E402
from tribelink_client.api.users import users_activate, users_one  # noqa: E402
from tribelink_client.models import Activation, Problem  # noqa: E402

passed = failed = 0


def check(name, work):
    global passed, failed
    try:
        result = work()
        passed += 1
        print(f"ok    {name}")
        return result
    except Exception as error:  # every failure is told, none hides the rest
        failed += 1
        print(f"FAIL  {name}: {type(error).__name__} {error}")
        return None


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{sandbox}/_sandbox/{path}", data=data, method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


mailbox = control("GET", "config")["mailboxes"][0]
client = AuthenticatedClient(base_url=service, token=token)


def activate():
    body = Activation(employee_email=mailbox["address"], start=True)
    made = users_activate.sync(client=client, body=body)
    assert made.state == "invited" and "/consent/" in made.consent_url, made
    return made


def consent(url):
    """Goes through the sign-in as a browser does."""
    import http.cookiejar

    control("POST", "auto-consent", {"on": True})
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    urllib.request.build_opener(jar).open(url).read()


def live(user):
    for _ in range(300):
        shown = users_one.sync(user, client=client)
        if shown.state == "live":
            return shown
        time.sleep(0.1)
    raise AssertionError(f"still {shown.state}")


def explain(user):
    person = control("POST", "tribe/records", {"_Type": "Relation.Person", "FirstName": "Anna", "LastName": "Berg"})["ID"]
    found = people_explain.sync(person_id=uuid.UUID(person), client=client, user=user)
    assert found.eligible is False, found
    assert found.conditions and found.would_sync_if, found
    return found


def unknown():
    answer = users_one.sync(uuid.uuid4(), client=client)
    assert isinstance(answer, Problem) and answer.status == 404, answer


made = check("a user is activated", activate)
if made:
    check("the employee consents", lambda: consent(made.consent_url))
    check("the user becomes live", lambda: live(made.id))
    check("an explanation is read", lambda: explain(made.id))
check("a problem is a typed answer", unknown)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
