"""Drives the sandbox's Exchange with exchangelib, which knows nothing of it."""

import datetime
import warnings

from exchangelib import (
    BASIC,
    DELEGATE,
    Account,
    Build,
    CalendarItem,
    Configuration,
    Contact,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    ExtendedProperty,
    FileAttachment,
    Mailbox,
    Message,
    Task,
    Version,
)
from exchangelib.errors import (
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorInvalidSyncStateData,
    ErrorNonExistentMailbox,
    ErrorServerBusy,
    EWSError,
    UnauthorizedError,
)
from exchangelib.folders import Contacts
from exchangelib.indexed_properties import EmailAddress, PhoneNumber, PhysicalAddress
from exchangelib.items import NEVER_OVERWRITE, SEND_TO_NONE
from exchangelib.properties import AlternateId
from exchangelib.recurrence import Recurrence, WeeklyPattern

from common import COLLEAGUE, INFO, NINA, check, control, equal, finish, refused, section

warnings.filterwarnings("ignore")


class LinkKey(ExtendedProperty):
    """A property of a named set, as add-ins keep their own data in."""

    property_set_id = "5b6c9b3e-3a35-4f6c-9c63-0f2ad3c1a7d1"
    property_name = "ForeignKey"
    property_type = "String"


Contact.register("link_key", LinkKey)


def connect(user, password=None, login=None, mailbox=None):
    config = Configuration(
        service_endpoint=INFO["ews_url"],
        credentials=Credentials(login or user["exchange_login"], password or user["exchange_password"]),
        auth_type=BASIC,
        version=Version(build=Build(15, 1)),
    )
    return Account(
        primary_smtp_address=mailbox or user["mailbox"], config=config, autodiscover=False, access_type=DELEGATE
    )


def listed(user=NINA, folder="Contacts"):
    """What the control API says is in a folder, by id."""
    rows = control("GET", f"/exchange/mailboxes/{user['mailbox']}/contacts")
    return {row["id"]: row for row in rows if row["folder"] == folder}


account = connect(NINA)


def reads():
    items = list(account.contacts.all())
    known = listed()
    equal("every contact is listed", {item.id for item in items}, set(known))
    check("there are contacts", len(items) >= 5, len(items))
    for item in items:
        wanted = known[item.id]["fields"].get("Surname")
        if (item.surname or None) != (wanted or None):
            equal(f"surname of {item.id}", item.surname, wanted)
    check("each has a change key", all(item.changekey for item in items))
    names = {item.display_name for item in account.contacts.all().only("display_name")}
    equal("a listing of one field", names, {item.display_name for item in items})
    first = items[0]
    again = account.contacts.get(id=first.id, changekey=first.changekey)
    equal("one item by its id", again.display_name, first.display_name)
    check("folders are found", any(folder.name == "Deleted Items" for folder in account.root.walk()))
    equal("the folder's count", account.contacts.total_count, len(known))


