//! A believable calendar, task list and inbox, the same for the same seed and day.

use jiff::ToSpan as _;
use jiff::civil::{DateTime, Weekday, time};

use super::content::{Class, Content, Ctx, Person, crlf};
use super::meeting::{self, Send};
use super::mime::{self, Draft, Piece};
use super::props::write_time;
use super::recur::{Pattern, Range, Recurrence, weekday_name};
use super::store::Store;
use crate::Options;
use crate::company::{Company, Person as Customer, below, rng};

const DAY: i64 = 86_400_000_000;

const MEETINGS: &[&str] = &[
    "Quarterly review",
    "Product demo",
    "Contract renewal",
    "Kick-off: new warehouse system",
    "Lunch",
    "Angebot besprechen",
    "Price list 2027 & terms",
    "Onboarding call",
    "Visit to the plant",
    "Point annuel",
];
const PLACES: &[&str] = &[
    "Room Alster",
    "",
    "Microsoft Teams Meeting",
    "At the customer's",
    "Raum 4.12",
    "",
];
const TASKS: &[&str] = &[
    "Send the offer",
    "Call back",
    "Prepare the demo",
    "Update the forecast",
    "Check the contract",
    "Rechnung klären",
    "Book the hotel for the trade fair",
    "Write the minutes",
];
const MAILS: &[(&str, &str)] = &[
    (
        "Your offer of last week",
        "Thank you for the offer. Could you say what delivery by the end of the month would cost?",
    ),
    (
        "Delivery dates",
        "We need the first pallets two days earlier than planned. Is that possible?",
    ),
    (
        "Angebot 2026-118",
        "vielen Dank für das Angebot. Wir haben noch zwei Fragen zur Wartung.",
    ),
    (
        "Meeting on Thursday",
        "Thursday at ten suits us. We will be three people.",
    ),
    (
        "Invoice 4711",
        "The invoice that you will find attached has been paid yesterday.",
    ),
    (
        "Question about the API",
        "Does the interface also tell us about partial deliveries?",
    ),
    (
        "Réunion de mardi",
        "Merci pour votre visite. Le compte rendu suit demain.",
    ),
    ("Contract", "Please find the signed contract attached."),
];

/// Fills all mailboxes as the options say, and counts no mail of it.
pub(super) fn fill(store: &mut Store, company: &Company, options: &Options, now: i64) {
    for owner in 0..store.mailboxes.len() {
        mailbox(
            store,
            company,
            owner,
            [options.events, options.tasks, options.messages],
            now,
        );
    }
}

/// Fills one mailbox with so many events, tasks and messages.
pub(super) fn mailbox(store: &mut Store, company: &Company, owner: usize, counts: [usize; 3], now: i64) {
    let (mails, sent) = (store.mails_sent, store.sent.len());
    for n in 0..counts[0] {
        event(store, company, owner, n, now);
    }
    for n in 0..counts[1] {
        task(store, company, owner, n, now);
    }
    for n in 0..counts[2] {
        message(store, company, owner, n, now);
    }
    // What lies there was sent long ago.
    store.mails_sent = mails;
    store.sent.truncate(sent);
}

fn pick<'a, T>(rng: &mut rand_chacha::ChaCha8Rng, list: &'a [T]) -> &'a T {
    &list[below(rng, list.len())]
}

fn somebody(customer: &Customer) -> Person {
    Person::new(
        format!("{} {}", customer.given, customer.surname).trim(),
        &customer.email,
    )
}

