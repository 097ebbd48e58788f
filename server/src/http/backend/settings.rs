//! The settings page: what a user changes, what the sessions did, what is open.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tandem_app::SettingsBackend;
use tandem_store::{IssuePick, SettingsFault};
use tandem_sync::model::Field;
use tandem_types::{
    ApiError, HistoryView, InvalidField, IssueCode, IssueCure, IssueId, IssuePage, ItemKind, MappingRow,
    PaneView, ProbeView, SessionId, SettingKey, Settings, SettingsView, Side, Timestamp,
};

use super::{Known, RequestBackend, unavailable};
use crate::history;
use crate::settings_form::{self, FormFault};
use crate::worker::{cure, probe};

/// Sessions on one page of the history.
const HISTORY_SHOWN: u32 = 25;
/// Issues on one page.
const ISSUES_SHOWN: u32 = 50;
/// Issues that one form may name: those of a page.
const ISSUES_AT_ONCE: usize = 50;

/// *Test connection* is refused where it was pressed so often within 15 minutes.
const PROBES: u32 = 10;
const PROBES_SECONDS: u32 = 900;

/// The user's own layer, and what counts without it.
struct Layers {
    own: Value,
    org: Value,
    inherited: Settings,
}

fn refused(fault: FormFault) -> ApiError {
    match fault {
        FormFault::Unknown => ApiError::Forbidden,
        FormFault::Field(key) => ApiError::Invalid(InvalidField::Setting(key)),
    }
}

impl RequestBackend {
    async fn layers(&self, known: &Known) -> Result<Layers, ApiError> {
        let store = &self.app.store;
        let own = store.settings_overrides(&known.row.id).await;
        let org = store.org_settings(&known.row.org_id).await.map_err(unavailable)?;
        let inherited =
            tandem_store::resolve_settings(&org, &Value::Object(Map::new())).map_err(|error| {
                tracing::error!(org = %known.row.org_id, key = error.key, "the organisation's settings do not fit");
                ApiError::Unavailable
            })?;
        Ok(Layers {
            own: own.map_err(unavailable)?,
            org,
            inherited,
        })
    }

    /// Stores the user's own layer, where it is another one.
    async fn store_own(&self, known: &Known, layers: &Layers, own: Value) -> Result<PaneView, ApiError> {
        if own == layers.own {
            return self.after(known).await;
        }
        // Before it is stored: that one says which setting it is.
        if let Err(wrong) = tandem_store::resolve_settings(&layers.org, &own) {
            let key = SettingKey::parse(&wrong.key).ok_or(ApiError::WrongState)?;
            return Err(ApiError::Invalid(InvalidField::Setting(key)));
        }
        let now = self.app.clock.now();
        match self.app.store.set_settings(&known.row.id, &own, now).await {
            Ok(_) => {}
            // The organisation's have changed in between.
            Err(SettingsFault::Refused(_)) => return Err(ApiError::WrongState),
            Err(SettingsFault::Store(error)) => return Err(unavailable(error)),
        }
        self.audit(known, "settings_changed", &differing(&layers.own, &own))
            .await?;
        self.after(known).await
    }
}

/// Which keys differ; no values, which may name people.
fn differing(before: &Value, after: &Value) -> String {
    let names: Vec<&str> = SettingKey::ALL
        .into_iter()
        .map(SettingKey::as_str)
        .filter(|key| {
            let pointer = format!("/{}", key.replace('.', "/"));
            before.pointer(&pointer) != after.pointer(&pointer)
        })
        .collect();
    names.join(" ")
}

#[async_trait]
impl SettingsBackend for RequestBackend {
    async fn settings(&self) -> Result<SettingsView, ApiError> {
        let known = self.need().await?;
        let layers = self.layers(&known).await?;
        let blocklist = layers.own.get("blocklist").cloned().unwrap_or_default();
        Ok(SettingsView {
            chosen: settings_form::chosen(&layers.own),
            blocklist: serde_json::from_value(blocklist).unwrap_or_default(),
            inherited: layers.inherited,
        })
    }