def writes():
    before = control("GET", "/counters")["exchange"].get("mails_sent")
    contact = Contact(
        folder=account.contacts,
        given_name="Žofie",
        surname="Ó Ceallaigh-山田",
        display_name="Žofie Ó Ceallaigh-山田",
        company_name="Müller & Söhne <GmbH>",
        job_title='Head of "R&D"',
        birthday=datetime.date(1980, 2, 29),
        body="first line\nsecond line ✓",
        email_addresses=[EmailAddress(label="EmailAddress1", email="zofie@foreign.example")],
        phone_numbers=[
            PhoneNumber(label="BusinessPhone", phone_number="+49 30 1234"),
            PhoneNumber(label="MobilePhone", phone_number="+49 170 1"),
        ],
        physical_addresses=[
            PhysicalAddress(label="Business", street="Allee 1\nHof", city="Köln", zipcode="50667", country="Germany")
        ],
        categories=["Salesforce", "Blue"],
        link_key="key-1",
    )
    contact.save()
    check("a created contact has an id", contact.id and contact.changekey)
    row = listed()[contact.id]
    equal("its name arrived", row["fields"].get("Surname"), "Ó Ceallaigh-山田")
    equal("its company arrived", row["fields"].get("CompanyName"), "Müller & Söhne <GmbH>")
    equal("its categories arrived", sorted(row["categories"]), ["Blue", "Salesforce"])
    check("its extended property arrived", "key-1" in str(row["properties"]), row["properties"])

    read = account.contacts.get(id=contact.id)
    equal("given name comes back", read.given_name, contact.given_name)
    equal("job title comes back", read.job_title, contact.job_title)
    equal("body comes back", (read.body or "").replace("\r\n", "\n").strip(), contact.body)
    equal("extended property comes back", read.link_key, "key-1")
    equal("mail address comes back", [e.email for e in read.email_addresses if e.email], ["zofie@foreign.example"])
    equal(
        "phones come back",
        {p.label: p.phone_number for p in read.phone_numbers if p.phone_number},
        {"BusinessPhone": "+49 30 1234", "MobilePhone": "+49 170 1"},
    )
    address = next(a for a in read.physical_addresses if a.label == "Business")
    equal("city comes back", address.city, "Köln")
    equal("birthday comes back", read.birthday, contact.birthday)
    found = list(account.contacts.filter(link_key="key-1"))
    equal("found by its extended property", [item.id for item in found], [contact.id])

    key = read.changekey
    read.job_title = "Chief"
    read.phone_numbers = [PhoneNumber(label="BusinessPhone", phone_number="+49 30 9")]
    read.save(update_fields=["job_title", "phone_numbers"])
    check("an update moves the change key", read.changekey and read.changekey != key)
    row = listed()[contact.id]
    equal("the update arrived", row["fields"].get("JobTitle"), "Chief")
    equal("the phone was replaced", row["fields"].get("BusinessPhone"), "+49 30 9")
    equal("what was not named stayed", row["fields"].get("CompanyName"), "Müller & Söhne <GmbH>")

    read.company_name = None
    read.save(update_fields=["company_name"])
    check("a field can be cleared", not listed()[contact.id]["fields"].get("CompanyName"))

    stale = account.contacts.get(id=contact.id)
    newer = account.contacts.get(id=contact.id)
    newer.job_title = "Newest"
    newer.save(update_fields=["job_title"])
    stale.job_title = "Oldest"
    refused(
        "a write over a version that it has not seen",
        ErrorIrresolvableConflict,
        lambda: stale.save(update_fields=["job_title"], conflict_resolution=NEVER_OVERWRITE),
    )
    equal("it changed nothing", listed()[contact.id]["fields"].get("JobTitle"), "Newest")

    newer.move_to_trash()
    check("a deleted contact left the folder", contact.id not in listed())
    bin_names = [row["fields"].get("Surname") for row in listed(folder="Deleted Items").values()]
    check("it is in Deleted Items", "Ó Ceallaigh-山田" in bin_names, bin_names)
    refused("reading it by its old id", ErrorItemNotFound, lambda: one(contact.id))
    equal("no mail was sent", control("GET", "/counters")["exchange"].get("mails_sent"), before)


def one(item_id):
    """The item, or the error that stands in its place."""
    result = list(account.fetch(ids=[(item_id, None)]))[0]
    if isinstance(result, Exception):
        raise result
    return result


def many():
    made = account.bulk_create(
        folder=account.contacts,
        items=[Contact(given_name=f"Bulk {n}", surname="Many", display_name=f"Bulk {n}", folder=account.contacts) for n in range(25)],
    )
    equal("25 created at once", len([m for m in made if getattr(m, "id", None)]), 25)
    equal("all 25 are there", len([r for r in listed().values() if r["fields"].get("Surname") == "Many"]), 25)
    pages = list(account.contacts.filter(surname="Many"))
    equal("a search finds them", len(pages), 25)
    gone = account.bulk_delete(ids=made)
    equal("25 deleted at once", gone, [True] * 25)
    equal("none is left", len([r for r in listed().values() if r["fields"].get("Surname") == "Many"]), 0)