fn event(store: &mut Store, company: &Company, owner: usize, n: usize, now: i64) {
    let mut rng = rng(company.seed, "event", &[owner, n]);
    let zone = store.mailboxes[owner].zone.clone();
    let ahead = i64::try_from(below(&mut rng, 41)).unwrap_or_default() - 10;
    let mut day = zone.wall(now + ahead * DAY).date();
    while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
        day = day.tomorrow().unwrap_or(day);
    }
    let hour = i8::try_from(8 + below(&mut rng, 9)).unwrap_or(9);
    let minute = if below(&mut rng, 3) == 0 { 30 } else { 0 };
    let start = zone.moment(DateTime::from_parts(day, time(hour, minute, 0, 0)));
    let minutes = *pick(&mut rng, &[30, 45, 60, 60, 90, 120]);
    let customer = company.contact_of(owner, below(&mut rng, 30));
    let mut content = Content {
        class: Class::Event,
        ..Content::default()
    };
    let account = &company.accounts[customer.account_index].name;
    content.set_text("Subject", &format!("{} – {account}", pick(&mut rng, MEETINGS)));
    content.set_text("Location", pick::<&str>(&mut rng, PLACES));
    content.body = crlf("Agenda:\n1. Where we are\n2. What is next");
    content.texts.insert("Start", write_time(start));
    content
        .texts
        .insert("End", write_time(start + minutes * 60_000_000));
    content
        .texts
        .insert("ReminderMinutesBeforeStart", "15".to_owned());
    match n % 8 {
        0 => {
            content.recurrence = Some(Recurrence {
                pattern: Pattern::Weekly {
                    interval: 1,
                    days: vec![weekday_name(day.weekday()).to_owned()],
                    first_day: Some("Monday".to_owned()),
                },
                start: day,
                range: Range::Until(day.checked_add(20.weeks()).unwrap_or(day)),
            });
            content.set_text("Subject", "Sales weekly");
            let colleague = &company.users[(owner + 1) % company.users.len()];
            content.people.insert(
                "RequiredAttendees",
                vec![Person::new(&colleague.name(), &colleague.address)],
            );
        }
        3 => {
            content.set_text("Subject", "Trade fair");
            content.texts.insert("IsAllDayEvent", "true".to_owned());
            content.texts.insert("LegacyFreeBusyStatus", "OOF".to_owned());
        }
        5 => {
            content.set_text("Subject", "Dentist");
            content.texts.insert("Sensitivity", "Private".to_owned());
        }
        6 => {}
        _ => {
            content
                .people
                .insert("RequiredAttendees", vec![somebody(&customer)]);
            if n % 4 == 1 {
                content
                    .lists
                    .insert("Categories", vec!["Kunden & Partner".to_owned()]);
            }
        }
    }
    let ctx = Ctx { now, zone: &zone };
    if content.settle(&Content::default(), ctx).is_err() {
        return;
    }
    let calendar = store.mailboxes[owner]
        .distinguished("calendar")
        .unwrap_or_default();
    let made = now - 12 * DAY;
    let number = store.mailboxes[owner].create(calendar, content, made, made);
    // Invitations reach the calendars of colleagues, and would fill their inboxes.
    let colleagues: Vec<usize> = (0..store.mailboxes.len()).collect();
    let before: Vec<Vec<u64>> = colleagues.iter().map(|at| inbox(store, *at)).collect();
    meeting::announce(store, owner, number, None, Send::All { copy: false }, made);
    for at in colleagues {
        for message in inbox(store, at) {
            if !before[at].contains(&message) {
                store.mailboxes[at].remove(message, made);
            }
        }
    }
}

fn inbox(store: &Store, at: usize) -> Vec<u64> {
    let mailbox = &store.mailboxes[at];
    let folder = mailbox.distinguished("inbox").unwrap_or_default();
    mailbox.items_in(folder).map(|(n, _)| n).collect()
}

