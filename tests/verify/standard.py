"""What the standardwebhooks package of PyPI says of requests: a JSON array on stdin, one boolean
for each on stdout."""

import json
import sys

from standardwebhooks import Webhook


def is_taken(request):
    try:
        Webhook(request["secret"]).verify(request["body"], request["headers"])
    # It raises more than its own error where a header cannot be read.
    except Exception:
        return False
    return True


print(json.dumps([is_taken(request) for request in json.load(sys.stdin)]))
