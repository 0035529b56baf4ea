"""What scenes and measurements play on: Postgres, sandboxes, services, and a door in front of them."""

import base64
import http.client
import http.cookiejar
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ["TRIBELINK"]
ADMIN = "token-of-this-run"
KEYS = "k1:" + base64.b64encode(b"r" * 32).decode()
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def until(what, holds, seconds, pause=0.2):
    """Waits for a state; how long it took."""
    began = time.monotonic()
    while True:
        if holds():
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise SystemExit(f"FAILED: {what}: not within {seconds} s")
        time.sleep(pause)


class Client:
    """HTTP to one origin, a connection for each thread."""

    def __init__(self, origin, headers=None):
        self.host = urllib.parse.urlparse(origin).netloc
        self.headers = headers or {}
        self.local = threading.local()

    def call(self, method, path, body=None, timeout=60):
        headers = dict(self.headers)
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        for attempt in (1, 2):
            conn = getattr(self.local, "conn", None)
            if conn is None:
                conn = self.local.conn = http.client.HTTPConnection(self.host, timeout=timeout)
            try:
                conn.request(method, path, data, headers)
                answer = conn.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                conn.close()
                self.local.conn = None
                if attempt == 2:
                    raise
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None


class Postgres:
    """A server of one's own, by scripts/postgres."""

    def __init__(self):
        env = {**os.environ, "PG_FSYNC": "on"}
        env.pop("TEST_DATABASE_URL", None)
        self.process = subprocess.Popen(
            ["bash", f"{ROOT}/scripts/postgres", "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, bufsize=1,
        )
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise SystemExit("there is no Postgres to be had")

    def order(self, order):
        self.process.stdin.write(order + "\n")
        if self.process.stdout.readline().strip() != "done":
            raise SystemExit(f"Postgres did not {order}")

    def crash(self):
        self.order("stop")
        self.order("start")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)

    def ask(self, sql):
        """Rows of one statement, as lists of texts."""
        done = subprocess.run(
            ["psql", self.url, "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql],
            capture_output=True, text=True, timeout=60,
        )
        if done.returncode:
            raise OSError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]