def folders():
    folder = Contacts(parent=account.contacts, name="Foreign folder")
    folder.save()
    check("a folder can be created", folder.id)
    contact = Contact(folder=account.contacts, given_name="Mover", surname="Moved", display_name="Mover Moved")
    contact.save()
    old = contact.id
    contact.move(to_folder=folder)
    rows = listed(folder="Foreign folder")
    equal("a contact moved there", [r["fields"].get("Surname") for r in rows.values()], ["Moved"])
    check("it left its old place", old not in listed())
    equal("it is read there", [item.given_name for item in folder.all()], ["Mover"])
    folder.all().delete()
    equal("it can be deleted there", listed(folder="Foreign folder"), {})


def synced(state, page=None):
    """All changes since `state`. Only table properties: SyncFolderItems gives no others."""
    return list(account.contacts.sync_items(sync_state=state, only_fields=["surname"], max_changes_returned=page))


def changes():
    folder = account.contacts
    folder.item_sync_state = None
    first = synced(None)
    equal("a first sync names every contact", {item.id for kind, item in first}, set(listed()))
    check("all of them as new", all(kind == "create" for kind, _ in first), [kind for kind, _ in first])
    names = {row["id"]: row["fields"].get("Surname") for row in listed().values()}
    check("with the field asked for", all(item.surname == names[item.id] for _, item in first))
    state = folder.item_sync_state
    check("it gives a state", state)
    equal("nothing changed since", synced(state), [])

    contact = Contact(folder=folder, given_name="Sync", surname="One", display_name="Sync One")
    contact.save()
    step = synced(folder.item_sync_state)
    equal("a new contact shows", [(kind, item.id) for kind, item in step], [("create", contact.id)])
    contact.surname = "Two"
    contact.save(update_fields=["surname"])
    step = synced(folder.item_sync_state)
    equal("an edit shows", [(kind, item.id) for kind, item in step], [("update", contact.id)])
    contact.delete()
    step = synced(folder.item_sync_state)
    equal("a delete shows", [kind for kind, _ in step], ["delete"])
    again = synced(state)
    check("an old state still tells of no living contact", all(kind == "delete" for kind, _ in again), again)
    folder.item_sync_state = None
    paged = synced(None, page=3)
    equal("small pages give the same", {item.id for _, item in paged}, set(listed()))
    equal("no contact twice", len(paged), len({item.id for _, item in paged}))
    refused("a state that is none", ErrorInvalidSyncStateData, lambda: synced("bm90IGEgc3RhdGU="))
    control("POST", "/faults", {"service": "exchange", "operation": "SyncFolderItems", "kind": "expired_cursor", "times": 1})
    refused("a state that expired", ErrorInvalidSyncStateData, lambda: synced(state))
    check("the next request is answered", isinstance(synced(state), list))


def events():
    with account.contacts.pull_subscription() as (subscription, watermark):
        check("a subscription has a watermark", subscription and watermark)
        quiet = list(account.contacts.get_events(subscription, watermark))
        contact = Contact(folder=account.contacts, given_name="Event", surname="Ful", display_name="Event Ful")
        contact.save()
        last = quiet[-1].events[-1].watermark if quiet and quiet[-1].events else watermark
        told = list(account.contacts.get_events(subscription, last))
        kinds = [type(event).__name__ for note in told for event in note.events]
        check("a new contact is told", "CreatedEvent" in kinds, kinds)
        contact.delete()


def people():
    matches = account.protocol.resolve_names(names=["nina.berg"], return_full_contact_data=False)
    check("a name is resolved", any(getattr(m, "email_address", None) == NINA["mailbox"] for m in matches), matches)


