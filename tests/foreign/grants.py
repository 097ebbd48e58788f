"""How a person signs in with the sandbox's Salesforce, and the client that simple-salesforce makes of the grant."""

import base64
import hashlib
import html.parser
import os
import secrets
import urllib.parse

import requests
from simple_salesforce import Salesforce

from common import INFO

BASE = INFO["salesforce"]["https"]
REDIRECT = os.environ.get("TANDEM_TEST_REDIRECT", "http://localhost:7433/auth/callback")


class Form(html.parser.HTMLParser):
    """The first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.action, self.method, self.fields, self.password, self.text = None, "get", {}, None, []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form" and self.action is None:
            self._inside = True
            self.action, self.method = values.get("action", ""), values.get("method", "get").lower()
        elif self._inside and tag in ("input", "button") and values.get("name"):
            if values.get("type") == "password":
                self.password = values["name"]
            elif values.get("type") in (None, "text", "email"):
                self.text.append(values["name"])
            self.fields.setdefault(values["name"], values.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


def browser():
    session = requests.Session()
    # An environment variable for the bundle would override `verify`.
    session.trust_env = False
    session.verify = INFO["ca_pem"]
    return session


def follow(session, answer):
    """Follows redirects until one leaves for the client; returns what came, and that address if there was one."""
    for _ in range(10):
        place = answer.headers.get("Location")
        if not place:
            return answer, None
        place = urllib.parse.urljoin(answer.url, place)
        if place.startswith(REDIRECT):
            return answer, place
        answer = session.get(place, allow_redirects=False, timeout=30)
    raise AssertionError("redirects in a circle")


def sign_in(user, password=None, scope="api refresh_token openid", state="st-1"):
    """Walks the flow. Returns the query of the redirect (or None), and the verifier."""
    session = browser()
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": INFO["client"]["id"],
        "redirect_uri": REDIRECT,
        "scope": scope,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = session.get(BASE + "/services/oauth2/authorize", params=query, allow_redirects=False, timeout=30)
    answer, place = follow(session, answer)
    for _ in range(3):  # a login page, then perhaps one that asks for consent
        if place:
            break
        form = Form(answer.text)
        if form.action is None:
            raise AssertionError(f"no form on the page: {answer.status_code} {answer.text[:300]}")
        fields = dict(form.fields)
        if form.password:
            if password is not None and fields.get("tried"):
                break
            fields[form.text[0]] = user["salesforce_username"]
            fields[form.password] = password or user["salesforce_password"]
        target = urllib.parse.urljoin(answer.url, form.action)
        answer = session.post(target, data=fields, allow_redirects=False, timeout=30)
        answer, place = follow(session, answer)
        if password is not None and place is None:
            return None, verifier
    if place is None:
        return None, verifier
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(place).query)), verifier


def token(**fields):
    fields = {"client_id": INFO["client"]["id"], "client_secret": INFO["client"]["secret"], **fields}
    return browser().post(BASE + "/services/oauth2/token", data=fields, timeout=30)


def exchange(code, verifier):
    return token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=verifier)


def grant(user):
    answer, verifier = sign_in(user)
    reply = exchange(answer["code"], verifier)
    reply.raise_for_status()
    return reply.json()


def client(user_grant):
    host = urllib.parse.urlsplit(user_grant["instance_url"])
    # It speaks https only; the grant may name the plain origin.
    instance = host.netloc if host.scheme == "https" else urllib.parse.urlsplit(BASE).netloc
    return Salesforce(instance=instance, session_id=user_grant["access_token"], session=browser())
