//! The server functions of the settings page.

use std::collections::BTreeMap;

use leptos::prelude::*;
use tandem_types::{ApiError, IssueCure, IssueId, PaneView, ProbeView, SettingKey, Side};

use super::{Answer, Saying, answer, plain_form, refuse, say, tell, view};
use crate::backend::backend;
use crate::page::Told;
use crate::place::{Part, Place, side_word};

/// Leads a plain form back to its part of the settings, which says what was done; tells our script the same.
fn done(part: &str, result: Result<PaneView, ApiError>, told: Told, word: &str) -> Answer<PaneView> {
    if result.is_ok() {
        say(|| Saying::Told(told));
        if plain_form() {
            let place = Place::of(Part::parse(part).unwrap_or_default());
            leptos_axum::redirect(&format!("{}?done={word}", place.url()));
        }
    }
    match result {
        Ok(view) => Ok(view),
        Err(error) => refuse(error),
    }
}

/// `set[contacts]=off`; `boxes`: the keys of the form's tick boxes, of which a browser sends only those that are ticked.
#[server(prefix = "/api", endpoint = "save_settings")]
async fn save_settings(
    #[server(default)] part: String,
    #[server(default)] set: BTreeMap<String, String>,
    #[server(default)] boxes: String,
) -> Answer<PaneView> {
    let mut fields = set;
    for key in boxes.split_whitespace() {
        fields.entry(key.to_owned()).or_insert_with(|| "off".to_owned());
    }
    done(&part, backend().save_settings(fields).await, Told::Saved, "saved")
}

#[server(prefix = "/api", endpoint = "reset_settings")]
async fn reset_settings(#[server(default)] part: String, keys: String) -> Answer<PaneView> {
    let keys: Option<Vec<SettingKey>> = keys.split_whitespace().map(SettingKey::parse).collect();
    let result = match keys {
        Some(keys) => backend().reset_settings(keys).await,
        None => Err(ApiError::Forbidden),
    };
    done(&part, result, Told::Reset, "reset")
}

#[server(name = CureIssues, prefix = "/api", endpoint = "cure_issues")]
async fn cure_issues(#[server(default)] issues: Vec<IssueId>, cure: IssueCure) -> Answer<PaneView> {
    view(backend().cure_issues(issues, cure).await)
}

#[server(name = ProbeConnection, prefix = "/api", endpoint = "probe")]
async fn probe(side: Side) -> Answer<ProbeView> {
    let probed = answer(backend().probe(side).await)?;
    say(|| Saying::Told(Told::Probed(probed)));
    let mut fields = vec![("probed", side_word(side))];
    if let Some((step, fault)) = probed.failed {
        fields.extend([("step", step.as_str()), ("fault", fault.as_str())]);
    }
    tell(Part::Connectivity, fields, "probe");
    Ok(probed)
}
