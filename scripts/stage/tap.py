"""Listens in the service's place and hears the secrets that Graph's notifications carry."""

import http.server
import json
import threading
import urllib.parse


class Tap:
    """An address for `server.public_url`: it confirms subscriptions and takes every delivery for itself; a browser is sent on to the service."""

    def __init__(self):
        heard = self.heard = {}
        tap = self
        self.service = None

        class Ear(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802, the name that http.server looks for
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
                token = query.get("validationToken", [None])[0]
                if token is None:
                    told = json.loads(body or b"{}")
                    for item in told.get("value") or []:
                        heard[item["subscriptionId"]] = item.get("clientState")
                self.send_response(202 if token is None else 200)
                answer = (token or "").encode()
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self):  # noqa: N802, a browser on its way through consent
                self.send_response(302)
                self.send_header("location", f"{tap.service}{self.path}")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
