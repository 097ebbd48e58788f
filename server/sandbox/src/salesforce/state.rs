//! All that the organisation remembers.

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Map, Value, json};

use super::access::{Access, Knobs, Login};
use super::ids::Id;
use super::oauth::Auth;
use super::rows::{Fields, Rows, Writer};
use super::schema::{FieldSet, Schema};
use super::value::Val;
use crate::Options;
use crate::company::{Company, Person};

/// Query results that wait to be fetched; the oldest of a user goes when there are more.
const CURSORS: usize = 10;
/// A cursor ends after this time.
const CURSOR_MS: i64 = 2 * 24 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// The objects that can have the external id; the switch of old leaves contacts' keys without regard to case.
pub(crate) const KEYED: [(&str, bool); 4] = [
    ("Contact", false),
    ("Event", true),
    ("Task", true),
    ("EmailMessage", true),
];

/// The rows that a query found, page by page.
pub(crate) struct Cursor {
    pub(crate) locator: String,
    pub(crate) user: usize,
    pub(crate) records: Vec<Value>,
    pub(crate) batch: usize,
    at_ms: i64,
}

pub(crate) struct State {
    pub(crate) schema: Schema,
    pub(crate) org_id: Id,
    pub(crate) users: Vec<Login>,
    pub(crate) knobs: Knobs,
    pub(crate) rows: Rows,
    pub(crate) auth: Auth,
    cursors: VecDeque<Cursor>,
    /// API calls against the limit of 24 hours.
    pub(crate) api_used: u64,
    /// API calls since the last reset of the counters.
    pub(crate) requests: u64,
    /// What composite requests held, since the last reset.
    pub(crate) sub_operations: BTreeMap<String, u64>,
    pub(crate) company: Company,
}

impl State {
    pub(crate) fn new(company: &Company, options: &Options, now_ms: i64) -> Self {
        let parse = |text: &str| Id::parse(text).unwrap_or_else(|| Id::make("00D", "aa", 1));
        let org_id = parse(&company.org_id);
        let users: Vec<Login> = company
            .users
            .iter()
            .enumerate()
            .map(|(n, u)| Login {
                id: parse(&u.salesforce_user_id),
                username: u.salesforce_username.clone(),
                password: u.salesforce_password.clone(),
                given: u.given.clone(),
                surname: u.surname.clone(),
                email: u.address.clone(),
                active: true,
                api: true,
                admin: n == 0,
                view_all: false,
                opened: FieldSet::new(),
                opened_for_edit: FieldSet::new(),
                hidden: FieldSet::new(),
                read_only: FieldSet::new(),
                next_person: company.people.iter().filter(|p| p.owner_user_index == n).count(),
            })
            .collect();
        let mut state = Self {
            schema: Schema::new(),
            rows: Rows::new(&org_id.as_str()[3..5]),
            org_id,
            users,
            knobs: Knobs::new(),
            auth: Auth::new(
                &company.client_id,
                &company.client_secret,
                ChaCha8Rng::seed_from_u64(company.seed ^ 0x5a1e_5f0c),
            ),
            cursors: VecDeque::new(),
            api_used: 0,
            requests: 0,
            sub_operations: BTreeMap::new(),
            company: company.clone(),
        };
        if options.tandem_key {
            for (object, exact) in KEYED {
                state.set_key(object, true, true, exact);
            }
        }
        state.fill(now_ms);
        if options.contacts > 0 {
            state.fill_work(options.crm_events, options.crm_tasks, now_ms);
        }
        state
    }

    /// The organisation as it was before anybody connected to it.
    fn fill(&mut self, now_ms: i64) {
        let company = self.company.clone();
        let count = company.accounts.len() + company.people.len() + 32;
        let mut at = now_ms - HOUR_MS * i64::try_from(count).unwrap_or_default();
        let mut next = move || {
            at += HOUR_MS;
            at
        };
        let born = next();
        self.fill_setup(born);
        self.fill_lists(born);
        let accounts: Vec<Option<Id>> = company
            .accounts
            .iter()
            .map(|a| {
                let body = object(json!({
                    "Name": a.name, "Website": a.website, "Phone": a.phone, "Industry": a.industry,
                    "BillingStreet": a.street, "BillingCity": a.city, "BillingState": a.state,
                    "BillingPostalCode": a.postal_code, "BillingCountry": a.country,
                }));
                self.seed_row("Account", a.owner_user_index, &body, next())
            })
            .collect();
        for person in &company.people {
            let account = accounts.get(person.account_index).cloned().flatten();
            let body = contact_body(person, account.as_ref());
            self.seed_row("Contact", person.owner_user_index, &body, next());
        }
        // People whom nobody else knows: far beyond the numbers that contacts have.
        for n in 0..12 {
            let owner = n % company.users.len();
            let person = company.contact_of(owner, 100_000 + n);
            let company_name = company.accounts.get(person.account_index).map(|a| a.name.clone());
            let body = object(json!({
                "FirstName": person.given, "LastName": person.surname, "Email": person.email,
                "Title": person.title, "Phone": person.phone, "Company": company_name,
            }));
            self.seed_row("Lead", owner, &body, next());
        }
    }

