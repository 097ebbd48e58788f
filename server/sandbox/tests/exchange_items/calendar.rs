//! Events, their zones, series and views.

use serde_json::{Value, json};
use tandem_sandbox::Options;

use crate::support::{ALL, Bench, ID_ONLY, KEY, NINA, changes, quoted, set, state};

const QUIET: &str = "SendMeetingInvitations=\"SendToNone\"";
const QUIET_UPDATE: &str = "SendMeetingInvitationsOrCancellations=\"SendToNone\"";
const QUIET_DELETE: &str = "DeleteType=\"MoveToDeletedItems\" SendMeetingCancellations=\"SendToNone\"";
const BERLIN: &str =
    "<t:StartTimeZone Id=\"W. Europe Standard Time\"/><t:EndTimeZone Id=\"W. Europe Standard Time\"/>";

fn event(times: &str, rest: &str) -> String {
    format!("<t:CalendarItem><t:Subject>S</t:Subject>{times}{rest}</t:CalendarItem>")
}

fn times(start: &str, end: &str) -> String {
    format!("<t:Start>{start}</t:Start><t:End>{end}</t:End>")
}

/// A weekly series over the spring change of the clock in Berlin: 23 and 30 March, 6 and 13 April at 10:00.
async fn weekly(bench: &Bench) -> (String, String) {
    let recurrence = "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>\
</t:WeeklyRecurrence><t:NumberedRecurrence><t:StartDate>2026-03-23</t:StartDate>\
<t:NumberOfOccurrences>4</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";
    let item = event(
        &times("2026-03-23T09:00:00Z", "2026-03-23T10:00:00Z"),
        &format!("{recurrence}{BERLIN}"),
    );
    bench.create(QUIET, &item).await.ok().id()
}

