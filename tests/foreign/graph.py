"""Drives the sandbox's Microsoft Graph with msgraph-sdk, which knows nothing of it.

What the SDK has no name for lands in `additional_data`: there must be nothing but annotations.
"""

import asyncio
import dataclasses
import datetime

import httpx
from kiota_abstractions.api_error import APIError
from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator
from kiota_abstractions.authentication import BaseBearerTokenAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.serialization import Parsable
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.graph_request_adapter import options
from msgraph_core import GraphClientFactory
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.contact import Contact
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_type import EventType
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.open_type_extension import OpenTypeExtension
from msgraph.generated.models.outlook_category import OutlookCategory
from msgraph.generated.models.category_color import CategoryColor
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.models.task_status import TaskStatus
from msgraph.generated.models.todo_task import TodoTask
from msgraph.generated.users.item.contacts.contacts_request_builder import ContactsRequestBuilder
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody

from common import INFO, NINA, check, control, equal, finish, section

KEY = "String {5b6c9b3e-3a35-4f6c-9c63-0f2ad3c1a7d1} Name ForeignKey"
BOX = f"/exchange/mailboxes/{NINA['mailbox']}"


class Token(AccessTokenProvider):
    """A token that was handed out without a browser: the sign-in has tests of its own."""

    def __init__(self, token):
        self.token = token

    async def get_authorization_token(self, uri, additional_authentication_context=None):
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def client(token=None):
    token = token or control("POST", "/microsoft/issue", {"user": NINA["mailbox"]})["access_token"]
    web = httpx.AsyncClient(verify=INFO["ca_pem"], trust_env=False, timeout=30)
    # The SDK's own layers: they put the address right, and repeat what was throttled.
    web = GraphClientFactory.create_with_default_middleware(client=web, options=options)
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Token(token)), client=web)
    adapter.base_url = INFO["graph"]["https"] + "/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def strangers(value, path="", seen=None):
    """Names that the SDK does not know, with where they are."""
    found = []
    if isinstance(value, list):
        for n, one in enumerate(value):
            found += strangers(one, f"{path}[{n}]")
    elif isinstance(value, Parsable) and dataclasses.is_dataclass(value):
        extra = getattr(value, "additional_data", None) or {}
        own = isinstance(value, OpenTypeExtension)
        found += [f"{path}.{name}" for name in extra if not (own or name.startswith("@odata.") or name == "@removed")]
        for field in dataclasses.fields(value):
            if field.name not in ("additional_data", "backing_store"):
                found += strangers(getattr(value, field.name), f"{path}.{field.name}")
    return found


def known(name, value):
    equal(f"{name}: the SDK knows every name", strangers(value), [])


def run(action):
    """Each part has a client and a loop of its own."""
    return lambda: asyncio.run(action(client()))


async def refused(name, action, status, code):
    try:
        result = await action
    except ODataError as error:
        equal(name, (error.response_status_code, error.error.code), (status, code))
        return error
    except APIError as error:
        check(name, False, f"{error.response_status_code}: no error of Graph's")
        return None
    check(name, False, f"was not refused: {result!r}")
    return None


def immutable(query=None, *more):
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("Prefer", 'IdType="ImmutableId"')
    for header in more:
        configuration.headers.add("Prefer", header)
    return configuration


def at(time):
    return DateTimeTimeZone(date_time=time, time_zone="UTC")


async def whoami(graph):
    user = await graph.me.get()
    equal("the account's address", user.mail, NINA["mailbox"])
    known("the account", user)
    settings = await graph.me.mailbox_settings.get()
    equal("the zone", settings.time_zone, "W. Europe Standard Time")
    known("the settings", settings)