def hierarchy():
    first = list(account.msg_folder_root.sync_hierarchy())
    names = {folder.name for kind, folder in first if kind == "create"}
    check("a first sync names the folders", {"Contacts", "Deleted Items"} <= names, names)
    state = account.msg_folder_root.folder_sync_state
    folder = Contacts(parent=account.contacts, name="Told")
    folder.save()
    step = list(account.msg_folder_root.sync_hierarchy(sync_state=state))
    equal("a new folder shows", [(kind, f.name) for kind, f in step], [("create", "Told")])


def categories():
    config = account.calendar.get_user_configuration(name="CategoryList", properties="XmlData")
    text = config.xml_data.decode("utf-8-sig")
    check("the category list is there", "<categories" in text and "name=" in text, text[:300])


def ids():
    item = account.contacts.all().only("id")[0]
    [converted] = account.protocol.convert_ids(
        [AlternateId(id=item.id, format="EwsId", mailbox=NINA["mailbox"])], destination_format="HexEntryId"
    )
    check("an id is converted", converted.format == "HexEntryId" and converted.id, converted)
    [back] = account.protocol.convert_ids(
        [AlternateId(id=converted.id, format="HexEntryId", mailbox=NINA["mailbox"])], destination_format="EwsId"
    )
    equal("and back", back.id, item.id)


def patience():
    control("POST", "/faults", {"service": "exchange", "kind": "throttle", "ms": 1500, "times": 2})
    hints = []
    for way in ("one way", "the other way"):
        error = refused(f"a busy server, said {way}", ErrorServerBusy, lambda: synced(None))
        hints.append(error and error.back_off)
    # It reads the hint of a SOAP fault only; inside of a reply it falls back on a guess of its own.
    check("with its hint", 1.5 in hints, hints)
    check("the next request is answered", account.contacts.total_count >= 0)


def refusals():
    before = control("GET", f"/exchange/mailboxes/{COLLEAGUE['mailbox']}")
    equal("no failed logon yet", before["failed_logons"], 0)
    wrong = connect(COLLEAGUE, password="not the password")
    error = refused("a wrong password", (UnauthorizedError,), lambda: wrong.contacts.total_count)
    check("the password is not in the error", "not the password" not in str(error), error)
    after = control("GET", f"/exchange/mailboxes/{COLLEAGUE['mailbox']}")
    check("it was counted", 1 <= after["failed_logons"] <= 2, after["failed_logons"])
    right = connect(COLLEAGUE)
    check("the right one still works", right.contacts.total_count >= 0)
    short = connect(COLLEAGUE, login="CONTOSO\\" + COLLEAGUE["exchange_login"].split("@")[0])
    check("so does the short form of the login", short.contacts.total_count >= 0)
    for _ in range(6):
        locked = connect(COLLEAGUE, password="still not")
        try:
            locked.contacts.total_count
        except EWSError:
            pass
    status = control("GET", f"/exchange/mailboxes/{COLLEAGUE['mailbox']}")
    check("too many of them lock the account", status["locked"], status)
    again = connect(COLLEAGUE)
    refused("then the right password is refused, too", (UnauthorizedError,), lambda: again.contacts.total_count)
    nobody = connect(NINA, mailbox="nobody@" + INFO["autodiscover_domain"])
    refused("a mailbox that is not there", (ErrorNonExistentMailbox,), lambda: nobody.contacts.total_count)


