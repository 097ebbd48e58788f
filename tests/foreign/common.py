"""What the scripts share: what the sandbox says about itself, its control API, and checks that are counted."""

import json
import os
import sys
import traceback
import urllib.request

INFO = json.loads(os.environ["TANDEM_TEST_INFO"])
NINA = INFO["users"][0]
COLLEAGUE = INFO["users"][1]

_passed = []
_failed = []


def control(method, path, body=None):
    """Calls the sandbox's control API; returns its JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(INFO["control"] + path, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def check(name, condition, detail=""):
    """Notes whether something holds; goes on either way, so that one run shows all that is wrong."""
    if condition:
        _passed.append(name)
        print(f"  ok    {name}")
    else:
        _failed.append(name)
        print(f"  FAIL  {name}: {detail}")


def equal(name, got, wanted):
    check(name, got == wanted, f"got {got!r}, wanted {wanted!r}")


def refused(name, errors, action):
    """Checks that `action` fails with one of `errors`; returns the error."""
    try:
        result = action()
    except errors as error:
        check(name, True)
        return error
    except Exception as error:  # any other error is a finding, not the end of the run
        check(name, False, f"raised {type(error).__name__}: {error}")
        return None
    check(name, False, f"was not refused: {result!r}")
    return None


def section(name, action):
    """Runs a part; an unexpected error is a failed check with its traceback."""
    print(name)
    try:
        action()
    except Exception:
        check(f"{name}: runs to its end", False, traceback.format_exc(limit=-2))


def finish():
    """Prints the sum, and ends with 1 if anything failed or nothing was checked."""
    print(f"{len(_passed)} checks passed, {len(_failed)} failed")
    sys.exit(1 if _failed or not _passed else 0)
