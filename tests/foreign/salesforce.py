"""Drives the sandbox's Salesforce with simple-salesforce, which knows nothing of it.

The token comes from the web-server flow with PKCE, walked as a browser would: the page's form is read, filled
and sent.
"""

import base64
import datetime
import urllib.parse

from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from common import COLLEAGUE, INFO, NINA, check, control, equal, finish, refused, section
from grants import BASE, browser, client, exchange, grant, sign_in, token

nina = {}


def signs_in():
    answer, verifier = sign_in(NINA)
    equal("the state comes back", answer.get("state"), "st-1")
    check("a code comes back", answer.get("code"), answer)
    equal("another verifier is refused", exchange(answer["code"], "x" * 64).status_code, 400)
    answer, verifier = sign_in(NINA)
    reply = exchange(answer["code"], verifier)
    equal("the code is exchanged", reply.status_code, 200)
    nina.update(reply.json())
    for name in ("access_token", "refresh_token", "instance_url", "id", "issued_at", "signature", "token_type"):
        check(f"the answer has {name}", nina.get(name), sorted(nina))
    check("it names organisation and user", nina["id"].endswith(f"/id/{INFO['org_id']}/{NINA['salesforce_user_id']}"), nina["id"])
    equal("a code works once", exchange(answer["code"], verifier).json().get("error"), "invalid_grant")
    wrong, _ = sign_in(NINA, password="not the password")
    equal("a wrong password gives no code", wrong, None)
    person = browser().get(
        nina["instance_url"].replace(INFO["salesforce"]["http"], BASE) + "/services/oauth2/userinfo",
        headers={"Authorization": "Bearer " + nina["access_token"]},
        timeout=30,
    ).json()
    equal("userinfo names the user", person.get("user_id"), NINA["salesforce_user_id"])
    equal("and the organisation", person.get("organization_id"), INFO["org_id"])


def reads(sf):
    describe = sf.Contact.describe()
    names = {field["name"]: field for field in describe["fields"]}
    check("describe knows the last name", names.get("LastName", {}).get("length") == 80, names.get("LastName"))
    check("all objects are listed", any(o["name"] == "Contact" for o in sf.describe()["sobjects"]))
    rows = sf.query("SELECT Id, LastName, Email, SystemModstamp FROM Contact ORDER BY SystemModstamp, Id LIMIT 10")
    equal("a query with a limit", len(rows["records"]), 10)
    first = rows["records"][0]
    equal("one record by its id", sf.Contact.get(first["Id"])["LastName"], first["LastName"])
    known = control("GET", f"/salesforce/records/Contact?as={urllib.parse.quote(NINA['salesforce_username'])}")
    alive = {row["Id"] for row in known if not row.get("IsDeleted")}
    every = sf.query_all("SELECT Id FROM Contact")
    equal("every record is listed", {row["Id"] for row in every["records"]}, alive)
    own = sf.query_all(f"SELECT Id FROM Contact WHERE OwnerId = '{NINA['salesforce_user_id']}'")
    check("some are Nina's own", 0 < len(own["records"]) <= len(alive), len(own["records"]))
    paged = sf.query("SELECT Id FROM Contact", headers={"Sforce-Query-Options": "batchSize=200"})
    seen = [row["Id"] for row in paged["records"]]
    while not paged["done"]:
        paged = sf.query_more(paged["nextRecordsUrl"], identifier_is_url=True)
        seen += [row["Id"] for row in paged["records"]]
    equal("pages give each record once", sorted(seen), sorted(alive))
    limits = sf.limits()
    check("limits are told", limits["DailyApiRequests"]["Max"] >= limits["DailyApiRequests"]["Remaining"] > 0)
    usage = (sf.api_usage or {}).get("api-usage")
    check("each answer tells the usage", usage is not None and usage.used > 0, sf.api_usage)


