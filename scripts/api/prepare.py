"""Activates an employee of the sandbox and goes through consent as a browser does; prints the user's id.

prepare.py SERVICE SANDBOX, the admin token in API_TOKEN.
"""

import http.cookiejar
import json
import os
import sys
import time
import urllib.request

service, sandbox = sys.argv[1:3]


def ask(url, body=None, token=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


token = os.environ["API_TOKEN"]
mailbox = ask(f"{sandbox}/_sandbox/config")["mailboxes"][0]["address"]
ask(f"{sandbox}/_sandbox/auto-consent", {"on": True})
user = ask(f"{service}/api/v1/users", {"employee_email": mailbox, "start": True}, token)
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
browser.open(user["consent_url"]).read()
for _ in range(300):
    state = ask(f"{service}/api/v1/users/{user['id']}", token=token)["state"]
    if state == "live":
        break
    time.sleep(0.1)
else:
    sys.exit(f"the user is {state}, not live")
print(user["id"])