def calendar():
    before = control("GET", "/counters")["exchange"].get("mails_sent")
    zone = EWSTimeZone("Europe/Berlin")
    start = EWSDateTime(2026, 3, 23, 10, 0, tzinfo=zone)
    end = EWSDateTime(2026, 3, 23, 11, 0, tzinfo=zone)
    series = CalendarItem(
        account=account,
        folder=account.calendar,
        subject="Foreign weekly ✓",
        body="agenda",
        location="Köln",
        start=start,
        end=end,
        categories=["Salesforce"],
        required_attendees=["guest@foreign.example"],
        recurrence=Recurrence(
            pattern=WeeklyPattern(interval=1, weekdays=["Monday"]), start=start.date(), number=4
        ),
    )
    series.save(send_meeting_invitations=SEND_TO_NONE)
    window = (EWSDateTime(2026, 3, 1, tzinfo=zone), EWSDateTime(2026, 5, 1, tzinfo=zone))
    seen = sorted(account.calendar.view(start=window[0], end=window[1]), key=lambda item: item.start)
    seen = [item for item in seen if item.subject == series.subject]
    equal("a view expands the series", [item.start.astimezone(zone).hour for item in seen], [10] * 4)
    equal("they are occurrences", {item.type for item in seen}, {"Occurrence"})
    master = account.calendar.get(id=series.id)
    equal("the series is one", master.type, "RecurringMaster")
    equal("its pattern comes back", (master.recurrence.pattern.interval, master.recurrence.boundary.number), (1, 4))
    equal("its guest comes back", [a.mailbox.email_address for a in master.required_attendees], ["guest@foreign.example"])
    second = series.occurrence(index=2)
    second.refresh()
    equal("the second by its number", second.original_start, seen[1].start)
    second.subject = "Foreign exception"
    second.save(update_fields=["subject"], send_meeting_invitations=SEND_TO_NONE)
    master.refresh()
    equal("an exception is told", len(master.modified_occurrences), 1)
    third = series.occurrence(index=3)
    third.refresh()
    third.delete(send_meeting_cancellations=SEND_TO_NONE)
    master.refresh()
    equal("a deletion is told", len(master.deleted_occurrences), 1)
    equal("no mail was sent", control("GET", "/counters")["exchange"].get("mails_sent"), before)
    master.delete(send_meeting_cancellations=SEND_TO_NONE)


def tasks():
    task = Task(folder=account.tasks, subject="Foreign task", due_date=datetime.date(2026, 3, 10), categories=["Blue"])
    task.save()
    read = account.tasks.get(id=task.id)
    equal("a task's due date comes back", read.due_date, task.due_date)
    equal("its status", read.status, "NotStarted")
    read.complete()
    read.refresh()
    equal("it was completed", (read.status, read.is_complete, int(read.percent_complete)), ("Completed", True, 100))
    read.delete(affected_task_occurrences="AllOccurrences")


def mails():
    message = Message(
        folder=account.drafts,
        subject="Foreign mail ✓",
        body="text",
        to_recipients=[Mailbox(email_address="guest@foreign.example")],
    )
    message.save()
    message.attach(FileAttachment(name="a.txt", content=b"attached \x00"))
    read = account.drafts.get(id=message.id)
    equal("the attachment comes back", [(a.name, a.content) for a in read.attachments], [("a.txt", b"attached \x00")])
    check("so does the MIME text", b"guest@foreign.example" in read.mime_content, read.mime_content)
    check("it has a message id", read.message_id, read.message_id)
    equal("found by it", [m.id for m in account.drafts.filter(message_id=read.message_id)], [read.id])
    read.is_read = True
    read.categories = ["Salesforce"]
    read.save(update_fields=["is_read", "categories"])
    moved = account.drafts.get(id=read.id)
    moved.move(account.inbox)
    equal("it moved", account.inbox.get(id=moved.id).categories, ["Salesforce"])
    moved.delete()


section("calendar", calendar)
section("tasks", tasks)
section("mail", mails)
section("reading", reads)
section("writing", writes)
section("many at once", many)
section("folders", folders)
section("changes", changes)
section("events", events)
section("people", people)
section("the hierarchy of folders", hierarchy)
section("categories", categories)
section("ids", ids)
section("patience", patience)
section("refusals", refusals)
finish()
