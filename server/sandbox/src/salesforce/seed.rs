//! What the users did before anybody connected to the organisation: deals, cases, meetings, tasks.

use rand_core::RngCore as _;
use serde_json::{Value, json};

use super::activity::day_of;
use super::ids::Id;
use super::listview::{SCOPE, WHERE};
use super::rows::Fields;
use super::state::{State, object};
use super::value::{Val, stamp};
use crate::company::rng;

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Opportunities and cases of each user.
const DEALS: usize = 3;

const DEAL_KINDS: [&str; 6] = [
    "Renewal",
    "Pilot",
    "Rahmenvertrag",
    "Extension",
    "New site",
    "Ersatzteile",
];
const STAGES: [&str; 4] = [
    "Prospecting",
    "Qualification",
    "Proposal/Price Quote",
    "Closed Won",
];
const CASES: [&str; 4] = [
    "Delivery is late",
    "Invoice without order number",
    "Zugang zum Portal gesperrt",
    "Wrong part delivered",
];
const MEETINGS: [(&str, &str, i64); 8] = [
    ("Jour fixe", "Teams", 30),
    ("Contract review", "Leopoldstraße 12, München", 60),
    ("Product demo", "Customer site", 90),
    ("Lunch", "Café Müller", 60),
    ("Kick-off", "Room Zugspitze", 120),
    ("Quarterly review & forecast", "Teams", 60),
    ("Preisverhandlung", "Phone", 45),
    ("Site visit", "Werk 2", 180),
];
const TASKS: [&str; 8] = [
    "Send offer",
    "Call back about delivery date",
    "Prepare slides for <demo>",
    "Rechnung prüfen",
    "Update forecast",
    "Ask legal about NDA",
    "Send samples",
    "Plan trade fair",
];

impl State {
    /// Deals and cases of all users, and `events` and `tasks` of each of them.
    pub(crate) fn fill_work(&mut self, events: usize, tasks: usize, now_ms: i64) {
        for user in 0..self.users.len() {
            let contacts = self.contacts_of(user);
            if contacts.is_empty() {
                continue;
            }
            let mut random = rng(self.company.seed, "work", &[user]);
            let mut pick =
                |n: usize| usize::try_from(random.next_u64() % n.max(1) as u64).unwrap_or_default();
            let mut deals = Vec::new();
            for n in 0..DEALS {
                let (contact, account) = contacts[pick(contacts.len())].clone();
                deals.extend(self.deal(user, n, &contact, account.as_ref(), pick(4), now_ms));
                if n == 0 {
                    let body = object(json!({
                        "Subject": CASES[user % CASES.len()], "ContactId": contact.as_str(),
                        "AccountId": account.as_ref().map(Id::as_str), "Origin": "Email",
                    }));
                    self.seed_row("Case", user, &body, now_ms - 3 * DAY_MS);
                }
            }
            for n in 0..events {
                let (contact, account) = contacts[pick(contacts.len())].clone();
                let (name, place, minutes) = MEETINGS[pick(MEETINGS.len())];
                // From a week ago to a month ahead, at working hours.
                let day = i64::try_from(pick(37)).unwrap_or_default() - 7;
                let hour = i64::try_from(7 + pick(9)).unwrap_or_default();
                let start = (now_ms.div_euclid(DAY_MS) + day) * DAY_MS + hour * HOUR_MS;
                let about = deals.get(pick(deals.len() * 2)).or(account.as_ref());
                let all_day = n % 10 == 9;
                let mut body = object(json!({
                    "Subject": format!("{name} ({})", n + 1), "Location": place, "WhoId": contact.as_str(),
                    "WhatId": about.map(Id::as_str), "ShowAs": if n % 7 == 6 { "Free" } else { "Busy" },
                    "IsReminderSet": n % 2 == 0,
                }));
                let times = if all_day {
                    json!({ "IsAllDayEvent": true, "ActivityDate": day_of(start).map(|d| d.to_string()) })
                } else {
                    json!({ "StartDateTime": stamp(start), "DurationInMinutes": minutes })
                };
                body.extend(object(times));
                let id = self.seed_row("Event", user, &body, now_ms - DAY_MS);
                // A colleague joins one of five.
                if let (Some(id), true) = (id, n % 5 == 2 && self.users.len() > 1) {
                    let colleague = self.users[(user + 1) % self.users.len()].id.to_string();
                    let body = object(json!({ "EventId": id.as_str(), "RelationId": colleague }));
                    self.seed_row("EventRelation", user, &body, now_ms - DAY_MS);
                }
            }
            for n in 0..tasks {
                let (contact, account) = contacts[pick(contacts.len())].clone();
                let due = day_of(now_ms + (i64::try_from(pick(30)).unwrap_or_default() - 10) * DAY_MS);
                let status = ["Not Started", "In Progress", "Not Started", "Completed"][pick(4)];
                let body = object(json!({
                    "Subject": format!("{} ({})", TASKS[pick(TASKS.len())], n + 1), "WhoId": contact.as_str(),
                    "WhatId": account.as_ref().map(Id::as_str), "Status": status,
                    "Priority": if n % 4 == 0 { "High" } else { "Normal" },
                    "ActivityDate": due.map(|d| d.to_string()),
                }));
                self.seed_row("Task", user, &body, now_ms - DAY_MS);
            }
        }
    }

