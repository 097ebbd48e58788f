//! Settings as they are kept: what differs. Built-in defaults, then the organisation's, then the connection's own.

use serde_json::{Map, Value};
use tandem_types::Settings;

use crate::StoreError;
use crate::db::from_json;

/// Why settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// Said for an administrator: an unknown key, a value that does not fit, a limit that is not allowed.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A setting that was not taken, said for an administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WrongSetting {
    /// Which, `attachments.max_bytes`; empty where it is none of them.
    pub key: String,
    pub text: String,
}

impl WrongSetting {
    fn new(key: &str, text: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            text: text.into(),
        }
    }
}

impl From<WrongSetting> for SettingsFault {
    fn from(wrong: WrongSetting) -> Self {
        Self::Refused(wrong.text)
    }
}

/// No overrides, as they are kept.
pub(crate) const NONE: &str = "{}";

/// The settings that follow from the two layers of overrides, both JSON objects of the shape of [`Settings`] with any
/// keys left out.
///
/// Objects are merged key by key, everything else is replaced; `blocklist` adds up, and a `contact_scope` takes its own
/// `contact_list` with it or none.
///
/// # Errors
/// A key that there is not, a value of the wrong kind, or what [`Settings::validate`] refuses; said for an
/// administrator.
pub fn resolve(org: &Value, own: &Value) -> Result<Settings, WrongSetting> {
    let default =
        serde_json::to_value(Settings::default()).map_err(|e| WrongSetting::new("", e.to_string()))?;
    let mut merged = default.clone();
    for layer in [org, own] {
        check_keys(&default, layer)?;
        add(&mut merged, layer);
    }
    let settings: Settings = serde_json::from_value(merged).map_err(|_| wrong_value(org, own))?;
    settings
        .validate()
        .map_err(|e| WrongSetting::new(e.key, e.to_string()))?;
    Ok(settings)
}

fn check_keys(default: &Value, layer: &Value) -> Result<(), WrongSetting> {
    let layer = object(layer)?;
    for (key, value) in layer {
        let known = default
            .get(key)
            .ok_or_else(|| WrongSetting::new(key, format!("there is no setting `{key}`")))?;
        // What has fixed keys has them in the defaults; the tables of words are empty there.
        let fixed = match known {
            Value::Object(keys) if keys.is_empty() => continue,
            Value::Object(keys) => keys,
            _ => match value.as_object().and_then(|inner| inner.keys().next()) {
                Some(inner) => {
                    return Err(WrongSetting::new(
                        key,
                        format!("there is no setting `{key}.{inner}`"),
                    ));
                }
                None => continue,
            },
        };
        let inner = value
            .as_object()
            .ok_or_else(|| WrongSetting::new(key, format!("`{key}` does not take this value")))?;
        if let Some(unknown) = inner.keys().find(|k| !fixed.contains_key(*k)) {
            return Err(WrongSetting::new(
                key,
                format!("there is no setting `{key}.{unknown}`"),
            ));
        }
    }
    Ok(())
}

fn object(layer: &Value) -> Result<&Map<String, Value>, WrongSetting> {
    layer
        .as_object()
        .ok_or_else(|| WrongSetting::new("", "settings are a JSON object"))
}

