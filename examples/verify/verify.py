"""Receives what tickrelay sends, with nothing but Python:

    WEBHOOK_SECRET=whsec_… python3 verify.py 3000

Prints one line for each payload, once. Answers 401 to what is not from tickrelay.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How far the sender's clock and ours may be apart; what is older may be a replay.
TOLERANCE_S = 5 * 60


def verify(secret, headers, body):
    """Whether body (bytes, as it came) was sent by who knows the secret, just now."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # While a secret is rotated there are two signatures: ours is one of them.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(f"v1,{mac}".encode(), it.encode()) for it in signatures)


SECRET = os.environ.get("WEBHOOK_SECRET") or sys.exit("set WEBHOOK_SECRET to whsec_…")
# Yours is a table with a unique key, written in the transaction that acts on the payload.
seen = set()
lock = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not verify(SECRET, self.headers, body):
            self.send_error(401, "not signed with our secret, or too old")
            return
        with lock:
            if self.headers["webhook-id"] not in seen:
                print(json.dumps(json.loads(body)), flush=True)
                seen.add(self.headers["webhook-id"])
        # What was seen before is a yes too, or it would be sent again and again.
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