async def contacts(graph):
    made = await graph.me.contacts.post(
        Contact(
            given_name="Žofie",
            surname="Ó Ceallaigh-山田",
            company_name="Müller & Söhne <GmbH>",
            email_addresses=[EmailAddress(address="zofie@foreign.example", name="Žofie")],
            business_phones=["+49 30 1234"],
            birthday=datetime.datetime(1980, 2, 29, 11, 59, tzinfo=datetime.timezone.utc),
            single_value_extended_properties=[SingleValueLegacyExtendedProperty(id=KEY, value="key-1")],
        ),
        request_configuration=immutable(),
    )
    known("a made contact", made)
    row = next(r for r in control("GET", f"{BOX}/contacts") if r["fields"].get("Surname") == "Ó Ceallaigh-山田")
    check("its extended property arrived", "key-1" in str(row["properties"]), row["properties"])
    query = ContactsRequestBuilder.ContactsRequestBuilderGetQueryParameters(
        filter=f"singleValueExtendedProperties/any(ep: ep/id eq '{KEY}' and ep/value eq 'key-1')",
        expand=[f"singleValueExtendedProperties($filter=id eq '{KEY}')"],
    )
    found = await graph.me.contacts.get(request_configuration=immutable(query))
    known("found contacts", found)
    equal("found by its key", [c.id for c in found.value], [made.id])
    equal("with its key", found.value[0].single_value_extended_properties[0].value, "key-1")
    equal("birthday comes back", found.value[0].birthday.date(), datetime.date(1980, 2, 29))
    changed = await graph.me.contacts.by_contact_id(made.id).patch(Contact(job_title="Chief"))
    equal("an update comes back", (changed.job_title, changed.company_name), ("Chief", "Müller & Söhne <GmbH>"))

    folder = (await graph.me.contacts.get(request_configuration=immutable())).value[0].parent_folder_id
    delta = graph.me.contact_folders.by_contact_folder_id(folder).contacts.delta
    page = await delta.get(request_configuration=immutable(None, "odata.maxpagesize=5"))
    seen = []
    while True:
        known("a page of changes", page)
        seen += page.value
        if page.odata_delta_link:
            break
        page = await delta.with_url(page.odata_next_link).get(
            request_configuration=immutable(None, "odata.maxpagesize=5")
        )
    equal("the round is complete", len(seen), len(control("GET", f"{BOX}/contacts")))
    await graph.me.contacts.by_contact_id(made.id).delete()
    page = await delta.with_url(page.odata_delta_link).get(request_configuration=immutable())
    known("a removed contact", page)
    equal("the end is told", [(c.id, "@removed" in c.additional_data) for c in page.value], [(made.id, True)])


async def events(graph):
    made = await graph.me.events.post(
        Event(
            subject="Weekly",
            start=at("2026-11-02T10:00:00"),
            end=at("2026-11-02T11:00:00"),
            body=ItemBody(content_type=BodyType.Html, content="<p>Agenda</p>"),
            transaction_id="a91c4c7e-3f63-4dbd-8f5b-000000000001",
            recurrence=PatternedRecurrence(
                pattern=RecurrencePattern(
                    type=RecurrencePatternType.Weekly,
                    interval=1,
                    days_of_week=[DayOfWeek.Monday],
                    first_day_of_week=DayOfWeek.Monday,
                ),
                range=RecurrenceRange(
                    type=RecurrenceRangeType.Numbered, start_date=datetime.date(2026, 11, 2), number_of_occurrences=4
                ),
            ),
        ),
        request_configuration=immutable(),
    )
    known("a series", made)
    equal("it is one", made.type, EventType.SeriesMaster)
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2026-11-01T00:00:00Z", end_date_time="2026-12-31T00:00:00Z"
    )
    page = await graph.me.calendar_view.delta.get(request_configuration=immutable(query, "odata.maxpagesize=100"))
    known("a span of the calendar", page)
    mine = [e for e in page.value if e.series_master_id == made.id]
    equal("its occurrences", [e.type for e in mine], [EventType.Occurrence] * 4)
    await graph.me.events.by_event_id(mine[0].id).patch(Event(subject="Other"), request_configuration=immutable())
    page = await graph.me.calendar_view.delta.with_url(page.odata_delta_link).get(request_configuration=immutable())
    known("changes of the span", page)
    equal("the exception is told", [(e.subject, e.type) for e in page.value], [("Other", EventType.Exception)])
    await graph.me.events.by_event_id(made.id).delete()
    equal("no mail was sent", control("GET", "/counters")["exchange"].get("mails_sent"), 0)