fn task(store: &mut Store, company: &Company, owner: usize, n: usize, now: i64) {
    let mut rng = rng(company.seed, "task", &[owner, n]);
    let mailbox = &mut store.mailboxes[owner];
    let zone = mailbox.zone.clone();
    let customer = company.contact_of(owner, below(&mut rng, 30));
    let mut content = Content {
        class: Class::Task,
        ..Content::default()
    };
    let name = format!("{} {}", customer.given, customer.surname);
    content.set_text("Subject", &format!("{}: {}", pick(&mut rng, TASKS), name.trim()));
    let due = now + i64::try_from(below(&mut rng, 20)).unwrap_or_default() * DAY - 4 * DAY;
    let due = super::task::day_of(due, &zone);
    content.texts.insert("DueDate", write_time(due));
    if below(&mut rng, 4) == 0 {
        content.texts.insert("Importance", "High".to_owned());
    }
    match below(&mut rng, 5) {
        0 => content.texts.insert("Status", "Completed".to_owned()),
        1 => content.texts.insert("PercentComplete", "50".to_owned()),
        _ => None,
    };
    let ctx = Ctx { now, zone: &zone };
    if content.settle(&Content::default(), ctx).is_ok() {
        let folder = mailbox.distinguished("tasks").unwrap_or_default();
        mailbox.create(folder, content, now - 6 * DAY, now - 6 * DAY);
    }
}

fn message(store: &mut Store, company: &Company, owner: usize, n: usize, now: i64) {
    let mut rng = rng(company.seed, "message", &[owner, n]);
    let mailbox = &mut store.mailboxes[owner];
    let me = mailbox.me.clone();
    let customer = somebody(&company.contact_of(owner, below(&mut rng, 30)));
    let (subject, text) = *pick(&mut rng, MAILS);
    let age = i64::try_from(below(&mut rng, 12 * 24 * 60)).unwrap_or_default() * 60_000_000;
    let sent = now - age - 60_000_000;
    let outgoing = n % 3 == 2;
    let colleague = &company.users[(owner + 1) % company.users.len()];
    let (from, to) = match n % 9 {
        _ if outgoing => (me.clone(), customer),
        // Some mail is internal, and is nobody's business elsewhere.
        4 => (Person::new(&colleague.name(), &colleague.address), me.clone()),
        _ => (customer, me.clone()),
    };
    let domain = from
        .address
        .split_once('@')
        .map_or("x.example", |(_, d)| d)
        .to_owned();
    let stamp = jiff::Timestamp::from_microsecond(sent).unwrap_or_default();
    let date = jiff::fmt::rfc2822::to_string(&stamp.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
    let plain = format!(
        "Hello {},\r\n\r\n{text}\r\n\r\nBest regards\r\n{}\r\n",
        to.name, from.name
    );
    let html = format!(
        "<html><body><p>Hello {},</p><p>{text}</p><p>Best regards<br>{}</p></body></html>",
        super::xml::escape(&to.name),
        super::xml::escape(&from.name)
    );
    let attached = matches!(subject, "Contract" | "Invoice 4711").then(|| Piece {
        name: format!("{subject}.pdf"),
        content_type: "application/pdf".to_owned(),
        content: format!("%PDF-1.4\n% {subject} {n}\n%%EOF\n").into_bytes(),
        ..Piece::default()
    });
    let draft = Draft {
        headers: vec![
            ("From", mime::mailbox(&from.name, &from.address)),
            ("To", mime::mailbox(&to.name, &to.address)),
            ("Subject", subject.to_owned()),
            ("Date", date),
            (
                "Message-ID",
                format!("<seed.{}.{owner}.{n}@{domain}>", company.seed),
            ),
        ],
        text: Some(&plain),
        html: Some(&html),
        pieces: attached.into_iter().collect(),
        seed: "seed",
    };
    let mut content = Content::from_mime(mime::build(&draft), sent);
    content.texts.insert("IsDraft", "false".to_owned());
    content
        .texts
        .insert("IsRead", (outgoing || !n.is_multiple_of(4)).to_string());
    content.texts.insert("DateTimeReceived", write_time(sent));
    content.settle_message(&Content::default());
    content
        .texts
        .entry("ItemClass")
        .or_insert_with(|| "IPM.Note".to_owned());
    let folder = mailbox
        .distinguished(if outgoing { "sentitems" } else { "inbox" })
        .unwrap_or_default();
    mailbox.create(folder, content, sent, sent);
}