fn add(merged: &mut Value, layer: &Value) {
    let (Some(merged), Some(layer)) = (merged.as_object_mut(), layer.as_object()) else {
        return;
    };
    if layer.contains_key("contact_scope") {
        // The list belongs to the scope that is overridden here.
        merged.insert("contact_list".to_owned(), Value::Null);
    }
    for (key, value) in layer {
        match (merged.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                for (key, value) in above {
                    below.insert(key.clone(), value.clone());
                }
            }
            (Some(Value::Array(below)), Value::Array(above)) if key == "blocklist" => {
                for entry in above {
                    if !below.contains(entry) {
                        below.push(entry.clone());
                    }
                }
            }
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Which key's value does not fit: each is tried by itself.
fn wrong_value(org: &Value, own: &Value) -> WrongSetting {
    for layer in [own, org] {
        for (key, value) in layer.as_object().into_iter().flatten() {
            let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            if let Err(error) = serde_json::from_value::<Settings>(alone) {
                return WrongSetting::new(key, format!("`{key}` does not take this value: {error}"));
            }
        }
    }
    WrongSetting::new("", "the settings do not fit together")
}

/// As [`resolve`], for rows.
pub(crate) fn resolved(org: &str, own: &str) -> Result<Settings, StoreError> {
    if org == NONE && own == NONE {
        return Ok(Settings::default());
    }
    let org: Value = from_json(org, "the organisation's settings")?;
    let own: Value = from_json(own, "settings")?;
    // The reason would quote what is stored.
    resolve(&org, &own).map_err(|_| StoreError::Corrupt("settings do not fit this version".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_types::{ContactScope, Direction};

    use super::*;

    fn none() -> Value {
        json!({})
    }

    #[test]
    fn the_nearest_layer_wins() {
        assert_eq!(resolve(&none(), &none()), Ok(Settings::default()));
        let org = json!({"interval_minutes": 60, "brake": {"count": 5, "hard": 50}, "tasks": "off",
            "blocklist": ["a@b.example", "c.example"], "task_status": {"waiting": "On hold"}});
        let own = json!({"interval_minutes": 10, "brake": {"hard": 70}, "blocklist": ["c.example", "d.example"],
            "task_status": {"deferred": "Later"}});
        let got = resolve(&org, &own).unwrap();
        assert_eq!((got.interval_minutes, got.tasks), (10, Direction::Off));
        assert_eq!((got.brake.count, got.brake.percent, got.brake.hard), (5, 20, 70));
        assert_eq!(got.blocklist, ["a@b.example", "c.example", "d.example"]);
        assert_eq!(got.task_status.len(), 2);
    }

    #[test]
    fn a_scope_brings_its_list_or_none() {
        let org = json!({"contact_scope": "list_view", "contact_list": "00B000000000001AAA"});
        let own = json!({"contact_scope": "mine"});
        let got = resolve(&org, &own).unwrap();
        assert_eq!((got.contact_scope, got.contact_list), (ContactScope::Mine, None));
        assert!(resolve(&none(), &json!({"contact_list": "00B000000000001AAA"})).is_err());
        assert!(resolve(&org, &json!({"contact_list": null})).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (own, says) in [
            (json!({"contatcs": "off"}), "there is no setting `contatcs`"),
            (
                json!({"brake": {"percnt": 3}}),
                "there is no setting `brake.percnt`",
            ),
            (json!({"brake": 3}), "`brake`"),
            (json!({"tasks": {"deep": 3}}), "there is no setting `tasks.deep`"),
            (json!({"tasks": {}}), "`tasks`"),
            (json!({"events": "sideways"}), "`events`"),
            (json!({"events": null}), "`events`"),
            (json!({"contact_limit": -1}), "`contact_limit`"),
            (json!({"interval_minutes": 1}), "interval_minutes must be between"),
            (json!({"emails": "two_way"}), "emails is to_crm or off"),
            (
                json!({"task_priority": {"urgent": "High"}}),
                "task_priority takes only the words",
            ),
            (json!([]), "JSON object"),
            (json!("x"), "JSON object"),
            (Value::Null, "JSON object"),
        ] {
            let error = resolve(&none(), &own).unwrap_err().text;
            assert!(error.contains(says), "{own}: {error}");
            assert!(resolve(&own, &none()).is_err(), "{own}");
        }
    }

    #[test]
    fn whole_settings_are_overrides_too() {
        let whole = serde_json::to_value(Settings {
            contact_limit: 17,
            ..Settings::default()
        })
        .unwrap();
        assert_eq!(resolve(&none(), &whole).unwrap().contact_limit, 17);
        assert!(matches!(
            resolved("{}", "{\"of_a_newer_version\": true}"),
            Err(StoreError::Corrupt(_))
        ));
    }
}