    fn fill_setup(&mut self, now: i64) {
        let admin = self.users.first().map(|u| u.id.to_string()).unwrap_or_default();
        let stamps = move || {
            Fields::from([
                ("CreatedDate", Val::Time(now)),
                ("CreatedById", Val::text(admin.clone())),
                ("LastModifiedDate", Val::Time(now)),
                ("LastModifiedById", Val::text(admin.clone())),
                ("SystemModstamp", Val::Time(now)),
            ])
        };
        let domain = self.company.domain.clone();
        let mut organization = stamps();
        organization.extend([
            ("Name", Val::text(domain.split('.').next().unwrap_or_default())),
            ("DefaultLocaleSidKey", Val::text("en_US")),
            ("TimeZoneSidKey", Val::text("Europe/Berlin")),
            ("LanguageLocaleKey", Val::text("en_US")),
            ("OrganizationType", Val::text("Enterprise Edition")),
            ("InstanceName", Val::text("EU42")),
            ("IsSandbox", Val::Bool(true)),
        ]);
        self.rows.put("Organization", self.org_id.clone(), organization);
        for user in &self.users {
            let mut fields = stamps();
            fields.extend([
                ("Username", Val::text(user.username.clone())),
                ("FirstName", Val::text(user.given.clone())),
                ("LastName", Val::text(user.surname.clone())),
                ("Name", Val::text(user.name())),
                ("CompanyName", Val::text(domain.clone())),
                ("Email", Val::text(user.email.clone())),
                (
                    "Alias",
                    Val::text(user.username.chars().take(8).collect::<String>()),
                ),
                ("IsActive", Val::Bool(true)),
                ("TimeZoneSidKey", Val::text("Europe/Berlin")),
                ("LocaleSidKey", Val::text("en_US")),
                ("UserType", Val::text("Standard")),
            ]);
            self.rows.put("User", user.id.clone(), fields);
        }
    }

    pub(crate) fn seed_row(
        &mut self,
        name: &str,
        owner: usize,
        body: &Map<String, Value>,
        now_ms: i64,
    ) -> Option<Id> {
        let object = self.schema.object(name)?;
        let access = Access {
            schema: &self.schema,
            knobs: &self.knobs,
            user: self.users.get(owner)?,
            all: true,
        };
        let writer = Writer {
            access,
            now_ms,
            allow_duplicates: true,
            base: "",
        };
        match self.rows.create(&writer, object, body) {
            Ok(id) => Some(id),
            Err(error) => {
                tracing::warn!(code = error.code, "a row of the seed was refused");
                None
            }
        }
    }

    /// Adds `count` more people of a user as contacts; returns their ids.
    pub(crate) fn seed(&mut self, owner: usize, count: usize, now_ms: i64) -> Vec<Id> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let number = self.users[owner].next_person;
            self.users[owner].next_person += 1;
            let person = self.company.contact_of(owner, number);
            let name = self
                .company
                .accounts
                .get(person.account_index)
                .map(|a| a.name.clone());
            let account = name.and_then(|name| {
                let object = self.schema.object("Account")?;
                let access = Access {
                    schema: &self.schema,
                    knobs: &self.knobs,
                    user: self.users.get(owner)?,
                    all: true,
                };
                self.rows
                    .matches(&access, object, object.field("Name")?, &name)
                    .into_iter()
                    .next()
            });
            ids.extend(self.seed_row("Contact", owner, &contact_body(&person, account.as_ref()), now_ms));
        }
        ids
    }

    pub(crate) fn user(&self, username: &str) -> Option<usize> {
        self.users
            .iter()
            .position(|u| u.username.eq_ignore_ascii_case(username))
    }

    /// Keeps the rows of a query; the locator finds them again.
    pub(crate) fn keep(&mut self, user: usize, records: Vec<Value>, batch: usize, now_ms: i64) -> String {
        let locator = self.rows.next_id("01g").to_string();
        if self.cursors.iter().filter(|c| c.user == user).count() >= CURSORS
            && let Some(oldest) = self.cursors.iter().position(|c| c.user == user)
        {
            self.cursors.remove(oldest);
        }
        self.cursors.push_back(Cursor {
            locator: locator.clone(),
            user,
            records,
            batch,
            at_ms: now_ms,
        });
        locator
    }

    pub(crate) fn cursor(&self, locator: &str, user: usize, now_ms: i64) -> Option<&Cursor> {
        self.cursors
            .iter()
            .find(|c| c.locator == locator && c.user == user && now_ms - c.at_ms <= CURSOR_MS)
    }
}

/// The fields of an object literal, without the empty ones.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null() && v != "").collect(),
        _ => Map::new(),
    }
}

fn contact_body(person: &Person, account: Option<&Id>) -> Map<String, Value> {
    object(json!({
        "FirstName": person.given,
        "MiddleName": person.middle,
        "LastName": person.surname,
        "Email": person.email,
        "Title": person.title,
        "Department": person.department,
        "Phone": person.phone,
        "MobilePhone": person.mobile,
        "HomePhone": person.home_phone,
        "OtherPhone": person.other_phone,
        "Fax": person.fax,
        "AssistantName": person.assistant_name,
        "AssistantPhone": person.assistant_phone,
        "MailingStreet": person.street,
        "MailingCity": person.city,
        "MailingState": person.state,
        "MailingPostalCode": person.postal_code,
        "MailingCountry": person.country,
        "Birthdate": person.birthdate,
        "Description": person.description,
        "AccountId": account.map(Id::as_str),
    }))
}
