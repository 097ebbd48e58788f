//! Extended properties: MAPI properties under Graph's names for them.
//!
//! <https://learn.microsoft.com/graph/api/resources/extended-properties-overview>

use serde_json::{Value, json};

use super::answer::Refused;
use super::query::Wanted;
use crate::exchange::content::{Around, Content};
use crate::exchange::props::{Key, MAPI_TYPES, Path, fits, tag_number};

/// `PidTagSensitivity`, and `PidLidBirthdayLocal` of the set `Address`: other names of what has a field.
const SENSITIVITY: Key = Key::Tag(0x0036);
const ADDRESS_SET: &str = "00062004-0000-0000-c000-000000000046";
const BIRTHDAY: i32 = 0x80DE;
/// In the order of their numbers.
const SENSITIVITIES: [&str; 4] = ["Normal", "Personal", "Private", "Confidential"];

/// The value of a property that is another name of a field; None: it is none.
fn field(content: &Content, key: &Key, around: &Around<'_>) -> Option<String> {
    match key {
        Key::Tag(0x0036) => {
            let set = content.text("Sensitivity");
            Some(
                SENSITIVITIES
                    .iter()
                    .position(|s| *s == set)
                    .unwrap_or(0)
                    .to_string(),
            )
        }
        Key::Tag(0x0E08) => content.size(around),
        Key::Id(set, BIRTHDAY) if set == ADDRESS_SET => content.texts.get("Birthday").cloned(),
        _ => None,
    }
}

/// Sets such a property; whether it was one.
fn set_field(content: &mut Content, key: &Key, value: &str) -> Result<bool, Refused> {
    match key {
        key if *key == SENSITIVITY => {
            let name = value
                .trim()
                .parse::<usize>()
                .ok()
                .and_then(|n| SENSITIVITIES.get(n));
            let name = name.ok_or_else(|| Refused::invalid(format!("There is no sensitivity {value}.")))?;
            content.texts.insert("Sensitivity", (*name).to_owned());
        }
        Key::Id(set, BIRTHDAY) if set == ADDRESS_SET => {
            let day = value.get(..10).unwrap_or_default().to_owned();
            content.texts.insert("Birthday", format!("{day}T00:00:00Z"));
        }
        Key::Tag(0x0E08) => return Err(Refused::invalid("The size of an item cannot be set.")),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads `String {guid} Name X`, `Integer {guid} Id 0x8002` or `String 0x3A24`.
pub(super) fn parse(id: &str) -> Result<(Key, &'static str), Refused> {
    let bad = || {
        Refused::new(
            400,
            "ErrorInvalidExtendedProperty",
            format!("The id '{id}' is no name of an extended property."),
        )
    };
    let (ty, rest) = id.trim().split_once(' ').ok_or_else(bad)?;
    let ty = MAPI_TYPES
        .iter()
        .find(|t| {
            t.eq_ignore_ascii_case(ty) && !matches!(**t, "Error" | "Null" | "Object") && !t.ends_with("Array")
        })
        .ok_or_else(bad)?;
    let rest = rest.trim();
    let Some(rest) = rest.strip_prefix('{') else {
        let tag = tag_number(rest).filter(|t| *t < 0x8000).ok_or_else(bad)?;
        return Ok((Key::Tag(tag), ty));
    };
    let (set, name) = rest.split_once('}').ok_or_else(bad)?;
    let set = set.to_ascii_lowercase();
    if set.len() != 36 {
        return Err(bad());
    }
    let (how, name) = name.trim_start().split_once(' ').ok_or_else(bad)?;
    match how.to_ascii_lowercase().as_str() {
        "name" if !name.is_empty() => Ok((Key::Name(set, name.to_owned()), ty)),
        "id" => {
            let number = name
                .trim()
                .strip_prefix("0x")
                .and_then(|hex| i32::from_str_radix(hex, 16).ok())
                .ok_or_else(bad)?;
            Ok((Key::Id(set, number), ty))
        }
        _ => Err(bad()),
    }
}

/// The name as answers have it: what a request wrote in capitals comes back small.
fn name(key: &Key, ty: &str) -> String {
    match key {
        Key::Tag(tag) => format!("{ty} 0x{tag:x}"),
        Key::Name(set, name) => format!("{ty} {{{set}}} Name {name}"),
        Key::Id(set, id) => format!("{ty} {{{set}}} Id 0x{id:04x}"),
    }
}

/// The list of those that are wanted and there; None if none is.
pub(super) fn write(content: &Content, wanted: &[Wanted], around: &Around<'_>) -> Option<Value> {
    let all: Vec<Value> = wanted
        .iter()
        .filter_map(|w| {
            let other = field(content, &w.key, around);
            let value = other.or_else(|| content.mapi(&w.key, w.ty, around).into_iter().next())?;
            Some(json!({ "id": name(&w.key, w.ty), "value": value }))
        })
        .collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

/// Sets what a request brings; a value of null removes.
pub(super) fn apply(content: &mut Content, list: &Value) -> Result<(), Refused> {
    let all = list
        .as_array()
        .ok_or_else(|| Refused::invalid("singleValueExtendedProperties must be a list."))?;
    for one in all {
        let id = one.get("id").and_then(Value::as_str).unwrap_or_default();
        let (key, ty) = parse(id)?;
        match one.get("value") {
            None | Some(Value::Null) => content.delete(&Path::Extended {
                key,
                ty,
                attrs: Vec::new(),
            })?,
            Some(Value::String(text)) => {
                if !fits(ty, text) {
                    return Err(Refused::new(
                        400,
                        "ErrorInvalidExtendedPropertyValue",
                        format!("The value of '{id}' is none of the type {ty}."),
                    ));
                }
                if !set_field(content, &key, text)? {
                    content.set_mapi(key, ty, vec![text.clone()]);
                }
            }
            Some(_) => {
                return Err(Refused::invalid(format!(
                    "The value of '{id}' must be a text, whatever its type."
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_written_in_one() {
        for (given, written) in [
            ("String 0x3A24", "String 0x3a24"),
            (
                "string {0A0B0C0D-0000-4000-8000-000000000001} Name Key",
                "String {0a0b0c0d-0000-4000-8000-000000000001} Name Key",
            ),
            (
                "Integer {0A0B0C0D-0000-4000-8000-000000000001} id 0x8002",
                "Integer {0a0b0c0d-0000-4000-8000-000000000001} Id 0x8002",
            ),
        ] {
            let (key, ty) = parse(given).unwrap();
            assert_eq!(name(&key, ty), written);
        }
        for bad in [
            "",
            "String",
            "String 0x8001",
            "Text 0x3A24",
            "String {0} Name X",
            "StringArray 0x3A24",
            "String {0a0b0c0d-0000-4000-8000-000000000001} Key",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
