//! `POST /me/translateExchangeIds`. <https://learn.microsoft.com/graph/api/user-translateexchangeids>

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Target, ews};
use super::values::text;

const MOST: usize = 1_000;

pub(super) fn translate(call: &mut Call<'_>) -> Outcome {
    if call.request.method != "POST" {
        return Err(Refused::unknown(&call.request.operation));
    }
    let body = call.request.object()?;
    let word = |name: &str| text(name, body.get(name).unwrap_or(&Value::Null));
    let source = word("sourceIdType")?;
    if !matches!(source.as_str(), "ewsId" | "restId") || word("targetIdType")? != "restImmutableEntryId" {
        return Err(Refused::unknown("a translation of ids of these types"));
    }
    let ids = body
        .get("inputIds")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if ids.is_empty() || ids.len() > MOST {
        return Err(Refused::invalid("inputIds takes 1 to 1000 ids."));
    }
    let mut out = Vec::new();
    for id in &ids {
        let id = text("inputIds", id)?;
        let plain = if source == "restId" { ews(&id) } else { id.clone() };
        let mailbox = call.mailbox();
        let target = mailbox.item_of(&plain).map(Target::item).or_else(|| {
            let (number, original) = mailbox.occurrence_of(&plain)?;
            Some(Target {
                number,
                original: Some(original),
            })
        });
        out.push(match target {
            Some(target) => json!({ "sourceId": id, "targetId": call.immutable(target) }),
            None => json!({
                "sourceId": id,
                "errorDetails": { "code": "ErrorInvalidIdMalformed", "message": "Id is malformed." },
            }),
        });
    }
    Ok(Answer::json(200, json!({ "value": out })))
}