    async fn save_settings(&self, fields: BTreeMap<String, String>) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let layers = self.layers(&known).await?;
        let own = settings_form::changed(&layers.own, &layers.inherited, &fields).map_err(refused)?;
        self.store_own(&known, &layers, own).await
    }

    async fn reset_settings(&self, keys: Vec<SettingKey>) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let layers = self.layers(&known).await?;
        let own = settings_form::reset(&layers.own, &keys);
        self.store_own(&known, &layers, own).await
    }

    async fn history(&self, before: Option<SessionId>) -> Result<HistoryView, ApiError> {
        let known = self.need().await?;
        let (store, id) = (&self.app.store, &known.row.id);
        // One more tells whether there are older ones.
        let sessions = match &before {
            Some(before) => store.sessions_before(id, before, HISTORY_SHOWN + 1).await,
            None => store.sessions(id, HISTORY_SHOWN + 1).await,
        };
        let mut sessions = sessions.map_err(unavailable)?;
        let shown = usize::try_from(HISTORY_SHOWN).unwrap_or(usize::MAX);
        let more = sessions.len() > shown;
        sessions.truncate(shown);
        let now = self.app.clock.now();
        let recent = store.sessions_since(id, history::first_day(now)).await;
        Ok(HistoryView {
            sessions,
            total: store.session_count(id).await.map_err(unavailable)?,
            kept_for: self.app.config.retention.sessions,
            undone_for: self.app.config.retention.journal,
            more,
            days: history::days(&recent.map_err(unavailable)?, now),
        })
    }

    async fn issue_page(
        &self,
        kind: Option<ItemKind>,
        code: Option<IssueCode>,
        skip: u32,
    ) -> Result<IssuePage, ApiError> {
        let known = self.need().await?;
        let pick = IssuePick { kind, code };
        let page = self
            .app
            .store
            .issue_page(&known.row.id, &pick, skip, ISSUES_SHOWN);
        let (issues, total) = page.await.map_err(unavailable)?;
        Ok(IssuePage { issues, total })
    }

    async fn cure_issues(&self, issues: Vec<IssueId>, cure: IssueCure) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        // The others run a session each, or need a choice.
        if !matches!(cure, IssueCure::Retry | IssueCure::Ignore) || issues.len() > ISSUES_AT_ONCE {
            return Err(ApiError::Forbidden);
        }
        for issue in &issues {
            // One that is solved meanwhile, or cannot be cured so, is passed over.
            cure::carry_out(&self.app, &known.row, issue, cure, None)
                .await
                .map_err(unavailable)?;
        }
        self.after(&known).await
    }

    async fn seen_by_administrators(&self) -> Result<Option<Timestamp>, ApiError> {
        let known = self.need().await?;
        let support = self.app.store.support_access(&known.row.org_id).await;
        Ok(support.map_err(unavailable)?.map(|support| support.since))
    }

    async fn mapping(&self) -> Result<Vec<MappingRow>, ApiError> {
        self.need().await?;
        let rows = ItemKind::ALL.into_iter().flat_map(|kind| {
            let row = move |(field, there): (Field, &str)| MappingRow {
                kind,
                field: field.as_str().to_owned(),
                there: there.to_owned(),
            };
            tandem_crm::mapping(kind).into_iter().map(row)
        });
        Ok(rows.collect())
    }

    async fn probe(&self, side: Side) -> Result<ProbeView, ApiError> {
        let known = self.need().await?;
        let (store, row) = (&self.app.store, &known.row);
        let now = self.app.clock.now();
        let clicks = store.record_trial(&format!("probe/{}", row.id), now).await;
        if clicks.map_err(unavailable)? > PROBES {
            return Err(ApiError::TooOften(PROBES_SECONDS));
        }
        self.audit(&known, "connection_tested", "").await?;
        let failed = probe::probe(&self.app, row, side).await.map_err(unavailable)?;
        Ok(ProbeView { side, failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mapped_field_has_words_and_an_example() {
        for kind in ItemKind::ALL {
            let rows = tandem_crm::mapping(kind);
            assert!(rows.len() > 5, "{kind:?}");
            for (field, there) in rows {
                let (name, example) = tandem_app::text::settings::field(field.as_str()).unwrap();
                assert!(
                    !name.is_empty() && !example.is_empty() && !there.is_empty(),
                    "{field:?}"
                );
            }
        }
    }
}
