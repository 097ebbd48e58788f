use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tandem_sync::model::{Access, Field, FieldRule, Profile};
use tandem_types::{OrgId, Timestamp, UserId};

use crate::map::{FIELDS, SYSTEM_FIELDS};

/// What organisations and their users can see, kept between sessions, shared by all connections: API versions per
/// instance, and the description of `Contact` per organisation and user (field security differs between users).
pub struct DescribeCache {
    ttl: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    versions: HashMap<String, String>,
    contacts: HashMap<(OrgId, UserId), Arc<Described>>,
}

impl Default for DescribeCache {
    fn default() -> Self {
        Self::new(Duration::from_hours(1))
    }
}

impl fmt::Debug for DescribeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribeCache")
            .field("ttl", &self.ttl)
            .field("users", &self.lock().contacts.len())
            .finish_non_exhaustive()
    }
}

impl DescribeCache {
    /// A description older than `ttl` is read anew beside the next poll, in the same request; one older than twice that
    /// is not used.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn version(&self, origin: &str) -> Option<String> {
        self.lock().versions.get(origin).cloned()
    }

    pub(crate) fn set_version(&self, origin: String, version: String) {
        self.lock().versions.insert(origin, version);
    }

    pub(crate) fn get(&self, org: &OrgId, user: &UserId, now: Timestamp) -> Option<Arc<Described>> {
        let known = self.lock().contacts.get(&(org.clone(), user.clone())).cloned()?;
        (Self::age(&known, now) < self.ttl.saturating_mul(2)).then_some(known)
    }

    pub(crate) fn is_stale(&self, known: &Described, now: Timestamp) -> bool {
        Self::age(known, now) >= self.ttl
    }

    pub(crate) fn put(&self, org: &OrgId, user: &UserId, described: Described) -> Arc<Described> {
        let described = Arc::new(described);
        self.lock()
            .contacts
            .insert((org.clone(), user.clone()), Arc::clone(&described));
        described
    }

    pub(crate) fn forget(&self, org: &OrgId, user: &UserId) {
        self.lock().contacts.remove(&(org.clone(), user.clone()));
    }

    /// A clock that was set back makes no entry immortal: one from the future counts as old. A moment is no future:
    /// whoever asks may have looked at the clock before the entry was made.
    fn age(known: &Described, now: Timestamp) -> Duration {
        match now.seconds_since(known.read) {
            -60..0 => Duration::ZERO,
            seconds => u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs),
        }
    }
}

/// `Contact` as one user sees it.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) read: Timestamp,
    pub(crate) profile: Profile,
    /// The fields of a `SELECT`.
    pub(crate) select: String,
    /// The key field, if this user may read it.
    pub(crate) key_field: Option<String>,
    /// Leads can be searched by e-mail, as far as is known.
    pub(crate) leads: bool,
}