class Session:
    """A psql that stays, for asking often."""

    def __init__(self, url):
        self.process = subprocess.Popen(
            ["psql", url, "-XAtq", "-F", "\t"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def ask(self, sql):
        self.process.stdin.write(sql + ";\n\\echo end-of-answer\n")
        self.process.stdin.flush()
        rows = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == "end-of-answer":
                return rows
            rows.append(line.split("\t"))
        raise OSError("psql ended")


class Process:
    """One program with its log."""

    def __init__(self, folder, name, arguments, env=None, program=BINARY):
        self.name, self.path = name, os.path.join(folder, f"{name}.log")
        self.program, self.arguments, self.env, self.folder = program, arguments, env, folder
        self.start()

    def start(self):
        with open(self.path, "a", encoding="utf-8") as log:
            self.popen = subprocess.Popen(
                [self.program, *self.arguments], stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, **(self.env or {})},
            )

    def send(self, number):
        self.popen.send_signal(number)

    def log(self):
        with open(self.path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def cpu(self):
        """Seconds of CPU so far."""
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, what="VmRSS"):
        """MB held now; VmHWM: the most it ever held."""
        with open(f"/proc/{self.popen.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith(what))
        return int(line.split()[1]) / 1024

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.kill()
        self.popen.wait()


class Sandbox(Process):
    def __init__(self, folder, name, people, users, seed=7):
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        arguments = ["sandbox", "--listen", f"127.0.0.1:{self.port}", "--people", str(people),
                     "--users", str(users), "--seed", str(seed)]
        super().__init__(folder, name, arguments)
        self.api = Client(self.origin)

        def up():
            try:
                self.config = self.api.call("GET", "/_sandbox/config")
                return True
            except OSError:
                return False

        until(f"{name} answers", up, 60)
        self.api.call("POST", "/_sandbox/auto-consent", {"on": True})

    def state(self):
        return self.api.call("GET", "/_sandbox/state")

    def edit(self, record, fields):
        self.api.call("POST", f"/_sandbox/tribe/records/{record}", fields)


class Door:
    """The one address of all replicas: each connection goes to the next one in the list."""

    def __init__(self):
        self.targets = []
        self.turn = itertools.count()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.origin = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        targets = list(self.targets)
        first = next(self.turn)
        server = None
        for number in range(len(targets)):
            port = targets[(first + number) % len(targets)]
            try:
                server = socket.create_connection(("127.0.0.1", port), timeout=2)
                break
            except OSError:
                continue
        if server is None:
            client.close()
            return
        server.settimeout(None)

        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join()
        client.close()
        server.close()


class Service(Process):
    """One process of the service, in front of a sandbox; on SQLite in the folder unless told."""

    def __init__(self, folder, name, sandbox, settings=None, database=None, public_url=None):
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.database = os.path.join(folder, f"{name}.db")
        tribe, microsoft = sandbox.config["tribe"], sandbox.config["microsoft"]
        values = {
            "SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "SERVER__PUBLIC_URL": public_url or self.origin,
            "DATABASE__URL": database or f"sqlite://{self.database}",
            "SECURITY__ENCRYPTION_KEYS": KEYS,
            "SECURITY__ADMIN_TOKEN": ADMIN,
            "TRIBE__API_URL": sandbox.origin,
            "TRIBE__AUTH_URL": sandbox.origin,
            "TRIBE__CLIENT_ID": tribe["client_id"],
            "TRIBE__CLIENT_SECRET": tribe["client_secret"],
            "TRIBE__WEBHOOK_SECRET": tribe["webhook_secret"],
            "MICROSOFT__GRAPH_URL": sandbox.origin,
            "MICROSOFT__LOGIN_URL": sandbox.origin,
            "MICROSOFT__TENANT": microsoft["tenant"],
            "MICROSOFT__CLIENT_ID": microsoft["client_id"],
            "MICROSOFT__CLIENT_SECRET": microsoft["client_secret"],
            **(settings or {}),
        }
        env = {f"TRIBELINK_{key}": value for key, value in values.items()}
        super().__init__(folder, name, ["serve"], env)
        self.api = Client(self.origin, {"Authorization": f"Bearer {ADMIN}"})

    def ready(self, timeout=3):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=timeout) as answer:
                return answer.status == 200
        except OSError:
            return False


class Replica(Service):
    """One of several behind a door."""

    def __init__(self, folder, name, door, database, sandbox, settings):
        self.door = door
        super().__init__(folder, name, sandbox, settings, database, door.origin)

    def in_rotation(self, wanted):
        targets = [port for port in self.door.targets if port != self.port]
        self.door.targets = targets + [self.port] if wanted else targets


def activate(api, mailbox, environment=None, start=True):
    """Activates a mailbox and walks its owner through consent; the user's id."""
    asked = {"employee_id": mailbox["employee_id"], "start": start}
    if environment:
        asked["environment"] = environment
    user = api.call("POST", "/api/v1/users", asked)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(user["consent_url"], timeout=60) as page:
        page.read()
    return user["id"]


def stamp_of(contact):
    """The stamp's text, if it has one; the last name of its property is always the same."""
    for name in ("singleValueExtendedProperties", "singleValueLegacyExtendedProperties"):
        for prop in contact.get(name) or []:
            if re.search(r"tribelink", prop.get("id", ""), re.I):
                return prop["value"]
    return None


class Stage:
    """A folder for logs, and everything that must end with the scene."""

    def __init__(self):
        self.keep = os.environ.get("KEEP_LOGS")
        self.folder = self.keep or tempfile.mkdtemp(prefix="tribelink-stage.")
        os.makedirs(self.folder, exist_ok=True)
        self.ends = []

    def add(self, thing, end):
        self.ends.append((thing, end))
        return thing

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for thing, end in reversed(self.ends):
            try:
                end(thing)
            except Exception as trouble:  # the next one is to be ended as well
                say(f"{trouble}")
        if kind is None and not self.keep:
            subprocess.run(["rm", "-rf", self.folder], check=False)
        else:
            say(f"logs: {self.folder}")
