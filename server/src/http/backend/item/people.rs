//! Who takes part in the open item, who of them is internal or blocked, and the user's own blocklist.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tandem_crm::PersonRecords;
use tandem_store::SettingsFault;
use tandem_sync::glance::Glance;
use tandem_sync::linker::people::domain_of;
use tandem_types::{
    ApiError, Blocked, InvalidField, ItemView, OpenItem, OpenPerson, PersonView, Settings, UserId,
};

use super::super::{Known, RequestBackend};
use super::store;
use crate::app::App;

/// People with cards; the others of a large meeting are named.
const CARDS_MAX: usize = 50;

/// By what people are told apart.
pub(super) struct Who {
    settings: Settings,
    address: String,
    user: UserId,
    /// The entries of the blocklist that are the user's own.
    own: BTreeSet<String>,
}

impl Who {
    pub(super) async fn new(app: &App, known: &Known) -> Result<Self, ApiError> {
        let own = app.store.settings_overrides(&known.row.id).await.map_err(store)?;
        let address = known
            .row
            .mailbox
            .as_ref()
            .map(|mailbox| mailbox.address.to_lowercase());
        Ok(Self {
            settings: known.row.settings.clone(),
            address: address.unwrap_or_default(),
            user: known.row.user_id.clone(),
            own: entries(&own).into_iter().collect(),
        })
    }

    fn glance<'a>(&'a self, settings: &'a Settings) -> Glance<'a> {
        Glance {
            settings,
            address: &self.address,
            user: &self.user,
            now: tandem_types::Timestamp::default(),
            activated: tandem_types::Timestamp::default(),
        }
    }

    fn is_internal(&self, address: &str) -> bool {
        self.glance(&self.settings).is_internal(address)
    }

    fn blocked(&self, address: &str) -> Option<Blocked> {
        if !self.glance(&self.settings).is_blocked(address) {
            return None;
        }
        let mut alone = Settings::default();
        let entry = self.settings.blocklist.iter().find(|entry| {
            alone.blocklist = vec![(*entry).clone()];
            self.glance(&alone).is_blocked(address)
        })?;
        Some(Blocked {
            entry: entry.clone(),
            by_user: self.own.contains(entry),
        })
    }

    /// Those from outside first, in the item's order, without the user himself; nobody twice.
    pub(super) fn views(
        &self,
        known: &Known,
        item: &OpenItem,
        addresses: &[String],
        found: Vec<PersonRecords>,
    ) -> Vec<PersonView> {
        let found: std::collections::HashMap<&str, PersonRecords> =
            addresses.iter().map(String::as_str).zip(found).collect();
        let mut views: Vec<PersonView> = everybody(known, item)
            .map(|person| {
                let address = person.address.trim().to_lowercase();
                let known = found.get(address.as_str()).cloned().unwrap_or_default();
                PersonView {
                    person: person.clone(),
                    internal: self.is_internal(&address),
                    blocked: self.blocked(&address),
                    records: known.records,
                    account: known.account,
                    opportunities: known.opportunities,
                    cases: known.cases,
                }
            })
            .collect();
        views.sort_by_key(|view| view.internal);
        views
    }
}

/// All who take part but the user, each once.
fn everybody<'a>(known: &Known, item: &'a OpenItem) -> impl Iterator<Item = &'a OpenPerson> + use<'a> {
    let mut own: BTreeSet<String> = BTreeSet::from([item.mailbox.to_lowercase()]);
    own.extend(
        known
            .row
            .mailbox
            .as_ref()
            .map(|mailbox| mailbox.address.to_lowercase()),
    );
    let mut seen = own;
    item.people.iter().filter(move |person| {
        let address = person.address.trim().to_lowercase();
        domain_of(&address).is_some() && seen.insert(address)
    })
}

/// The addresses that Salesforce is asked about, lower case.
pub(super) fn outside(known: &Known, who: &Who, item: &OpenItem) -> Vec<String> {
    everybody(known, item)
        .map(|person| person.address.trim().to_lowercase())
        .filter(|address| !who.is_internal(address))
        .take(CARDS_MAX)
        .collect()
}

/// The blocklist among a connection's own settings.
fn entries(overrides: &Value) -> Vec<String> {
    let list = overrides.get("blocklist").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|entry| entry.as_str().map(str::to_owned))
        .collect()
}

/// An address, or `@` and a domain, in lower case; `None`: neither.
fn entry(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let address = if text.starts_with('@') {
        format!("x{text}")
    } else {
        text.clone()
    };
    // A star would block more than is shown.
    (text.len() <= 320 && !text.contains('*') && domain_of(&address).is_some()).then_some(text)
}

impl RequestBackend {
    pub(super) async fn block(
        &self,
        known: &Known,
        item: OpenItem,
        blocked: &str,
        on: bool,
    ) -> Result<ItemView, ApiError> {
        let invalid = ApiError::Invalid(InvalidField::Value);
        let id = &known.row.id;
        let now = self.app.clock.now();
        let mut overrides = self.app.store.settings_overrides(id).await.map_err(store)?;
        let mut list = entries(&overrides);
        if on {
            let entry = entry(blocked).ok_or(invalid)?;
            if list.iter().all(|held| *held != entry) {
                list.push(entry);
            }
        } else {
            // As it stands there, whatever it is.
            let held = list.len();
            list.retain(|entry| entry.trim() != blocked.trim());
            if list.len() == held {
                return Err(ApiError::WrongState);
            }
        }
        let fields = overrides.as_object_mut().ok_or(ApiError::Unavailable)?;
        if list.is_empty() {
            fields.remove("blocklist");
        } else {
            fields.insert("blocklist".to_owned(), json!(list));
        }
        match self.app.store.set_settings(id, &overrides, now).await {
            Ok(_) => {}
            Err(SettingsFault::Refused(_)) => return Err(invalid),
            Err(SettingsFault::Store(error)) => return Err(store(error)),
        }
        let action = if on {
            "address_blocked"
        } else {
            "address_unblocked"
        };
        self.audit(known, action, "").await?;
        self.app.panels.forget(id);
        self.app.hub.changed(id);
        // With the settings as they are now.
        let known = self.need().await?;
        self.look_at(&known, item).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_address_or_a_domain() {
        for (text, is) in [
            ("Ada@Northwind.example", Some("ada@northwind.example")),
            (" @northwind.example ", Some("@northwind.example")),
            ("northwind.example", None),
            ("*@northwind.example", None),
            ("@localhost", None),
            ("@", None),
            ("", None),
            ("a b@c.example", None),
        ] {
            assert_eq!(entry(text).as_deref(), is, "{text}");
        }
    }
}
