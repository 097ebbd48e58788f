"""What a script costs that does a session's work with the libraries people would write it with: one JSON object.

`idle`: four folders are asked what has changed, three queries ask the same of Salesforce. `first`: the contacts of
Salesforce are written to an empty mailbox. Processor time is the process's own, as the kernel counts it.
"""

import json
import resource
import sys
import warnings

from exchangelib import BASIC, DELEGATE, Account, Build, Configuration, Contact, Credentials, Version
from exchangelib.indexed_properties import EmailAddress, PhoneNumber

from common import INFO, NINA
from grants import client, grant

warnings.filterwarnings("ignore")

ROUNDS = 30
FIELDS = "Id, FirstName, LastName, Email, Phone, Title, SystemModstamp"


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


config = Configuration(
    service_endpoint=INFO["exchange"]["http"] + "/EWS/Exchange.asmx",
    credentials=Credentials(NINA["exchange_login"], NINA["exchange_password"]),
    auth_type=BASIC,
    version=Version(build=Build(15, 1)),
)
account = Account(primary_smtp_address=NINA["mailbox"], config=config, autodiscover=False, access_type=DELEGATE)
salesforce = client(grant(NINA))


def first():
    """Seconds on a processor for each contact that was written."""
    before = cpu()
    rows = salesforce.query_all(f"SELECT {FIELDS} FROM Contact")["records"]
    items = [
        Contact(
            folder=account.contacts,
            given_name=row["FirstName"],
            surname=row["LastName"],
            display_name=" ".join(filter(None, (row["FirstName"], row["LastName"]))),
            job_title=row["Title"],
            email_addresses=[EmailAddress(label="EmailAddress1", email=row["Email"])] if row["Email"] else None,
            phone_numbers=[PhoneNumber(label="BusinessPhone", phone_number=row["Phone"])] if row["Phone"] else None,
        )
        for row in rows
    ]
    written = account.bulk_create(folder=account.contacts, items=items)
    bad = [one for one in written if isinstance(one, Exception)]
    if bad or len(written) != len(rows):
        raise AssertionError(f"{len(written)} of {len(rows)} were written: {bad[:3]}")
    return (cpu() - before) / len(rows), len(rows)


def idle():
    """Seconds on a processor for one look at an idle mailbox and its user's records."""
    folders = [account.contacts, account.calendar, account.tasks, account.inbox]
    for folder in folders:
        list(folder.sync_items(only_fields=["id", "changekey"]))
    since = salesforce.query("SELECT SystemModstamp FROM Contact ORDER BY SystemModstamp DESC LIMIT 1")
    since = since["records"][0]["SystemModstamp"].replace("+0000", "Z")

    def look():
        news = sum(len(list(folder.sync_items(only_fields=["id", "changekey"]))) for folder in folders)
        for name in ("Contact", "Event", "Task"):
            rows = salesforce.query(f"SELECT Id, SystemModstamp FROM {name} WHERE SystemModstamp > {since}")
            news += len(rows["records"])
        return news

    look()
    before = cpu()
    for _ in range(ROUNDS):
        if look():
            raise AssertionError("the mailbox is not idle")
    return (cpu() - before) / ROUNDS


per_item, items = first()
print(json.dumps({"idle_ms": idle() * 1000, "first_us_per_item": per_item * 1e6, "items": items}))
sys.exit(0)
