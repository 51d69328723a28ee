"""A bot outside: it proposes to delete what nobody used in 60 days. A person decides.

    LMX_KEY=lmx_... python examples/advisor_bot.py [DAYS]

The key's one role is `advisor` (lmx keys create BOT --role advisor): it can read the snapshot and
propose, and gets 403 everywhere else. Each proposal names the facts it rests on by their path in
the snapshot; the server compares them. Run it daily: what was proposed before is only counted.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("LMX_URL", "http://127.0.0.1:1234")
KEY = {"Authorization": f"Bearer {os.environ.get('LMX_KEY')}", "Content-Type": "application/json"}
DAYS = int(sys.argv[1]) if len(sys.argv) > 1 else 60


def call(path, body=None):
    request = urllib.request.Request(URL + path, body and json.dumps(body).encode(), KEY)
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.URLError as error:  # what the server refused, it explains
        sys.exit(error.read().decode() if hasattr(error, "read") else f"{URL}: {error.reason}")


def deletion(name, facts, since):
    why = {"reason": f"Nobody used it in {DAYS} days.", "assumes": "Nobody will.", "confidence": 60}
    evidence = [{"field": ["models", name, f], "value": facts[f]} for f in (since, "pinned")]
    return {"kind": "delete", "target": name, "evidence": evidence, **why}


seen = call("/advisory/snapshot")
proposals, until = [], seen["snapshot"]["taken_us"] - DAYS * 86_400_000_000
for name, facts in seen["snapshot"]["models"].items():
    since = "last_used_us" if facts["last_used_us"] else "created_us"
    if facts[since] <= until and not facts["pinned"]:
        proposals.append(deletion(name, facts, since))
body = {"snapshot": seen["digest"], "proposals": proposals[:20]}  # so many may wait at once
nothing = f"Every model was used, or came, within {DAYS} days: nothing is proposed."
print(json.dumps(call("/advisory/proposals", body), indent=2) if proposals else nothing)