#[tokio::test]
async fn an_event_keeps_all_that_it_was_given() {
    let bench = Bench::new().await;
    let item = format!(
        "<t:CalendarItem><t:Subject>Über &lt;all&gt; ✓</t:Subject><t:Sensitivity>Private</t:Sensitivity>\
<t:Body BodyType=\"HTML\">&lt;p&gt;Hello&lt;/p&gt;</t:Body><t:Categories><t:String>Salesforce</t:String></t:Categories>\
<t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>45</t:ReminderMinutesBeforeStart>\
<t:ExtendedProperty>{KEY}<t:Value>k1</t:Value></t:ExtendedProperty>{}\
<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Köln</t:Location>{BERLIN}</t:CalendarItem>",
        times("2026-07-01T10:00:00+02:00", "2026-07-01T11:30:00+02:00")
    );
    let id = bench.create(QUIET, &item).await.ok().id();
    let shape = format!("{ALL}<t:AdditionalProperties>{KEY}</t:AdditionalProperties>");
    let read = bench.get(&id.0, &shape).await.ok();
    for part in [
        "<t:Subject>Über &lt;all&gt; ✓</t:Subject>",
        "<t:Sensitivity>Private</t:Sensitivity>",
        "<t:Body BodyType=\"HTML\">&lt;p&gt;Hello&lt;/p&gt;</t:Body>",
        "<t:Value>k1</t:Value>",
        "<t:Start>2026-07-01T08:00:00Z</t:Start>",
        "<t:End>2026-07-01T09:30:00Z</t:End>",
        "<t:IsAllDayEvent>false</t:IsAllDayEvent>",
        "<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus>",
        "<t:IsMeeting>false</t:IsMeeting>",
        "<t:CalendarItemType>Single</t:CalendarItemType>",
        "<t:MyResponseType>Organizer</t:MyResponseType>",
        "<t:Duration>PT1H30M</t:Duration>",
        "<t:AppointmentState>0</t:AppointmentState>",
        "<t:StartTimeZone Id=\"W. Europe Standard Time\"",
    ] {
        read.has(part);
    }
    assert_eq!(read.field("UID").len(), 32 + 48);
    let order: Vec<usize> = [
        "t:ItemId ",
        "t:Body ",
        "t:Categories",
        "t:ExtendedProperty",
        "t:UID",
        "t:Start>",
        "t:Location",
        "t:Organizer",
        "t:StartTimeZone",
    ]
    .iter()
    .map(|t| read.body.find(t).unwrap())
    .collect();
    assert!(order.is_sorted(), "not in the schema's order: {}", read.body);
    let plain = bench
        .get(&id.0, "<t:BaseShape>IdOnly</t:BaseShape><t:BodyType>Text</t:BodyType><t:AdditionalProperties><t:FieldURI FieldURI=\"item:Body\"/></t:AdditionalProperties>")
        .await;
    plain.has("<t:Body BodyType=\"Text\">Hello</t:Body>");
    let found = bench
        .find("calendar", &format!("<t:IsEqualTo>{KEY}<t:FieldURIOrConstant><t:Constant Value=\"k1\"/></t:FieldURIOrConstant></t:IsEqualTo>"))
        .await
        .ok();
    assert_eq!(found.ids(), std::slice::from_ref(&id));
    let refused = bench
        .find(
            "calendar",
            "<t:Exists><t:FieldURI FieldURI=\"calendar:UID\"/></t:Exists>",
        )
        .await;
    assert_eq!(refused.code(), "ErrorUnsupportedPathForQuery");
    let changed = bench
        .update(
            QUIET_UPDATE,
            &id,
            &set(
                "calendar:Location",
                "CalendarItem",
                "<t:Location>Bonn</t:Location>",
            ),
        )
        .await
        .ok();
    assert_eq!(changed.id().0, id.0);
    assert_ne!(changed.id().1, id.1);
    let row = &bench.list(NINA.0, "events").await[0];
    assert_eq!(
        (&row["location"], &row["private"], &row["show_as"]),
        (&json!("Bonn"), &json!(true), &json!("OOF"))
    );
    assert_eq!(
        (&row["reminder_minutes"], &row["type"]),
        (&json!(45), &json!("single"))
    );
    assert_eq!(
        row["properties"]["{c11ff724-aa03-4555-9952-8fa248a11c3e}/TandemKey"],
        "k1"
    );
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn an_event_without_its_words_on_mail_is_refused() {
    let bench = Bench::new().await;
    let item = event(&times("2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"), "");
    assert_eq!(
        bench.create("", &item).await.code(),
        "ErrorSendMeetingInvitationsRequired"
    );
    let id = bench.create(QUIET, &item).await.ok().id();
    let place = set("calendar:Location", "CalendarItem", "<t:Location>x</t:Location>");
    assert_eq!(
        bench.update("", &id, &place).await.code(),
        "ErrorSendMeetingInvitationsOrCancellationsRequired"
    );
    assert_eq!(
        bench.delete("DeleteType=\"HardDelete\"", &id.0).await.code(),
        "ErrorSendMeetingCancellationsRequired"
    );
    bench.delete(QUIET_DELETE, &id.0).await.ok();
    assert_eq!(bench.get(&id.0, ID_ONLY).await.code(), "ErrorItemNotFound");
    assert_eq!(bench.list(NINA.0, "events").await[0]["folder"], "Deleted Items");
}

#[tokio::test]
async fn senseless_events_are_refused_one_by_one() {
    let bench = Bench::new().await;
    let series = |pattern: &str, range: &str| {
        event(
            &times("2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"),
            &format!("<t:Recurrence>{pattern}{range}</t:Recurrence>"),
        )
    };
    let daily = "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>";
    let no_end = "<t:NoEndRecurrence><t:StartDate>2026-07-01</t:StartDate></t:NoEndRecurrence>";
    for (item, code) in [
        (
            event(&times("2026-07-01T10:00:00Z", "2026-07-01T09:00:00Z"), ""),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (
            event(&times("2026-07-01T10:00:00Z", "2032-07-01T09:00:00Z"), ""),
            "ErrorCalendarDurationIsTooLong",
        ),
        (
            event(
                &times("2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"),
                "<t:StartTimeZone Id=\"Nowhere Standard Time\"/>",
            ),
            "ErrorTimeZone",
        ),
        (
            event(
                &times("2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"),
                "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>Nobody</t:Name></t:Mailbox></t:Attendee></t:RequiredAttendees>",
            ),
            "ErrorMissingInformationEmailAddress",
        ),
        (
            event(
                &times("2026-07-01T10:00:00Z", "2026-07-03T10:00:00Z"),
                &format!("<t:Recurrence>{daily}{no_end}</t:Recurrence>"),
            ),
            "ErrorOccurrenceTimeSpanTooBig",
        ),
        (
            series(
                "<t:DailyRecurrence><t:Interval>0</t:Interval></t:DailyRecurrence>",
                no_end,
            ),
            "ErrorCalendarInvalidRecurrence",
        ),
        (
            series(
                daily,
                "<t:EndDateRecurrence><t:StartDate>2026-07-01</t:StartDate><t:EndDate>2026-06-01</t:EndDate></t:EndDateRecurrence>",
            ),
            "ErrorCalendarInvalidRecurrence",
        ),
        (
            event(&times("2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"), "")
                .replace("<t:Subject>S</t:Subject>", "<t:MimeContent>QQ==</t:MimeContent>"),
            "ErrorUnsupportedMimeConversion",
        ),
    ] {
        let answer = bench.create(QUIET, &item).await;
        assert_eq!((answer.status, answer.code().as_str()), (200, code), "{item}");
    }
    // What the schema knows nothing of spoils the whole request.
    let answer = bench
        .create(QUIET, "<t:CalendarItem><t:Mood>good</t:Mood></t:CalendarItem>")
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "ErrorSchemaValidation")
    );
    answer.has("Mood");
    let wrong_order = bench.create(QUIET, "<t:CalendarItem><t:Location>x</t:Location><t:Start>2026-07-01T10:00:00Z</t:Start></t:CalendarItem>").await;
    assert_eq!(wrong_order.code(), "ErrorSchemaValidation");
    assert!(bench.list(NINA.0, "events").await.is_empty());
}