    fn contacts_of(&self, user: usize) -> Vec<(Id, Option<Id>)> {
        let owner = self.users[user].id.as_str();
        self.rows
            .all("Contact")
            .filter(|r| r.get("OwnerId").as_text() == Some(owner))
            .map(|r| (r.id.clone(), r.get("AccountId").as_text().and_then(Id::parse)))
            .collect()
    }

    fn deal(
        &mut self,
        user: usize,
        n: usize,
        contact: &Id,
        account: Option<&Id>,
        stage: usize,
        now_ms: i64,
    ) -> Option<Id> {
        let company = account
            .and_then(|a| self.rows.get("Account", a))
            .and_then(|r| r.get("Name").as_text().map(str::to_owned))
            .unwrap_or_default();
        let close = day_of(now_ms + 30 * DAY_MS).map(|d| d.to_string());
        let body = object(json!({
            "Name": format!("{company} {}", DEAL_KINDS[(user * DEALS + n) % DEAL_KINDS.len()]).trim(),
            "AccountId": account.map(Id::as_str), "StageName": STAGES[stage], "CloseDate": close,
            "Amount": 5_000 * (n + 1),
        }));
        let id = self.seed_row("Opportunity", user, &body, now_ms - 2 * DAY_MS)?;
        let role = object(json!({
            "OpportunityId": id.as_str(), "ContactId": contact.as_str(), "Role": "Decision Maker", "IsPrimary": true,
        }));
        self.seed_row("OpportunityContactRole", user, &role, now_ms - 2 * DAY_MS);
        Some(id)
    }

    /// Profiles, record types, statuses and list views, as every organisation has them.
    pub(crate) fn fill_lists(&mut self, now: i64) {
        let stamps = move || {
            Fields::from([
                ("CreatedDate", Val::Time(now)),
                ("LastModifiedDate", Val::Time(now)),
                ("SystemModstamp", Val::Time(now)),
            ])
        };
        self.list_choices(now);
        let mut profiles = Vec::new();
        for name in ["System Administrator", "Standard User"] {
            let mut fields = stamps();
            fields.extend([
                ("Name", Val::text(name)),
                (
                    "PermissionsCustomizeApplication",
                    Val::Bool(name == "System Administrator"),
                ),
                ("PermissionsApiEnabled", Val::Bool(true)),
            ]);
            profiles.push((self.rows.next_id("00e"), fields));
        }
        self.rows.replace("Profile", profiles);
        for object in ["Event", "Task"] {
            for (developer, name) in [("Standard", "Standard"), ("Restricted", "Board only")] {
                let mut fields = stamps();
                fields.extend([
                    ("Name", Val::text(name)),
                    ("DeveloperName", Val::text(developer)),
                    ("SobjectType", Val::text(object)),
                    ("IsActive", Val::Bool(true)),
                ]);
                let id = self.rows.next_id("012");
                self.rows.put("RecordType", id, fields);
            }
        }
        for object in ["Contact", "Account", "Lead", "Opportunity", "Case"] {
            self.add_list_view(object, &format!("All {object}s"), "everything", None, now);
            self.add_list_view(object, &format!("My {object}s"), "mine", None, now);
        }
        self.list_profiles();
    }