async def mails(graph):
    control(
        "POST",
        f"{BOX}/messages",
        {
            "from": "Kim <kim@foreign.example>",
            "to": [NINA["mailbox"]],
            "subject": "Offer",
            "text": "hello",
            "message_id": "<foreign-1@x>",
            "attachments": [{"name": "a.txt", "content_type": "text/plain", "base64": "YXR0YWNoZWQA"}],
        },
    )
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
        filter="internetMessageId eq '<foreign-1@x>'", expand=["attachments"]
    )
    found = await graph.me.messages.get(request_configuration=immutable(query))
    known("a message", found)
    message = found.value[0]
    equal("its attachment", message.attachments[0].content_bytes, b"attached\x00")
    one = graph.me.messages.by_message_id(message.id)
    raw = await one.content.get()
    check("its text as it came", b"Message-ID: <foreign-1@x>" in raw, raw[:200])
    moved = await one.move.post(MovePostRequestBody(destination_id="archive"), request_configuration=immutable())
    known("a moved message", moved)
    equal("its immutable id", moved.id, message.id)
    folders = await graph.me.mail_folders.get()
    known("folders", folders)
    check("folders come in pages", folders.odata_next_link or len(folders.value) < 10, len(folders.value))


async def tasks(graph):
    lists = await graph.me.todo.lists.get()
    known("lists", lists)
    list_id = lists.value[0].id
    in_list = graph.me.todo.lists.by_todo_task_list_id(list_id).tasks
    extension = OpenTypeExtension(
        odata_type="#microsoft.graph.openTypeExtension",
        extension_name="example.foreign.link",
        additional_data={"key": "key-1"},
    )
    made = await in_list.post(
        TodoTask(title="Call", due_date_time=at("2026-11-30T00:00:00"), extensions=[extension])
    )
    known("a task", made)
    equal("its day", made.due_date_time.date_time, "2026-11-30T00:00:00.0000000")
    read = await in_list.by_todo_task_id(made.id).extensions.by_extension_id("example.foreign.link").get()
    equal("its extension", read.additional_data.get("key"), "key-1")
    done = await in_list.by_todo_task_id(made.id).patch(TodoTask(status=TaskStatus.Completed))
    known("a done task", done)
    page = await in_list.delta.get()
    known("changes of a list", page)
    await in_list.by_todo_task_id(made.id).delete()


async def categories(graph):
    made = await graph.me.outlook.master_categories.post(
        OutlookCategory(display_name="Salesforce", color=CategoryColor.Preset7)
    )
    known("a category", made)
    listed = await graph.me.outlook.master_categories.get()
    check("it is listed", made.id in [c.id for c in listed.value])


async def refusals(graph):
    error = await refused("an id of nobody", graph.me.messages.by_message_id("x").get(), 400, "ErrorInvalidIdMalformed")
    check("an error has its request's id", error and error.error.inner_error.request_id)
    await refused("a token of nobody", client("nobody").me.get(), 401, "InvalidAuthenticationToken")
    # The SDK waits and tries again by itself.
    control("POST", "/faults", {"service": "graph", "kind": "throttle", "ms": 1000, "times": 1})
    await graph.me.contacts.get()
    equal("it obeyed Retry-After", control("GET", "/counters")["graph"]["throttled"], 1)


section("the account", run(whoami))
section("contacts", run(contacts))
section("events", run(events))
section("mail", run(mails))
section("tasks", run(tasks))
section("categories", run(categories))
section("refusals", run(refusals))
finish()