#[tokio::test]
async fn whole_days_are_days_of_their_zone() {
    let bench = Bench::new().await;
    let item = event(
        &times("2026-03-28T09:00:00+01:00", "2026-03-29T17:00:00+02:00"),
        &format!("<t:IsAllDayEvent>true</t:IsAllDayEvent>{BERLIN}"),
    );
    let id = bench.create(QUIET, &item).await.ok().id();
    let read = bench.get(&id.0, ALL).await.ok();
    // From midnight to midnight; the clock goes forward on the second day.
    read.has("<t:Start>2026-03-27T23:00:00Z</t:Start>");
    read.has("<t:End>2026-03-29T22:00:00Z</t:End>");
    // Without a zone of its own, an event takes that of the request.
    let tokyo = "<t:TimeZoneContext><t:TimeZoneDefinition Id=\"Tokyo Standard Time\"/></t:TimeZoneContext>";
    let item = event(
        &times("2026-03-28T00:00:00", "2026-03-29T00:00:00"),
        "<t:IsAllDayEvent>true</t:IsAllDayEvent>",
    );
    let made = bench
        .ews_as(
            NINA,
            tokyo,
            &format!("<m:CreateItem {QUIET}><m:Items>{item}</m:Items></m:CreateItem>"),
        )
        .await
        .ok();
    let read = bench.get(&made.id().0, ALL).await.ok();
    read.has("<t:Start>2026-03-27T15:00:00Z</t:Start>");
    read.has("Id=\"Tokyo Standard Time\"");
}

