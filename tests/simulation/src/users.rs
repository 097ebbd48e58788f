//! What people do, in Outlook and in Salesforce, all day.

use tandem_sync::LinkState;
use tandem_sync::model::{
    Address, Answer, Attendee, AttendeeRole, Field, ItemId, KnownKind, Part, SeriesPart, When,
};
use tandem_sync::order::Order;
use tandem_sync::ports::JournalAct;
use tandem_types::{ItemKind, Side, Timestamp};

use crate::dice::Dice;
use crate::truth::Home;
use crate::world::{DAY, Place, USERS, World, address, user_id};

macro_rules! acts {
    ($($name:ident = $weight:literal,)*) => {
        /// One thing that somebody does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Act { $($name,)* }

        impl Act {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// How often, beside the others.
            pub const WEIGHTS: &'static [usize] = &[$($weight,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

acts! {
    AddContact = 10,
    AddContactThere = 9,
    AddContactOnBoth = 5,
    EditContact = 22,
    EditContactThere = 22,
    DeleteContact = 4,
    DeleteContactThere = 4,
    MoveItem = 4,
    UnmarkItem = 4,
    MarkItem = 5,
    UnsyncItem = 4,
    TouchItem = 4,
    RestoreItem = 3,
    CopyContact = 1,
    Restrict = 2,
    Spoil = 1,
    MergeContacts = 2,
    GiveAway = 4,
    TakeBack = 3,
    Hide = 3,
    Show = 3,
    Undelete = 2,
    Deny = 2,
    Allow = 2,
    AddLead = 2,
    ConvertLead = 1,
    AddAccount = 2,
    AddDeal = 2,
    AddAppointment = 8,
    AddMeeting = 10,
    AddInvitation = 4,
    AddSeries = 2,
    AddStrangeEvent = 2,
    EditEvent = 16,
    MoveEvent = 7,
    DeleteEvent = 5,
    CancelMeeting = 2,
    AnswerMeeting = 6,
    HideEvent = 4,
    ShowEvent = 1,
    AddEventThere = 8,
    EditEventThere = 14,
    MoveEventThere = 5,
    DeleteEventThere = 4,
    InviteThere = 3,
    LinkThere = 2,
    AddTask = 8,
    AddTaskThere = 8,
    EditTask = 14,
    EditTaskThere = 14,
    FinishTask = 4,
    DeleteTask = 4,
    DeleteTaskThere = 4,
    GetMail = 12,
    SendMail = 8,
    FileMail = 4,
    DeleteMail = 3,
    DeleteMailThere = 1,
    FillStorage = 1,
    // Drawn by themselves: see `steps::seldom`.
    MergeUnmarked = 0,
    UnsyncWaitingMail = 0,
}

const CONTACT_FIELDS: [Field; 12] = [
    Field::MiddleName,
    Field::JobTitle,
    Field::Department,
    Field::BusinessPhone,
    Field::MobilePhone,
    Field::HomePhone,
    Field::BusinessCity,
    Field::BusinessStreet,
    Field::OtherStreet,
    Field::Birthday,
    Field::Body,
    Field::AssistantName,
];
const EVENT_FIELDS: [Field; 6] = [
    Field::Subject,
    Field::Subject,
    Field::Location,
    Field::Body,
    Field::Reminder,
    Field::ShowAs,
];
const TASK_FIELDS: [Field; 6] = [
    Field::Subject,
    Field::Body,
    Field::Due,
    Field::Status,
    Field::Priority,
    Field::RemindAt,
];

/// Somebody outside of the company.
fn email_of(person: usize) -> String {
    format!("p{person}@ext{}.example", person % 5)
}

impl World {
    /// Does it, if there is anything to do it with.
    pub fn act(&mut self, act: Act, dice: &mut Dice) -> bool {
        let done = self.perform(act, dice).is_some();
        if done {
            self.edits += 1;
            self.counters.count("act", act.as_str());
        }
        self.note(|| format!("{} {done}", act.as_str()));
        done
    }

    fn any(&self, home: Home, kind: ItemKind, dice: &mut Dice) -> Option<usize> {
        let living = self.living(home, kind);
        (!living.is_empty()).then(|| *dice.pick(&living))
    }

    fn any_of(
        &self,
        home: Home,
        dice: &mut Dice,
        fits: impl Fn(&crate::world::Item) -> bool,
    ) -> Option<usize> {
        let items = &self.shelf(home).items;
        let all: Vec<usize> = (0..items.len()).filter(|index| fits(&items[*index])).collect();
        (!all.is_empty()).then(|| *dice.pick(&all))
    }

    /// New words for a field.
    fn words(&mut self, field: Field, dice: &mut Dice) -> String {
        let number = self.truth.number();
        let word = format!("{}{number}", crate::truth::WORD);
        let n = i64::try_from(number).unwrap_or(0);
        let today = self.now().seconds() / DAY;
        match field {
            Field::BusinessPhone | Field::MobilePhone | Field::HomePhone => {
                format!("+49 30 {:07}", 1_000_000 + n)
            }
            Field::Birthday => day(-20_000 + n * 3),
            Field::Due => day(today + dice.between(-5, 20)),
            Field::RemindAt => tandem_sync::model::instant(Timestamp::from_seconds(
                today * DAY + dice.between(0, 10) * DAY + n * 60,
            )),
            Field::JobTitle if dice.percent(30) => format!("{word} of everything else"),
            Field::Body if dice.percent(50) => format!("{word}\r\n  second line {word}\r\n"),
            Field::Body if dice.percent(20) => format!("{word} {}", "long ".repeat(20)),
            Field::Subject if dice.percent(15) => format!("{word} {}", "and so on ".repeat(4)),
            Field::Subject if dice.percent(2) => format!("{word} {}", "x".repeat(4_000)),
            Field::Reminder => (*dice.pick(&["0", "5", "15", "60", "1440"])).to_owned(),
            Field::ShowAs => {
                (*dice.pick(&["free", "tentative", "busy", "out_of_office", "elsewhere"])).to_owned()
            }
            Field::Status => {
                (*dice.pick(&["not_started", "in_progress", "waiting", "deferred", "completed"])).to_owned()
            }
            Field::Priority => (*dice.pick(&["low", "normal", "high"])).to_owned(),
            Field::MiddleName | Field::Department | Field::Location if dice.percent(20) => {
                format!("  {word}\t ü ")
            }
            _ => word,
        }
    }

    /// A user types a value: Salesforce keeps it its own way, and takes nothing that it cannot hold.
    fn types(&mut self, home: Home, index: usize, field: Field, text: &str) {
        let kind = self.item(home, index).kind;
        if home == Home::Org {
            let Some(rule) = self.rule(tandem_types::Side::Crm, kind, field) else {
                return;
            };
            let mut text = self.stored(kind, field, text);
            if let Some(first) = rule.words.first()
                && !text.is_empty()
                && !rule.words.contains(&text.as_str())
            {
                (*first).clone_into(&mut text);
            }
            self.write(home, index, field, &text);
        } else {
            self.write(home, index, field, text);
        }
        if kind == ItemKind::Task {
            self.fill_defaults(home, index);
        }
    }

    fn edit(&mut self, home: Home, index: usize, fields: &[Field], dice: &mut Dice) -> Option<()> {
        let field = *dice.pick(fields);
        let kind = self.item(home, index).kind;
        if home == Home::Org && self.rule(tandem_types::Side::Crm, kind, field).is_none() {
            return None;
        }
        let clears = !matches!(
            field,
            Field::Subject | Field::ShowAs | Field::Status | Field::Priority | Field::When
        );
        let text = if clears && dice.percent(15) {
            String::new()
        } else {
            self.words(field, dice)
        };
        if kind == ItemKind::Event && home != Home::Org {
            return self.edit_event(home, index, field, &text);
        }
        self.types(home, index, field, &text);
        self.touch(home, index);
        Some(())
    }

    /// The organizer's change reaches every copy; an attendee changes what is his own.
    fn edit_event(&mut self, home: Home, index: usize, field: Field, text: &str) -> Option<()> {
        let item = self.item(home, index).clone();
        let own = matches!(field, Field::Reminder | Field::ShowAs | Field::Private);
        if item.event.part == Part::Attendee && !own {
            return None;
        }
        self.types(home, index, field, text);
        self.touch(home, index);
        if !own {
            for other in [Home::Box(0), Home::Box(1)] {
                for copy in self.copies(other, &item) {
                    if (other, copy) != (home, index) && self.item(other, copy).here() {
                        self.types(other, copy, field, text);
                        self.touch(other, copy);
                    }
                }
            }
        }
        Some(())
    }

    fn copies(&self, home: Home, of: &crate::world::Item) -> Vec<usize> {
        let items = &self.shelf(home).items;
        (0..items.len())
            .filter(|index| {
                let item = &items[*index];
                item.kind == ItemKind::Event
                    && of.event.uid.is_some()
                    && item.event.uid == of.event.uid
                    && item.event.original_start == of.event.original_start
            })
            .collect()
    }

    /// A user's edit between our reading and our writing.
    pub fn meddle(&mut self, home: Home, index: usize) {
        let field = match self.item(home, index).kind {
            ItemKind::Contact => Field::MiddleName,
            ItemKind::Event | ItemKind::Task => Field::Subject,
            ItemKind::Email => return,
        };
        let text = self.truth.word();
        if self.item(home, index).kind == ItemKind::Event && home != Home::Org {
            let _ = self.edit_event(home, index, field, &text);
        } else {
            self.types(home, index, field, &text);
            self.touch(home, index);
        }
        self.counters.count("world", "meddled");
    }

    /// A user changes one of the things that this session wrote.
    pub fn edit_after(&mut self, session: &tandem_types::SessionId, dice: &mut Dice) {
        let wrote: Vec<(Home, ItemId, Vec<Field>)> = self
            .journal
            .iter()
            .filter(|(run, _)| self.runs[*run].session == *session)
            .filter_map(|(run, entry)| {
                let home = match entry.side {
                    Side::Mailbox => Home::Box(self.runs[*run].conn),
                    Side::Crm => Home::Org,
                };
                let fields = match &entry.act {
                    JournalAct::Changed { old, .. } => old.iter().map(|(field, _)| *field).collect(),
                    JournalAct::Created { wrote } => wrote.iter().map(|(field, _)| *field).collect(),
                    _ => return None,
                };
                Some((home, entry.item.clone(), fields))
            })
            .collect();
        if wrote.is_empty() {
            return;
        }
        let (home, id, fields) = dice.pick(&wrote).clone();
        let Some(index) = self
            .find(home, &id)
            .filter(|index| self.item(home, *index).here())
        else {
            return;
        };
        let kind = self.item(home, index).kind;
        let usual: &[Field] = match kind {
            ItemKind::Contact => &CONTACT_FIELDS,
            ItemKind::Event => &EVENT_FIELDS,
            ItemKind::Task => &TASK_FIELDS,
            ItemKind::Email => return,
        };
        let fields: Vec<Field> = fields.into_iter().filter(|field| usual.contains(field)).collect();
        if !fields.is_empty() && self.edit(home, index, &fields, dice).is_some() {
            self.counters.count("world", "changed before an undo");
        }
    }

    fn person(&mut self, dice: &mut Dice) -> usize {
        if !self.people.is_empty() && dice.percent(35) {
            return dice.below(self.people.len());
        }
        let soul = self.truth.soul();
        self.people.push(soul);
        self.people.len() - 1
    }

    fn contact(&mut self, home: Home, owner: usize, person: usize, dice: &mut Dice) -> usize {
        let soul = self.people[person];
        let index = self.add(home, ItemKind::Contact, soul, None);
        let item = self.item_mut(home, index);
        item.owner = owner;
        match dice.below(10) {
            0 => {}
            1..=5 => item.place = Place::Ours,
            _ => item.category = true,
        }
        let given = format!("{}g{person}", crate::truth::WORD);
        let surname = format!("{}n{person}", crate::truth::WORD);
        let email = email_of(person);
        let phone = format!("+49 40 {:07}", 2_000_000 + person);
        for (field, text) in [
            (Field::GivenName, given),
            (Field::Surname, surname),
            (Field::OtherPhone, phone),
        ] {
            self.types(home, index, field, &text);
        }
        // Somebody without an address is known by his name and number.
        if person % 7 != 3 {
            let text = if dice.percent(20) {
                email.to_uppercase()
            } else {
                email
            };
            self.types(home, index, Field::Email, &text);
        }
        if home == Home::Org {
            let domain = format!("ext{}.example", person % 5);
            let account = self
                .recs
                .iter()
                .find(|rec| rec.kind == KnownKind::Account && rec.domain == domain)
                .map(|rec| rec.id.clone());
            self.item_mut(home, index).what = account;
        }
        for _ in 0..dice.below(4) {
            let field = *dice.pick(&CONTACT_FIELDS);
            let text = self.words(field, dice);
            if home != Home::Org
                || self
                    .rule(tandem_types::Side::Crm, ItemKind::Contact, field)
                    .is_some()
            {
                self.types(home, index, field, &text);
            }
        }
        self.stamp(home, index);
        index
    }

    fn slot(&mut self, dice: &mut Dice) -> When {
        let n = i64::try_from(self.truth.number()).unwrap_or(0);
        let today = self.now().seconds() / DAY;
        if dice.percent(20) {
            let first = today + dice.between(-3, 40);
            let text = format!("{}/{}", day(first), day(first + dice.between(1, 3)));
            return text
                .parse()
                .unwrap_or_else(|_| unreachable!("two days are a span"));
        }
        let start = Timestamp::from_seconds(today * DAY + dice.between(-9, 45) * DAY + (n % 1440) * 60);
        When::Timed {
            start,
            end: start.plus_seconds(dice.between(0, 30) * 1800),
        }
    }

    fn event(&mut self, home: Home, soul: usize, when: When, subject: &str, dice: &mut Dice) -> usize {
        let index = self.add(home, ItemKind::Event, soul, None);
        let number = self.truth.number();
        if home != Home::Org {
            self.item_mut(home, index).event.uid = Some(format!("uid-{number}"));
        }
        self.types(home, index, Field::Subject, subject);
        self.types(home, index, Field::When, &when.to_string());
        self.types(home, index, Field::ShowAs, "busy");
        self.types(home, index, Field::Private, "no");
        if dice.percent(60) {
            self.types(home, index, Field::Reminder, "15");
        }
        if dice.percent(50) {
            let text = self.words(Field::Body, dice);
            self.types(home, index, Field::Body, &text);
        }
        if dice.percent(50) {
            let text = self.words(Field::Location, dice);
            self.types(home, index, Field::Location, &text);
        }
        self.stamp(home, index);
        index
    }

    fn attendee(who: &str) -> Attendee {
        Attendee {
            who: Address {
                address: who.to_owned(),
                name: String::new(),
            },
            role: AttendeeRole::Required,
            answer: Answer::None,
        }
    }

    /// A meeting with copies in the mailboxes of those who are invited.
    fn meeting(&mut self, organizer: &str, people: &[String], dice: &mut Dice) {
        let soul = self.truth.soul();
        let when = self.slot(dice);
        let subject = self.words(Field::Subject, dice);
        let uid = format!("uid-{}", self.truth.number());
        let online = dice.percent(15);
        let body = self.words(Field::Body, dice);
        for conn in 0..2 {
            let own = address(conn);
            let organizes = own == organizer;
            if !organizes && !people.contains(&own) {
                continue;
            }
            let home = Home::Box(conn);
            let index = self.event(home, soul, when, &subject, dice);
            self.types(home, index, Field::Body, &body);
            let item = self.item_mut(home, index);
            item.event.uid = Some(uid.clone());
            item.event.online = online;
            item.event.part = if organizes {
                Part::Organizer
            } else {
                Part::Attendee
            };
            item.event.organizer = Some(Address {
                address: organizer.to_owned(),
                name: String::new(),
            });
            item.event.attendees = people.iter().map(|who| Self::attendee(who)).collect();
            item.category = dice.percent(25);
            if !organizes && dice.percent(60) {
                item.event.answer = *dice.pick(&[Answer::Accepted, Answer::Tentative, Answer::Declined]);
            }
        }
    }

    fn outsider(&mut self, dice: &mut Dice) -> String {
        if !self.people.is_empty() && dice.percent(80) {
            email_of(dice.below(self.people.len()))
        } else {
            format!("stranger{}@elsewhere.example", dice.below(4))
        }
    }

    fn mail(&mut self, from: &str, to: &[String], dice: &mut Dice) {
        let soul = self.truth.soul();
        let number = self.truth.number();
        let subject = self.words(Field::Subject, dice);
        let body = self.words(Field::Body, dice);
        let thread = format!("thread-{}", dice.below(12));
        let old = dice.percent(15);
        let sent = self.now().plus_seconds(if old { -30 * DAY } else { 0 });
        let traits = dice.below(40);
        let files = dice.percent(20);
        for conn in 0..2 {
            let own = address(conn);
            let outgoing = own == from;
            if !outgoing && !to.contains(&own) {
                continue;
            }
            let home = Home::Box(conn);
            let index = self.add(home, ItemKind::Email, soul, None);
            let known = |who: &str| Address {
                address: who.to_owned(),
                name: String::new(),
            };
            let at = tandem_sync::model::instant(sent);
            for (field, text) in [
                (Field::Subject, subject.clone()),
                (Field::Body, body.clone()),
                (Field::FromAddress, from.to_owned()),
                (Field::ToAddresses, to.join("; ")),
                (Field::SentAt, at),
                (
                    Field::Incoming,
                    if outgoing {
                        "no".to_owned()
                    } else {
                        "yes".to_owned()
                    },
                ),
                (Field::MessageId, format!("m{number}@mail.example")),
                (Field::Thread, thread.clone()),
            ] {
                self.write(home, index, field, &text);
            }
            let item = self.item_mut(home, index);
            item.place = if outgoing { Place::Sent } else { Place::Plain };
            item.mail.message_id = Some(format!("m{number}@mail.example"));
            item.mail.thread = Some(thread.clone());
            item.mail.from = Some(known(from));
            item.mail.to = to.iter().map(|who| known(who)).collect();
            item.mail.sent = sent;
            item.mail.incoming = !outgoing;
            item.mail.confidential = traits == 0;
            item.mail.encrypted = traits == 1;
            item.mail.service = traits == 2;
            item.mail.draft = traits == 3 && outgoing;
            item.mail.size = if traits == 4 { 60_000_000 } else { 2_000 };
            item.mail.has_attachments = files;
            if files {
                item.files = vec![
                    format!("f{number}.pdf"),
                    format!("f{number}.exe"),
                    format!(
                        "g{number}.{}",
                        if number.is_multiple_of(3) { "bad" } else { "txt" }
                    ),
                ];
            }
            self.stamp(home, index);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each thing that people do")]
    fn perform(&mut self, act: Act, dice: &mut Dice) -> Option<()> {
        let conn = dice.below(2);
        let mine = Home::Box(conn);
        let org = Home::Org;
        let kinds = [
            ItemKind::Contact,
            ItemKind::Event,
            ItemKind::Task,
            ItemKind::Email,
        ];
        match act {
            Act::AddContact => {
                let person = self.person(dice);
                self.contact(mine, conn, person, dice);
            }
            Act::AddContactThere => {
                let person = self.person(dice);
                let owner = if dice.percent(85) { conn } else { 2 };
                self.contact(org, owner, person, dice);
            }
            Act::AddContactOnBoth => {
                let person = self.person(dice);
                self.contact(mine, conn, person, dice);
                self.contact(org, conn, person, dice);
            }
            Act::EditContact => {
                let index = self.any(mine, ItemKind::Contact, dice)?;
                return self.edit(mine, index, &CONTACT_FIELDS, dice);
            }
            Act::EditContactThere => {
                let index = self.any(org, ItemKind::Contact, dice)?;
                return self.edit(org, index, &CONTACT_FIELDS, dice);
            }
            Act::DeleteContact | Act::DeleteTask | Act::DeleteMail => {
                let kind = match act {
                    Act::DeleteContact => ItemKind::Contact,
                    Act::DeleteTask => ItemKind::Task,
                    _ => ItemKind::Email,
                };
                let index = self.any(mine, kind, dice)?;
                let purged = dice.percent(30);
                self.remove(mine, index, true, purged);
            }
            Act::DeleteContactThere | Act::DeleteTaskThere | Act::DeleteEventThere | Act::DeleteMailThere => {
                let kind = match act {
                    Act::DeleteContactThere => ItemKind::Contact,
                    Act::DeleteTaskThere => ItemKind::Task,
                    Act::DeleteEventThere => ItemKind::Event,
                    _ => ItemKind::Email,
                };
                let index = self.any(org, kind, dice)?;
                self.remove(org, index, true, dice.percent(10));
            }
            Act::MoveItem => {
                let kind = *dice.pick(&kinds);
                let index = self.any(mine, kind, dice)?;
                if self.item(mine, index).event.original_start.is_some() || self.untold(mine, index) {
                    return None;
                }
                let marked = self.item(mine, index).marked();
                let item = self.item_mut(mine, index);
                item.place = match kind {
                    ItemKind::Contact | ItemKind::Task => {
                        *dice.pick(&[Place::Ours, Place::Plain, Place::Elsewhere])
                    }
                    ItemKind::Event => return None,
                    ItemKind::Email => {
                        *dice.pick(&[Place::Ours, Place::Plain, Place::Elsewhere, Place::Chosen])
                    }
                };
                self.moved(mine, index);
                self.touch(mine, index);
                let seq = self.seq;
                let item = self.item_mut(mine, index);
                if kind == ItemKind::Email && !marked && item.marked() {
                    // Our folder says the same as the category.
                    item.asked = seq;
                }
            }
            Act::UnmarkItem | Act::MarkItem => {
                let kind = *dice.pick(&kinds);
                let index = self.any(mine, kind, dice)?;
                let to = act == Act::MarkItem;
                if self.item(mine, index).category == to {
                    return None;
                }
                self.mark_series(mine, index, to);
            }
            Act::UnsyncItem => {
                let kind = *dice.pick(&kinds[..3]);
                let mut index = self.any(mine, kind, dice)?;
                // A mail that somebody has waited for: he does not want it saved any more.
                if dice.percent(25)
                    && let Some(mail) = self.any_of(mine, dice, |item| {
                        item.here() && item.kind == ItemKind::Email && item.marked()
                    })
                {
                    index = mail;
                }
                let item = self.item_mut(mine, index);
                item.unsync = !item.unsync;
                let back = !item.unsync;
                self.touch(mine, index);
                // Who takes it back wants it saved.
                if back {
                    self.item_mut(mine, index).asked = self.seq;
                }
            }
            Act::TouchItem => {
                let home = if dice.percent(50) { mine } else { org };
                let kind = *dice.pick(&kinds);
                let index = self.any(home, kind, dice)?;
                self.touch(home, index);
            }
            Act::RestoreItem => {
                let index = self.any_of(mine, dice, |item| {
                    item.gone.is_some_and(|gone| gone.by_user && !gone.purged) && item.kind != ItemKind::Email
                })?;
                if self.untold(mine, index) {
                    return None;
                }
                // Beside one that was made again of its record, the user has two now, and wants two.
                let (soul, kind) = (self.item(mine, index).soul, self.item(mine, index).kind);
                let again = |other: &usize| self.item(mine, *other).kind == kind;
                if self.of_soul(mine, soul).iter().any(again) {
                    self.blurred.insert(soul);
                }
                self.item_mut(mine, index).gone = None;
                self.moved(mine, index);
                self.touch(mine, index);
                let seq = self.seq;
                self.item_mut(mine, index).asked = seq;
            }
            Act::CopyContact => {
                let index = self.any(mine, ItemKind::Contact, dice)?;
                let from = self.item(mine, index).clone();
                let copy = self.add(mine, ItemKind::Contact, from.soul, None);
                self.blurred.insert(from.soul);
                // What is added to the first one from now on, the copy lacks.
                self.emptied.insert(from.soul);
                let item = self.item_mut(mine, copy);
                item.place = from.place;
                item.category = from.category;
                item.key = from.key;
                for (field, text) in from.fields {
                    self.write(mine, copy, field, &text);
                    // No new words: the same, as old as they are, and as far as they had come.
                    let old = from.held.get(&field).map(|edit| self.truth.edits[*edit].clone());
                    if let (Some(old), Some(edit)) = (old, self.item(mine, copy).held.get(&field).copied()) {
                        let new = &mut self.truth.edits[edit];
                        (new.seq, new.at, new.carried) = (old.seq, old.at, old.carried);
                    }
                }
            }
            Act::Restrict => {
                let index = self.any(mine, ItemKind::Contact, dice)?;
                let item = self.item_mut(mine, index);
                item.private = !item.private;
                self.touch(mine, index);
            }
            Act::Spoil => {
                let kind = *dice.pick(&kinds[..3]);
                let mut index = self.any(mine, kind, dice)?;
                if dice.percent(50) {
                    if dice.percent(30)
                        && let Some(mail) = self.any(mine, ItemKind::Email, dice)
                    {
                        index = mail;
                    }
                    let item = self.item_mut(mine, index);
                    item.unreadable = !item.unreadable;
                    self.touch(mine, index);
                    self.spoilt.insert((conn, index));
                } else {
                    let field = if kind == ItemKind::Contact {
                        Field::Department
                    } else {
                        Field::Body
                    };
                    let text = format!("{} poison", self.truth.word());
                    self.types(mine, index, field, &text);
                    self.touch(mine, index);
                }
            }
            Act::MergeContacts => {
                let winner = self.any(org, ItemKind::Contact, dice)?;
                let loser = self.any(org, ItemKind::Contact, dice)?;
                if winner == loser || self.item(org, winner).owner != self.item(org, loser).owner {
                    return None;
                }
                let b = self.item(org, loser).soul;
                self.merge_contacts(winner, loser);
                if dice.percent(25)
                    && let Some(twin) = self.any_of(mine, dice, |item| {
                        item.here() && item.kind == ItemKind::Contact && item.soul == b && item.category
                    })
                {
                    self.item_mut(mine, twin).category = false;
                    self.touch(mine, twin);
                }
            }
            Act::MergeUnmarked => {
                // Somebody takes the category off, and the record goes into one that no pair has.
                let paired = |world: &Self, index: usize| {
                    let links = world.links[conn].values();
                    let id = &world.item(org, index).id;
                    let mut living = links.filter(|link| !matches!(link.state, LinkState::Ended(_)));
                    living.find(|link| link.crm_id.as_ref() == Some(id)).cloned()
                };
                let contacts = self.living(org, ItemKind::Contact);
                let all: Vec<(usize, usize)> = contacts
                    .iter()
                    .filter_map(|index| {
                        let link = paired(self, *index).filter(|link| link.state == LinkState::Live)?;
                        let item = self.find(mine, link.mailbox_id.as_ref()?)?;
                        let there = self.item(mine, item);
                        (there.here() && there.category && there.place == Place::Plain)
                            .then_some((*index, item))
                    })
                    .collect();
                let free: Vec<usize> = contacts
                    .iter()
                    .copied()
                    .filter(|index| paired(self, *index).is_none())
                    .collect();
                if all.is_empty() || free.is_empty() {
                    return None;
                }
                let (loser, item) = *dice.pick(&all);
                let winner = *dice.pick(&free);
                if self.item(org, winner).owner != self.item(org, loser).owner {
                    return None;
                }
                self.item_mut(mine, item).category = false;
                self.touch(mine, item);
                self.merge_contacts(winner, loser);
            }
            Act::UnsyncWaitingMail => {
                let waiting: Vec<usize> = self.links[conn]
                    .values()
                    .filter(|link| link.kind == ItemKind::Email && link.crm_id.is_none())
                    .filter(|link| !matches!(link.state, LinkState::Ended(_)))
                    .filter_map(|link| self.find(mine, link.mailbox_id.as_ref()?))
                    .filter(|index| self.item(mine, *index).here())
                    .collect();
                if waiting.is_empty() {
                    return None;
                }
                let index = *dice.pick(&waiting);
                self.item_mut(mine, index).unsync = true;
                self.touch(mine, index);
            }
            Act::GiveAway | Act::TakeBack => {
                let kind = *dice.pick(&[
                    ItemKind::Contact,
                    ItemKind::Contact,
                    ItemKind::Event,
                    ItemKind::Task,
                ]);
                let index = self.any(org, kind, dice)?;
                let to = if act == Act::GiveAway {
                    dice.below(USERS)
                } else {
                    conn
                };
                if self.item(org, index).owner == to {
                    return None;
                }
                let item = self.item_mut(org, index);
                item.owner = to;
                item.passed = true;
                self.touch(org, index);
            }
            Act::Hide | Act::Show => {
                let kind = *dice.pick(&[ItemKind::Contact, ItemKind::Event]);
                let index = self.any(org, kind, dice)?;
                let to = act == Act::Hide;
                let item = self.item_mut(org, index);
                if item.hidden[conn] == to || to && item.owner == conn {
                    return None;
                }
                item.hidden[conn] = to;
                let seq = self.tick();
                self.item_mut(org, index).user_seq = seq;
                if !to {
                    // Whoever gets to see it gets to see it as changed.
                    self.touch(org, index);
                }
            }
            Act::Undelete => {
                let index = self.any_of(org, dice, |item| {
                    item.gone.is_some_and(|gone| !gone.purged) && item.merged_into.is_none()
                })?;
                // Beside one that was made again, the user has two now, and wants two.
                let (soul, kind) = (self.item(org, index).soul, self.item(org, index).kind);
                let again = |other: &usize| self.item(org, *other).kind == kind;
                if self.of_soul(org, soul).iter().any(again) {
                    self.blurred.insert(soul);
                }
                let item = self.item_mut(org, index);
                item.gone = None;
                // From now on it is there because a user wanted it.
                item.made_by = None;
                self.touch(org, index);
                let seq = self.seq;
                self.item_mut(org, index).asked = seq;
            }
            Act::Deny => {
                let field = *dice.pick(&[
                    (ItemKind::Contact, Field::Department),
                    (ItemKind::Contact, Field::Body),
                    (ItemKind::Event, Field::Location),
                    (ItemKind::Task, Field::Priority),
                ]);
                self.ever_denied.insert(field);
                self.denied.insert(field).then_some(())?;
            }
            Act::Allow => {
                let field = *self.denied.iter().next()?;
                self.denied.remove(&field);
            }
            Act::AddLead => {
                let email = if dice.percent(15) {
                    "spam@blocked.example".to_owned()
                } else if dice.percent(50) && !self.people.is_empty() {
                    email_of(dice.below(self.people.len()))
                } else {
                    let soul = self.truth.soul();
                    self.people.push(soul);
                    email_of(self.people.len() - 1)
                };
                self.add_rec(KnownKind::Lead, &email, "", None, conn);
            }
            Act::ConvertLead => {
                let at = self
                    .recs
                    .iter()
                    .position(|rec| rec.kind == KnownKind::Lead && !rec.over)?;
                self.recs[at].over = true;
                let email = self.recs[at].email.clone();
                let person = (0..self.people.len()).find(|person| email_of(*person) == email)?;
                self.contact(org, conn, person, dice);
            }
            Act::AddAccount => {
                let domain = format!("ext{}.example", dice.below(5));
                if self
                    .recs
                    .iter()
                    .any(|rec| rec.kind == KnownKind::Account && rec.domain == domain)
                {
                    return None;
                }
                self.add_rec(KnownKind::Account, "", &domain, None, conn);
            }
            Act::AddDeal => {
                let account = self
                    .recs
                    .iter()
                    .find(|rec| rec.kind == KnownKind::Account)
                    .map(|rec| rec.id.clone())?;
                self.add_rec(KnownKind::Opportunity, "", "", Some(account), conn);
            }
            Act::AddAppointment => {
                let soul = self.truth.soul();
                let when = self.slot(dice);
                let subject = self.words(Field::Subject, dice);
                let index = self.event(mine, soul, when, &subject, dice);
                let item = self.item_mut(mine, index);
                item.category = dice.percent(75);
                if dice.percent(8) {
                    self.types(mine, index, Field::Private, "yes");
                }
                self.item_mut(mine, index).event.rich_body = dice.percent(10);
            }
            Act::AddMeeting => {
                let mut people = Vec::new();
                if dice.percent(70) {
                    people.push(self.outsider(dice));
                }
                if dice.percent(50) {
                    people.push(address(1 - conn));
                }
                if dice.percent(20) {
                    people.push("other@corp.example".to_owned());
                }
                if people.is_empty() {
                    return None;
                }
                self.meeting(&address(conn), &people, dice);
            }
            Act::AddInvitation => {
                let mut people = vec![address(conn)];
                if dice.percent(50) {
                    people.push(address(1 - conn));
                }
                let organizer = self.outsider(dice);
                self.meeting(&organizer, &people, dice);
            }
            Act::AddSeries => {
                let uid = format!("uid-{}", self.truth.number());
                let subject = self.words(Field::Subject, dice);
                let When::Timed { start, .. } = self.slot(dice) else {
                    return None;
                };
                let marked = dice.percent(80);
                let people = if dice.percent(40) {
                    vec![self.outsider(dice)]
                } else {
                    Vec::new()
                };
                for n in 0..dice.between(2, 4) {
                    let soul = self.truth.soul();
                    let first = start.plus_seconds(n * 7 * DAY);
                    let when = When::Timed {
                        start: first,
                        end: first.plus_seconds(3600),
                    };
                    let index = self.event(mine, soul, when, &subject, dice);
                    let item = self.item_mut(mine, index);
                    item.event.uid = Some(uid.clone());
                    item.event.series = SeriesPart::Occurrence;
                    item.event.original_start = Some(when.start_text());
                    item.event.attendees = people.iter().map(|who| Self::attendee(who)).collect();
                    item.category = marked;
                }
            }
            Act::AddStrangeEvent => {
                let soul = self.truth.soul();
                let subject = self.words(Field::Subject, dice);
                let start = self.now().plus_seconds(DAY);
                let (end, broken) = match dice.below(3) {
                    0 => (start.plus_seconds(15 * DAY), false),
                    1 => (start.plus_seconds(-3600), false),
                    _ => (start.plus_seconds(3600), true),
                };
                let index = self.event(mine, soul, When::Timed { start, end }, &subject, dice);
                let item = self.item_mut(mine, index);
                item.category = true;
                item.event.broken_zone = broken;
            }
            Act::EditEvent => {
                let index = self.any(mine, ItemKind::Event, dice)?;
                return self.edit(mine, index, &EVENT_FIELDS, dice);
            }
            Act::EditEventThere => {
                let index = self.any(org, ItemKind::Event, dice)?;
                return self.edit(org, index, &EVENT_FIELDS, dice);
            }
            Act::MoveEvent | Act::MoveEventThere => {
                let home = if act == Act::MoveEvent { mine } else { org };
                let index = self.any(home, ItemKind::Event, dice)?;
                let far = dice.percent(15);
                let mut when = self.slot(dice);
                if far && let When::Timed { start, end } = when {
                    let ahead = 90 * DAY;
                    when = When::Timed {
                        start: start.plus_seconds(ahead),
                        end: end.plus_seconds(ahead),
                    };
                }
                if home == org {
                    self.types(org, index, Field::When, &when.to_string());
                    self.touch(org, index);
                } else {
                    return self.edit_event(home, index, Field::When, &when.to_string());
                }
            }
            Act::DeleteEvent => {
                let index = self.any(mine, ItemKind::Event, dice)?;
                self.remove(mine, index, true, dice.percent(30));
            }
            Act::CancelMeeting => {
                let index = self.any_of(mine, dice, |item| {
                    item.kind == ItemKind::Event
                        && item.here()
                        && item.event.part == Part::Organizer
                        && !item.event.attendees.is_empty()
                })?;
                let item = self.item(mine, index).clone();
                self.remove(mine, index, true, false);
                let other = Home::Box(1 - conn);
                for copy in self.copies(other, &item) {
                    self.item_mut(other, copy).event.cancelled = true;
                    self.touch(other, copy);
                }
            }
            Act::AnswerMeeting => {
                let index = self.any_of(mine, dice, |item| {
                    item.kind == ItemKind::Event && item.here() && item.event.part == Part::Attendee
                })?;
                let answer = *dice.pick(&[Answer::Accepted, Answer::Tentative, Answer::Declined]);
                self.item_mut(mine, index).event.answer = answer;
                self.touch(mine, index);
                let item = self.item(mine, index).clone();
                let other = Home::Box(1 - conn);
                for copy in self.copies(other, &item) {
                    let own = address(conn);
                    for attendee in &mut self.item_mut(other, copy).event.attendees {
                        if attendee.who.address == own {
                            attendee.answer = answer;
                        }
                    }
                    self.touch(other, copy);
                }
            }
            Act::HideEvent | Act::ShowEvent => {
                let index = self.any(mine, ItemKind::Event, dice)?;
                let to = if act == Act::HideEvent { "yes" } else { "no" };
                if self.item(mine, index).text(Field::Private) == to {
                    return None;
                }
                self.types(mine, index, Field::Private, to);
                self.touch(mine, index);
            }
            Act::AddEventThere => {
                let soul = self.truth.soul();
                let when = self.slot(dice);
                let subject = self.words(Field::Subject, dice);
                let index = self.event(org, soul, when, &subject, dice);
                let owner = if dice.percent(80) { conn } else { 2 };
                let item = self.item_mut(org, index);
                item.owner = owner;
                item.event.crm_series = dice.percent(10);
                if owner == 2 || dice.percent(30) {
                    item.invited.insert(user_id(1 - conn), Answer::None);
                }
            }
            Act::InviteThere => {
                let index = self.any(org, ItemKind::Event, dice)?;
                let item = self.item_mut(org, index);
                let other = user_id(dice.below(USERS));
                if item.invited.remove(&other).is_none() {
                    item.invited.insert(other.clone(), Answer::None);
                    let soul = item.soul;
                    let root = self.truth.root(soul);
                    self.chosen.insert((root, other));
                }
                self.touch(org, index);
            }
            Act::LinkThere => {
                let kind = *dice.pick(&kinds[1..]);
                let index = self.any(org, kind, dice)?;
                let contact = self.any(org, ItemKind::Contact, dice)?;
                let contact = self.item(org, contact).id.clone();
                let soul = self.item(org, index).soul;
                let root = self.truth.root(soul);
                self.chosen.insert((root, contact.clone()));
                self.item_mut(org, index).who = vec![contact];
                self.touch(org, index);
            }
            Act::AddTask | Act::AddTaskThere => {
                let home = if act == Act::AddTask { mine } else { org };
                let soul = self.truth.soul();
                let index = self.add(home, ItemKind::Task, soul, None);
                let item = self.item_mut(home, index);
                item.owner = conn;
                item.place = *dice.pick(&[Place::Ours, Place::Ours, Place::Plain]);
                item.task.recurring = home != org && dice.percent(6);
                let subject = self.words(Field::Subject, dice);
                self.types(home, index, Field::Subject, &subject);
                self.types(home, index, Field::Status, "not_started");
                self.types(home, index, Field::Priority, "normal");
                if dice.percent(70) {
                    let due = self.words(Field::Due, dice);
                    self.types(home, index, Field::Due, &due);
                }
                if dice.percent(30) {
                    let body = self.words(Field::Body, dice);
                    self.types(home, index, Field::Body, &body);
                }
                self.stamp(home, index);
            }
            Act::EditTask => {
                let index = self.any(mine, ItemKind::Task, dice)?;
                return self.edit(mine, index, &TASK_FIELDS, dice);
            }
            Act::EditTaskThere => {
                let index = self.any(org, ItemKind::Task, dice)?;
                return self.edit(org, index, &TASK_FIELDS, dice);
            }
            Act::FinishTask => {
                let home = if dice.percent(50) { mine } else { org };
                let index = self.any(home, ItemKind::Task, dice)?;
                self.types(home, index, Field::Status, "completed");
                self.touch(home, index);
            }
            Act::GetMail => {
                let mut to = vec![address(conn)];
                if dice.percent(40) {
                    to.push(address(1 - conn));
                }
                let from = match dice.below(10) {
                    0 => address(1 - conn),
                    1 => "spam@blocked.example".to_owned(),
                    _ => self.outsider(dice),
                };
                self.mail(&from, &to, dice);
            }
            Act::SendMail => {
                let mut to = vec![self.outsider(dice)];
                if dice.percent(40) {
                    to.push(address(1 - conn));
                }
                self.mail(&address(conn), &to, dice);
            }
            Act::FillStorage => {
                let until = self.now().plus_seconds(dice.between(1, 12) * 3600);
                self.files_full = until;
                if dice.percent(40) {
                    self.storage_full = until;
                }
            }
            Act::FileMail => {
                let index = self.any(mine, ItemKind::Email, dice)?;
                if dice.percent(50) {
                    self.item_mut(mine, index).category = true;
                } else {
                    self.item_mut(mine, index).place = Place::Ours;
                    self.moved(mine, index);
                }
                self.touch(mine, index);
                self.item_mut(mine, index).asked = self.seq;
            }
        }
        Some(())
    }

    fn merge_contacts(&mut self, winner: usize, loser: usize) {
        let org = Home::Org;
        self.remove(org, loser, true, false);
        self.item_mut(org, loser).merged_into = Some(winner);
        let (a, b) = (self.item(org, winner).soul, self.item(org, loser).soul);
        self.truth.join(a, b);
        self.blurred.insert(a);
        self.emptied.insert(a);
        self.touch(org, winner);
    }

    /// What the pane orders about an event or a mail that is open: only one that is saved can be taken out.
    pub fn draw_order(&mut self, conn: usize, dice: &mut Dice) -> Option<(ItemId, Order)> {
        let home = Home::Box(conn);
        let index = self.any_of(home, dice, |item| {
            item.here() && !item.unreadable && matches!(item.kind, ItemKind::Event | ItemKind::Email)
        })?;
        let item = self.item(home, index).clone();
        let saved = self.link_of(conn, home, index).is_some_and(|link| {
            link.state == LinkState::Live && link.crm_id.is_some() && item.kind == ItemKind::Event
        });
        let out = saved && dice.percent(40);
        let mut order = Order {
            out,
            ..Order::default()
        };
        if out {
            self.taken_out.insert((conn, index));
            return Some((item.id, order));
        }
        if dice.percent(60)
            && let Some(contact) = self.any(Home::Org, ItemKind::Contact, dice)
        {
            let contact = self.item(Home::Org, contact).id.clone();
            let root = self.truth.root(item.soul);
            self.chosen.insert((root, contact.clone()));
            order.who = vec![contact];
        }
        if item.kind == ItemKind::Email {
            order.thread = dice.percent(50);
            order.without = item.files.iter().filter(|_| dice.percent(30)).cloned().collect();
            for name in &order.without {
                self.left_out.insert((conn, index, name.clone()));
            }
        }
        let seq = self.tick();
        self.item_mut(home, index).asked = seq;
        self.ordered.insert((conn, index));
        Some((item.id, order))
    }

    /// Paired, and still without the key: moved now, nothing tells that it is the same item. No rule can help that.
    fn untold(&self, home: Home, index: usize) -> bool {
        let item = self.item(home, index);
        item.key.is_none()
            && self
                .links
                .iter()
                .flat_map(std::collections::BTreeMap::values)
                .any(|link| link.mailbox_id.as_ref() == Some(&item.id))
    }

    /// A series carries the category as a whole.
    fn mark_series(&mut self, home: Home, index: usize, to: bool) {
        let item = self.item(home, index).clone();
        let all: Vec<usize> = if item.event.original_start.is_some() {
            let items = &self.shelf(home).items;
            (0..items.len())
                .filter(|other| items[*other].event.uid == item.event.uid && items[*other].here())
                .collect()
        } else {
            vec![index]
        };
        for one in all {
            self.item_mut(home, one).category = to;
            self.touch(home, one);
            if to {
                self.item_mut(home, one).asked = self.seq;
            }
        }
    }
}

/// A day, counted from 1970.
fn day(n: i64) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    jiff::Span::new()
        .try_days(n)
        .ok()
        .and_then(|span| epoch.checked_add(span).ok())
        .map_or_else(|| "1970-01-01".to_owned(), |date| date.to_string())
}