    /// A list view; the condition is SOQL's, without `WHERE`.
    pub(crate) fn add_list_view(
        &mut self,
        object: &str,
        label: &str,
        scope: &str,
        condition: Option<&str>,
        now: i64,
    ) -> Id {
        let developer: String = label
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let mut fields = Fields::from([
            ("Name", Val::text(label)),
            ("DeveloperName", Val::text(developer)),
            ("SobjectType", Val::text(object)),
            ("IsSoqlCompatible", Val::Bool(true)),
            (SCOPE, Val::text(scope)),
            ("CreatedDate", Val::Time(now)),
            ("LastModifiedDate", Val::Time(now)),
            ("SystemModstamp", Val::Time(now)),
        ]);
        if let Some(condition) = condition {
            fields.insert(WHERE, Val::text(condition));
        }
        let id = self.rows.next_id("00B");
        self.rows.put("ListView", id.clone(), fields);
        id
    }

    /// Who has which profile, and what that lets him do.
    pub(crate) fn list_profiles(&mut self) {
        let of = |name: &str| {
            self.rows
                .all("Profile")
                .find(|r| r.get("Name").as_text() == Some(name))
                .map_or(Val::Null, |r| Val::Text(r.id.to_string()))
        };
        let (admin, standard) = (of("System Administrator"), of("Standard User"));
        for user in &self.users {
            let Some(row) = self.rows.get("User", &user.id) else {
                continue;
            };
            let mut fields = row.fields.clone();
            let profile = if user.admin { &admin } else { &standard };
            fields.insert("ProfileId", profile.clone());
            self.rows.put("User", user.id.clone(), fields);
        }
        let access = self.users.iter().map(|user| {
            let fields = Fields::from([
                ("PermissionsModifyAllData", Val::Bool(user.admin)),
                ("PermissionsViewAllData", Val::Bool(user.view_all)),
                ("PermissionsCustomizeApplication", Val::Bool(user.admin)),
                ("PermissionsApiEnabled", Val::Bool(user.api)),
            ]);
            (user.id.clone(), fields)
        });
        let access = access.collect();
        self.rows.replace("UserPermissionAccess", access);
    }

    /// Rows that Einstein Activity Capture would have made, or none.
    pub(crate) fn set_activity_capture(&mut self, on: bool, now_ms: i64) {
        if on == self.knobs.activity_capture {
            return;
        }
        self.knobs.activity_capture = on;
        if !on {
            let captured: Vec<(Id, Option<Id>)> = self
                .rows
                .all("EmailMessage")
                .filter(|r| r.get("Source").as_text() == Some("EinsteinActivityCapture"))
                .map(|r| (r.id.clone(), r.get("ActivityId").as_text().and_then(Id::parse)))
                .collect();
            for (email, task) in captured {
                self.rows.purge_by_name("EmailMessage", &email);
                if let Some(task) = task {
                    self.rows.purge_by_name("Task", &task);
                }
            }
            return;
        }
        let contacts = self.contacts_of(0);
        for n in 0..2 {
            let sender = contacts
                .get(n)
                .and_then(|(id, _)| self.rows.get("Contact", id))
                .map_or(Value::Null, |r| r.get("Email").to_json());
            let body = object(json!({
                "Subject": format!("Captured mail {}", n + 1), "TextBody": "Captured by another tool.",
                "Status": "3", "Incoming": true, "FromAddress": sender, "Source": "EinsteinActivityCapture",
                "MessageIdentifier": format!("<captured-{n}@{}>", self.company.domain),
                "MessageDate": stamp(now_ms - HOUR_MS),
            }));
            self.seed_row("EmailMessage", 0, &body, now_ms);
        }
    }
}