#[tokio::test]
async fn a_series_is_expanded_in_its_own_zone() {
    let bench = Bench::new().await;
    let id = weekly(&bench).await;
    let view = bench
        .view("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
        .await
        .ok();
    // Ten o'clock in Berlin, before and after the clock goes forward.
    assert_eq!(
        view.fields("Start"),
        [
            "2026-03-23T09:00:00Z",
            "2026-03-30T08:00:00Z",
            "2026-04-06T08:00:00Z",
            "2026-04-13T08:00:00Z"
        ]
    );
    assert_eq!(view.fields("CalendarItemType"), ["Occurrence"; 4]);
    let ids = view.ids();
    assert!(ids.iter().all(|i| i.0 != id.0));
    assert_eq!(
        view.ids(),
        bench
            .view("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
            .await
            .ids(),
        "stable"
    );
    let second = bench.get(&ids[1].0, ALL).await.ok();
    second.has("<t:OriginalStart>2026-03-30T08:00:00Z</t:OriginalStart>");
    second.lacks("<t:Recurrence>");
    let master = bench.get(&id.0, ALL).await.ok();
    master.has("<t:CalendarItemType>RecurringMaster</t:CalendarItemType>");
    master.has("<t:LastOccurrence><t:ItemId");
    let back = bench
        .get_any(
            &format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", ids[2].0),
            ID_ONLY,
        )
        .await
        .ok();
    assert_eq!(back.id(), id);
    let third = bench
        .get_any(
            &format!(
                "<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"3\"/>",
                id.0
            ),
            ID_ONLY,
        )
        .await
        .ok();
    assert_eq!(third.id(), ids[2]);
    for (bad, code) in [
        (
            format!(
                "<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"5\"/>",
                id.0
            ),
            "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
        ),
        (
            format!(
                "<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"1\"/>",
                ids[0].0
            ),
            "ErrorCalendarCannotUseIdForOccurrenceId",
        ),
        (
            format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", id.0),
            "ErrorCalendarCannotUseIdForRecurringMasterId",
        ),
    ] {
        assert_eq!(bench.get_any(&bad, ID_ONLY).await.code(), code, "{bad}");
    }
    // The listing of the folder knows the series only.
    assert_eq!(bench.sync("calendar", "").await.ids(), [id]);
}

#[tokio::test]
async fn occurrences_become_exceptions_and_move_the_series() {
    let bench = Bench::new().await;
    let id = weekly(&bench).await;
    let before = state(&bench.sync("calendar", "").await);
    let ids = bench
        .view("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
        .await
        .ids();
    let moved = bench
        .update(
            QUIET_UPDATE,
            &ids[1],
            &(set("item:Subject", "CalendarItem", "<t:Subject>Moved</t:Subject>")
                + &set(
                    "calendar:Start",
                    "CalendarItem",
                    "<t:Start>2026-03-31T12:00:00Z</t:Start>",
                )
                + &set(
                    "calendar:End",
                    "CalendarItem",
                    "<t:End>2026-03-31T13:00:00Z</t:End>",
                )),
        )
        .await
        .ok();
    assert_eq!(moved.id().0, ids[1].0, "an exception keeps its id");
    let stale = bench
        .update(
            QUIET_UPDATE,
            &ids[2],
            &set("item:Subject", "CalendarItem", "<t:Subject>x</t:Subject>"),
        )
        .await;
    assert_eq!(
        stale.code(),
        "ErrorIrresolvableConflict",
        "the whole series moved on"
    );
    bench.delete(QUIET_DELETE, &ids[3].0).await.ok();
    let view = bench
        .view("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
        .await
        .ok();
    assert_eq!(
        view.fields("Start"),
        [
            "2026-03-23T09:00:00Z",
            "2026-03-31T12:00:00Z",
            "2026-04-06T08:00:00Z"
        ]
    );
    assert_eq!(
        view.fields("CalendarItemType"),
        ["Occurrence", "Exception", "Occurrence"]
    );
    let exception = bench.get(&ids[1].0, ALL).await.ok();
    exception.has("<t:OriginalStart>2026-03-30T08:00:00Z</t:OriginalStart>");
    assert_eq!(
        bench.get(&ids[3].0, ID_ONLY).await.code(),
        "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
    );
    let master = bench.get(&id.0, ALL).await.ok();
    assert_ne!(master.id().1, id.1);
    assert_eq!(
        master
            .one("<t:ModifiedOccurrences>", "</t:ModifiedOccurrences>")
            .matches("<t:Occurrence>")
            .count(),
        1
    );
    master.has("<t:DeletedOccurrence><t:Start>2026-04-13T08:00:00Z</t:Start></t:DeletedOccurrence>");
    assert_eq!(changes(&bench.sync("calendar", &before).await), (0, 1, 0, 0));
    // An occurrence cannot pass its neighbour.
    let ids = view.ids();
    let far = set(
        "calendar:Start",
        "CalendarItem",
        "<t:Start>2026-03-20T12:00:00Z</t:Start>",
    );
    assert_eq!(
        bench.update(QUIET_UPDATE, &ids[2], &far).await.code(),
        "ErrorOccurrenceCrossingBoundary"
    );
    // What the series changes reaches the exception where it did not differ; a new time of the series ends it.
    let place = set(
        "calendar:Location",
        "CalendarItem",
        "<t:Location>Bonn</t:Location>",
    );
    let renamed = set("item:Subject", "CalendarItem", "<t:Subject>New</t:Subject>");
    let after = bench
        .update(QUIET_UPDATE, &master.id(), &(place + &renamed))
        .await
        .ok();
    let exception = bench.get(&ids[1].0, ALL).await.ok();
    exception.has("<t:Location>Bonn</t:Location>");
    exception.has("<t:Subject>Moved</t:Subject>");
    let later = set(
        "calendar:Start",
        "CalendarItem",
        "<t:Start>2026-03-23T11:00:00Z</t:Start>",
    ) + &set(
        "calendar:End",
        "CalendarItem",
        "<t:End>2026-03-23T12:00:00Z</t:End>",
    );
    bench.update(QUIET_UPDATE, &after.id(), &later).await.ok();
    let view = bench
        .view("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
        .await
        .ok();
    assert_eq!(view.fields("CalendarItemType"), ["Occurrence"; 4]);
}

#[tokio::test]
async fn views_have_limits() {
    let bench = Bench::new().await;
    bench
        .nina("POST", "events", json!({"subject": "daily", "start": "2026-01-01T09:00:00", "end": "2026-01-01T09:30:00", "recurrence": {"pattern": "daily"}}))
        .await;
    let year = bench
        .view("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
        .await
        .ok();
    assert_eq!(year.fields("Start").len(), 365);
    year.has("IncludesLastItemInRange=\"true\"");
    for (from, until, code) in [
        (
            "2026-01-02T00:00:00Z",
            "2026-01-01T00:00:00Z",
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (
            "2026-01-01T00:00:00Z",
            "2029-01-01T00:00:00Z",
            "ErrorCalendarViewRangeTooBig",
        ),
    ] {
        assert_eq!(bench.view(from, until).await.code(), code);
    }
    let find = |view: &str, more: &str, folder: &str| {
        format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape>{ID_ONLY}</m:ItemShape>{view}{more}\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"{folder}\"/></m:ParentFolderIds></m:FindItem>"
        )
    };
    let ten = "<m:CalendarView MaxEntriesReturned=\"10\" StartDate=\"2026-01-01T00:00:00Z\" EndDate=\"2026-06-01T00:00:00Z\"/>";
    let some = bench.ews(&find(ten, "", "calendar")).await.ok();
    assert_eq!(some.ids().len(), 10);
    some.has("IncludesLastItemInRange=\"false\"");
    assert_eq!(
        bench.ews(&find(ten, "", "tasks")).await.code(),
        "ErrorCalendarFolderIsInvalidForCalendarView"
    );
    let exists =
        "<m:Restriction><t:Exists><t:FieldURI FieldURI=\"item:Subject\"/></t:Exists></m:Restriction>";
    assert_eq!(
        bench.ews(&find(ten, exists, "calendar")).await.code(),
        "ErrorInvalidRestriction"
    );
    for n in 0..2 {
        bench
            .nina("POST", "events", json!({"subject": n.to_string(), "start": "2026-01-01T10:00:00", "recurrence": {"pattern": "daily"}}))
            .await;
    }
    assert_eq!(
        bench
            .view("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
            .await
            .code(),
        "ErrorExceededFindCountLimit"
    );
    // An event that ends as the view begins is not in it; one without length at its start is.
    bench
        .nina(
            "POST",
            "events",
            json!({"subject": "zero", "start": "2025-06-01T10:00:00Z", "end": "2025-06-01T10:00:00Z"}),
        )
        .await;
    assert_eq!(
        bench
            .view("2025-06-01T10:00:00Z", "2025-06-02T00:00:00Z")
            .await
            .fields("Subject"),
        ["zero"]
    );
    assert!(
        bench
            .view("2025-06-01T09:00:00Z", "2025-06-01T10:00:00Z")
            .await
            .fields("Subject")
            .is_empty()
    );
}

#[tokio::test]
async fn zones_by_name_by_rules_and_from_nowhere() {
    let bench = Bench::new().await;
    let zones = bench
        .ews("<m:GetServerTimeZones ReturnFullTimeZoneData=\"true\"><m:Ids><t:Id>Eastern Standard Time</t:Id></m:Ids></m:GetServerTimeZones>")
        .await
        .ok();
    zones.has("Bias=\"PT5H\"");
    zones.has("<t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>2</t:Occurrence>");
    let definition = zones.one("Eastern Time (US &amp; Canada)\">", "</t:TimeZoneDefinition>");
    let own = format!(
        "<t:StartTimeZone Id=\"tzone://Microsoft/Custom\" Name=\"Own\">{definition}</t:StartTimeZone>"
    );
    let recurrence = "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>\
<t:NumberedRecurrence><t:StartDate>2026-03-07</t:StartDate><t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";
    let item = event(
        &times("2026-03-07T15:00:00Z", "2026-03-07T16:00:00Z"),
        &format!("{recurrence}{own}"),
    );
    let id = bench.create(QUIET, &item).await.ok().id();
    // New York goes forward on 8 March.
    assert_eq!(
        bench
            .view("2026-03-01T00:00:00Z", "2026-03-20T00:00:00Z")
            .await
            .fields("Start"),
        [
            "2026-03-07T15:00:00Z",
            "2026-03-08T14:00:00Z",
            "2026-03-09T14:00:00Z"
        ]
    );
    let read = bench.get(&id.0, ALL).await.ok();
    read.has("Id=\"tzone://Microsoft/Custom\" Name=\"Own\"><t:Periods>");
    let bad = own.replace("PT5H", "five hours");
    let item = event(&times("2026-03-07T15:00:00Z", "2026-03-07T16:00:00Z"), &bad);
    assert_eq!(bench.create(QUIET, &item).await.code(), "ErrorTimeZone");
    let invented = bench
        .nina("POST", "events", json!({"subject": "x", "zone": {"id": "tzone://Microsoft/Custom", "rules": "XST-1XDT,M3.5.0,M10.5.0/3"}, "start": "2026-07-01T10:00:00"}))
        .await;
    assert_eq!(invented["start"], "2026-07-01T08:00:00Z");
    let nowhere = bench
        .nina(
            "POST",
            "events",
            json!({"subject": "x", "zone": "Atlantis Standard Time", "start": "2026-07-01T10:00:00"}),
        )
        .await;
    assert_eq!(
        (&nowhere["start"], &nowhere["zone"]),
        (&json!("2026-07-01T10:00:00Z"), &json!("Atlantis Standard Time"))
    );
    bench.nina("POST", "zone", json!({"zone": "Asia/Kolkata"})).await;
    let here = bench
        .nina(
            "POST",
            "events",
            json!({"subject": "x", "start": "2026-07-01", "end": "2026-07-02", "all_day": true}),
        )
        .await;
    assert_eq!(
        (&here["start"], &here["zone"]),
        (&json!("2026-06-30T18:30:00Z"), &json!("India Standard Time"))
    );
    assert_eq!(
        bench.refused("POST", "zone", json!({"zone": "Atlantis"})).await,
        400
    );
}

#[tokio::test]
async fn a_user_edits_a_series_and_one_of_it() {
    let bench = Bench::new().await;
    let made = bench
        .nina("POST", "events", json!({"subject": "weekly", "zone": "Europe/Berlin", "start": "2026-10-19T10:00:00", "end": "2026-10-19T11:00:00",
            "categories": ["Salesforce"], "recurrence": {"pattern": "weekly", "days": ["Monday"], "until": "2026-11-30"}}))
        .await;
    assert_eq!(
        (&made["type"], &made["recurrence"]["interval"]),
        (&json!("master"), &json!(1))
    );
    let path = format!("events/{}", quoted(&made["id"]));
    let edited = bench
        .nina("PATCH", &path, json!({"original_start": "2026-10-26T09:00:00Z", "start": "2026-10-27T10:00:00", "subject": "other"}))
        .await;
    let exception = &edited["exceptions"][0];
    assert_eq!(
        (&exception["start"], &exception["end"]),
        (&json!("2026-10-27T09:00:00Z"), &json!("2026-10-27T10:00:00Z"))
    );
    bench
        .nina(
            "DELETE",
            &format!("{path}?original_start=2026-11-02T09:00:00Z"),
            Value::Null,
        )
        .await;
    let now = bench.nina("GET", &path, Value::Null).await;
    assert_eq!(now["exceptions"].as_array().unwrap().len(), 2);
    assert_eq!(now["exceptions"][1]["deleted"], true);
    assert_ne!(now["change_key"], made["change_key"]);
    let absent = format!("{path}?original_start=2026-11-03T09:00:00Z");
    assert_eq!(bench.refused("DELETE", &absent, Value::Null).await, 404);
    for bad in [
        json!({"mood": "good"}),
        json!({"recurrence": {"pattern": "weekly", "days": []}}),
        json!({"recurrence": {"pattern": "sometimes"}}),
        json!({"start": "soon"}),
        json!({"end": "2020-01-01T00:00:00Z"}),
        json!({"subject": "a\u{1}b"}),
    ] {
        assert_eq!(bench.refused("PATCH", &path, bad.clone()).await, 400, "{bad}");
    }
    let moved = bench
        .nina("POST", &format!("{path}/move"), json!({"folder": "Archive"}))
        .await;
    assert_eq!(moved["folder"], "Archive");
    assert_ne!(moved["id"], made["id"]);
    assert_eq!(bench.refused("GET", &path, Value::Null).await, 404);
}

#[tokio::test]
async fn a_long_series_and_a_crowd() {
    let bench = Bench::new().await;
    let guests: Vec<Value> = (0..5000)
        .map(|n| json!({"address": format!("g{n}@x.example")}))
        .collect();
    bench
        .nina("POST", "events", json!({"subject": "s".repeat(4000), "start": "2020-01-01T09:00:00Z", "end": "2020-01-01T09:10:00Z",
            "attendees": guests, "recurrence": {"pattern": "daily", "until": "2028-03-18"}}))
        .await;
    let id = bench.sync("calendar", "").await.id();
    let read = bench.get(&id.0, ALL).await.ok();
    assert_eq!(read.body.matches("<t:Attendee>").count(), 5000);
    read.has("<t:EndDate>2028-03-18</t:EndDate>");
    let last = bench
        .get_any(
            &format!(
                "<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"3000\"/>",
                id.0
            ),
            ID_ONLY,
        )
        .await;
    last.ok();
    bench.nina("POST", "events", json!({"subject": "nameless", "start": "2026-01-01T09:00:00Z", "attendees": [{"name": "Only a name"}]})).await;
    let read = bench.view("2026-01-01T08:00:00Z", "2026-01-01T10:00:00Z").await;
    let nameless = bench.get(&read.ids().pop().unwrap().0, ALL).await.ok();
    nameless.has("<t:Mailbox><t:Name>Only a name</t:Name></t:Mailbox>");
}

#[tokio::test]
async fn seeded_calendars_are_the_same_for_the_same_seed() {
    let options = || Options {
        events: 12,
        tasks: 6,
        messages: 10,
        mailbox_contacts: 0,
        ..Options::default()
    };
    let (a, b) = (Bench::with(options()).await, Bench::with(options()).await);
    for (kind, least) in [("events", 12), ("tasks", 6), ("messages", 10)] {
        let subjects = async |bench: &Bench| -> Vec<Value> {
            bench
                .list(NINA.0, kind)
                .await
                .into_iter()
                .map(|e| e["subject"].clone())
                .collect()
        };
        let mine = subjects(&a).await;
        assert!(mine.len() >= least, "{kind}: {}", mine.len());
        assert_eq!(mine, subjects(&b).await);
    }
    assert!(a.mails().await.is_empty());
    assert!(
        a.list(NINA.0, "events")
            .await
            .iter()
            .any(|e| e["my_response"] == "NoResponseReceived")
    );
}