impl Described {
    /// From the answer of `sobjects/Contact/describe`, which lists only what the user may see.
    ///
    /// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm>
    pub(crate) fn parse(body: &Value, key_field: &str, read: Timestamp) -> Option<Self> {
        let listed: HashMap<&str, &Value> = body
            .get("fields")?
            .as_array()?
            .iter()
            .filter_map(|field| Some((field.get("name")?.as_str()?, field)))
            .collect();
        let is = |field: &Value, flag: &str| field.get(flag).and_then(Value::as_bool).unwrap_or(false);
        let may = |flag: &str| body.get(flag).and_then(Value::as_bool).unwrap_or(true);
        let (may_create, may_update) = (may("createable"), may("updateable"));
        let mut rules = BTreeMap::new();
        let mut select = SYSTEM_FIELDS.to_owned();
        for (field, name) in FIELDS {
            let Some(described) = listed.get(name) else {
                continue;
            };
            let writable = (
                may_create && is(described, "createable"),
                may_update && is(described, "updateable"),
            );
            let rule = FieldRule {
                access: match writable {
                    (true, true) => Access::ReadWrite,
                    (true, false) => Access::CreateOnly,
                    (false, _) => Access::ReadOnly,
                },
                max_chars: described
                    .get("length")
                    .and_then(Value::as_u64)
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|n| *n > 0),
                required: field == Field::Surname,
            };
            rules.insert(field, rule);
            select.push(',');
            select.push_str(name);
        }
        if let Some(account) = listed.get("AccountId") {
            let access = if may_create && is(account, "createable") {
                Access::CreateOnly
            } else {
                Access::ReadOnly
            };
            let rule = FieldRule {
                access,
                max_chars: Some(255),
                required: false,
            };
            rules.insert(Field::Company, rule);
            select.push_str(",AccountId,Account.Name");
        }
        let mut holds_key = false;
        let mut readable_key = None;
        if let Some(key) = listed.get(key_field) {
            holds_key = may_create && is(key, "externalId") && is(key, "createable");
            readable_key = Some(key_field.to_owned());
            select.push(',');
            select.push_str(key_field);
        }
        Some(Self {
            read,
            profile: Profile {
                fields: rules,
                holds_key,
            },
            select,
            key_field: readable_key,
            leads: true,
        })
    }

    /// For a user who may see `AccountId`, but not accounts.
    pub(crate) fn without_account(&self) -> Self {
        let mut described = self.clone();
        described.profile.fields.remove(&Field::Company);
        described.select = described.select.replace(",AccountId,Account.Name", "");
        described
    }

    /// The key field, if records can be found and made by it.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key_field.as_deref().filter(|_| self.profile.holds_key)
    }

    pub(crate) fn can_read(&self, field: Field) -> bool {
        self.profile
            .fields
            .get(&field)
            .is_some_and(|rule| rule.access != Access::None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, length: u32, createable: bool, updateable: bool) -> Value {
        json!({"name": name, "length": length, "createable": createable, "updateable": updateable})
    }

    #[test]
    fn what_is_not_listed_is_not_there() {
        let mut key = field("Tandem_Key__c", 32, true, true);
        key["externalId"] = json!(true);
        let body = json!({"createable": true, "updateable": true, "fields": [
            field("LastName", 80, true, true), field("Email", 80, false, false),
            field("Birthdate", 0, true, true), field("Title", 128, true, false),
            field("AccountId", 18, true, true), key,
        ]});
        let read = Timestamp::from_seconds(1);
        let described = Described::parse(&body, "Tandem_Key__c", read).unwrap();
        let rule = |f: Field| described.profile.fields.get(&f).copied();
        assert_eq!(rule(Field::Surname).unwrap().max_chars, Some(80));
        assert!(rule(Field::Surname).unwrap().required);
        assert_eq!(rule(Field::Email).unwrap().access, Access::ReadOnly);
        assert_eq!(rule(Field::JobTitle).unwrap().access, Access::CreateOnly);
        assert_eq!(rule(Field::Birthday).unwrap().max_chars, None);
        assert_eq!(rule(Field::Company).unwrap().access, Access::CreateOnly);
        assert_eq!(rule(Field::GivenName), None);
        assert!(described.profile.holds_key);
        assert_eq!(described.key(), Some("Tandem_Key__c"));
        insta::assert_snapshot!(described.select, @"Id,IsDeleted,MasterRecordId,OwnerId,CreatedDate,LastModifiedDate,SystemModstamp,LastName,Title,Email,Birthdate,AccountId,Account.Name,Tandem_Key__c");
        let blind = described.without_account();
        assert!(!blind.select.contains("Account"));
        assert!(!blind.can_read(Field::Company));
    }

    #[test]
    fn a_key_that_cannot_be_set_is_none() {
        let mut key = field("Tandem_Key__c", 32, false, false);
        key["externalId"] = json!(true);
        let body = json!({"fields": [key]});
        let described = Described::parse(&body, "Tandem_Key__c", Timestamp::default()).unwrap();
        assert_eq!(described.key(), None);
        assert!(described.key_field.is_some());
        let plain = json!({"fields": [field("Tandem_Key__c", 32, true, true)]});
        assert_eq!(
            Described::parse(&plain, "Tandem_Key__c", Timestamp::default())
                .unwrap()
                .key(),
            None
        );
    }

    #[test]
    fn a_user_who_may_only_read_writes_nothing() {
        let body =
            json!({"createable": false, "updateable": false, "fields": [field("LastName", 80, true, true)]});
        let described = Described::parse(&body, "K__c", Timestamp::default()).unwrap();
        assert_eq!(described.profile.fields[&Field::Surname].access, Access::ReadOnly);
        assert!(Described::parse(&json!({"errorCode": "x"}), "K__c", Timestamp::default()).is_none());
    }

    #[test]
    fn entries_grow_old() {
        let cache = DescribeCache::new(Duration::from_hours(1));
        let (org, user): (OrgId, UserId) = (
            "00D000000000001AAA".parse().unwrap(),
            "005000000000001AAA".parse().unwrap(),
        );
        let read = Timestamp::from_seconds(1_000_000);
        let described = Described::parse(&json!({"fields": []}), "K__c", read).unwrap();
        let known = cache.put(&org, &user, described);
        assert!(!cache.is_stale(&known, Timestamp(read.0 - 1)));
        assert!(!cache.is_stale(&known, read.plus_seconds(3599)));
        assert!(cache.is_stale(&known, read.plus_seconds(3600)));
        assert!(cache.get(&org, &user, read.plus_seconds(7199)).is_some());
        assert!(cache.get(&org, &user, read.plus_seconds(7200)).is_none());
        assert!(
            cache.get(&org, &user, read.plus_seconds(-61)).is_none(),
            "the clock was set back"
        );
        cache.forget(&org, &user);
        assert!(cache.get(&org, &user, read).is_none());
    }
}