def writes(sf):
    made = sf.Contact.create({"FirstName": "Žofie", "LastName": "Ó Ceallaigh-山田", "Email": "zofie@foreign.example"})
    check("a contact is created", made["success"], made)
    key = made["id"]
    row = sf.Contact.get(key)
    equal("its name comes back", row["LastName"], "Ó Ceallaigh-山田")
    equal("its owner is who made it", row["OwnerId"], NINA["salesforce_user_id"])
    stamp = row["SystemModstamp"]
    equal("an update", sf.Contact.update(key, {"Title": 'Head of "R&D"', "Phone": "+49 30 1234"}), 204)
    row = sf.Contact.get(key)
    equal("it arrived", row["Title"], 'Head of "R&D"')
    check("it moved the time stamp", row["SystemModstamp"] > stamp, (row["SystemModstamp"], stamp))
    sf.Contact.update(key, {"Phone": None})
    equal("a field can be cleared", sf.Contact.get(key)["Phone"], None)
    error = refused("a contact without last name", SalesforceMalformedRequest, lambda: sf.Contact.create({"FirstName": "x"}))
    equal("it says why", error and error.content[0]["errorCode"], "REQUIRED_FIELD_MISSING")
    error = refused("a field that is not there", SalesforceMalformedRequest, lambda: sf.Contact.create({"LastName": "x", "Nothing__c": 1}))
    equal("it says which", error and error.content[0]["errorCode"], "INVALID_FIELD")
    error = refused("a text too long", SalesforceMalformedRequest, lambda: sf.Contact.update(key, {"LastName": "x" * 81}))
    equal("it says so", error and error.content[0]["errorCode"], "STRING_TOO_LONG")
    error = refused("a query that is none", SalesforceMalformedRequest, lambda: sf.query("SELECT FROM Contact"))
    equal("it says so, too", error and error.content[0]["errorCode"], "MALFORMED_QUERY")

    equal("an upsert creates", sf.Contact.upsert("Tandem_Key__c/foreign-1", {"LastName": "Upsert"}), 201)
    equal("the same upsert updates", sf.Contact.upsert("Tandem_Key__c/foreign-1", {"LastName": "Upserted"}), 200)
    found = sf.query("SELECT Id, LastName FROM Contact WHERE Tandem_Key__c = 'foreign-1'")["records"]
    equal("it is there once", [row["LastName"] for row in found], ["Upserted"])
    by_key = sf.Contact.get_by_custom_id("Tandem_Key__c", "foreign-1")
    equal("it is read by its key", by_key["Id"], found[0]["Id"])

    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    check("updated names it", key in sf.Contact.updated(start, end)["ids"])
    equal("a delete", sf.Contact.delete(key), 204)
    refused("reading what is deleted", SalesforceResourceNotFound, lambda: sf.Contact.get(key))
    gone = sf.query_all(f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{key}'", include_deleted=True)["records"]
    equal("it is in the bin", [row["IsDeleted"] for row in gone], [True])
    check("deleted names it", key in [row["id"] for row in sf.Contact.deleted(start, end)["deletedRecords"]])


def activities(sf):
    contact = sf.query("SELECT Id, AccountId FROM Contact WHERE AccountId != null LIMIT 1")["records"][0]
    event = sf.Event.create({
        "Subject": "Ünï – talk", "StartDateTime": "2026-12-01T09:00:00Z", "DurationInMinutes": 90,
        "WhoId": contact["Id"], "WhatId": contact["AccountId"],
    })["id"]
    row = sf.Event.get(event)
    equal("an event ends when it should", row["EndDateTime"], "2026-12-01T10:30:00.000+0000")
    day = sf.Event.create({"Subject": "Fair", "IsAllDayEvent": True, "ActivityDate": "2026-12-05"})["id"]
    equal("an all-day event ends on its last day", sf.Event.get(day)["EndDateTime"], "2026-12-05T00:00:00.000+0000")
    long = {"Subject": "x", "StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-16T09:00:00Z"}
    error = refused("an event of 15 days", SalesforceMalformedRequest, lambda: sf.Event.create(long))
    equal("it says why", error and error.content[0]["errorCode"], "FIELD_INTEGRITY_EXCEPTION")
    sf.EventRelation.create({"EventId": event, "RelationId": COLLEAGUE["salesforce_user_id"]})
    copies = sf.query(f"SELECT Subject FROM Event WHERE IsChild = true AND OwnerId = '{COLLEAGUE['salesforce_user_id']}'")
    check("an invited colleague has a copy", "Ünï – talk" in [r["Subject"] for r in copies["records"]])
    invited = sf.query(
        "SELECT Id, Who.Name FROM Event WHERE IsChild = false AND Id IN "
        f"(SELECT EventId FROM EventRelation WHERE RelationId = '{COLLEAGUE['salesforce_user_id']}')"
    )["records"]
    check("and is found by the invitation", event in [r["Id"] for r in invited], invited)

    task = sf.Task.create({"Subject": "Offer", "ActivityDate": "2026-12-01", "WhoId": contact["Id"]})["id"]
    sf.Task.update(task, {"Status": "Completed"})
    equal("a completed task is closed", sf.Task.get(task)["IsClosed"], True)
    equal("a key upserts a task", sf.Task.upsert("Tandem_Key__c/foreign-task", {"Subject": "By key"}), 201)

    email = sf.EmailMessage.create({
        "Subject": "Hello", "TextBody": "Text", "Status": "3", "Incoming": True, "IsClientManaged": True,
        "MessageIdentifier": "<foreign@example.com>", "FromAddress": "x@example.com", "ToIds": [contact["Id"]],
        "RelatedToId": contact["AccountId"],
    })["id"]
    made = sf.query(f"SELECT Id, TaskSubtype, IsClosed, WhoId FROM Task WHERE Id = '{sf.EmailMessage.get(email)['ActivityId']}'")
    made = made["records"][0]
    equal("an email has its task", (made["TaskSubtype"], made["IsClosed"], made["WhoId"]), ("Email", True, contact["Id"]))
    data = base64.b64encode(b"%PDF-1.4").decode()
    sf.ContentVersion.create({"PathOnClient": "offer.pdf", "VersionData": data, "FirstPublishLocationId": email})
    equal("and its file", sf.EmailMessage.get(email)["HasAttachment"], True)
    sf.Event.delete(event)
    equal("a deleted event's copy is gone", sf.query(f"SELECT Id FROM EventRelation WHERE EventId = '{event}'")["totalSize"], 0)


def refuses(sf):
    def anonymous():
        return Salesforce(instance=urllib.parse.urlsplit(BASE).netloc, session_id="00Dnot-a-token", session=browser()).limits()

    error = refused("a token that is none", SalesforceExpiredSession, anonymous)
    equal("it says why", error and error.content[0]["errorCode"], "INVALID_SESSION_ID")
    control("POST", "/faults", {"service": "salesforce", "kind": "throttle", "ms": 10, "times": 1})
    error = refused("a request above the limit", SalesforceError, sf.limits)
    equal("it says so", error and error.content[0]["errorCode"], "REQUEST_LIMIT_EXCEEDED")
    check("the next one is answered", sf.limits())


def rotates():
    first = nina["refresh_token"]
    reply = token(grant_type="refresh_token", refresh_token=first)
    equal("a refresh", reply.status_code, 200)
    second = reply.json().get("refresh_token")
    check("it brings another refresh token", second and second != first)
    check("and a token that works", client({**nina, **reply.json()}).limits())
    equal("the old one is dead", token(grant_type="refresh_token", refresh_token=first).json().get("error"), "invalid_grant")


def grants_end():
    grants = [grant(COLLEAGUE) for _ in range(6)]
    state = control("GET", "/salesforce/users/" + urllib.parse.quote(COLLEAGUE["salesforce_username"]))
    equal("at most five grants live", len(state["grants"]), 5)
    oldest = token(grant_type="refresh_token", refresh_token=grants[0]["refresh_token"])
    equal("the sixth killed the oldest", oldest.json().get("error"), "invalid_grant")
    newest = grants[-1]["refresh_token"]
    answer = browser().post(BASE + "/services/oauth2/revoke", data={"token": newest}, timeout=30)
    equal("a grant can be revoked", answer.status_code, 200)
    equal("then it is dead", token(grant_type="refresh_token", refresh_token=newest).json().get("error"), "invalid_grant")


section("signing in", signs_in)
if nina:
    sf = client(nina)
    section("reading", lambda: reads(sf))
    section("writing", lambda: writes(sf))
    section("events, tasks and emails", lambda: activities(sf))
    section("refusing", lambda: refuses(sf))
    section("rotating", rotates)
    section("ending grants", grants_end)
finish()
