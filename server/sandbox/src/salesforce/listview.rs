//! List views: what a user has chosen to see of an object.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_listviews.htm>

use serde_json::{Value, json};

use super::error::ApiError;
use super::ids::Id;
use super::query::View;
use super::rest::{Ask, Reply};
use super::rows::Row;
use super::schema::Object;
use super::soql;

/// The condition of a view, as SOQL has it, and its scope; no fields of any object.
pub(crate) const WHERE: &str = "~Where";
pub(crate) const SCOPE: &str = "~Scope";
/// Rows of one page of results, and at most.
const PAGE: usize = 25;
const LONGEST_PAGE: usize = 2000;

/// Answers what is below `/sobjects/{X}/listviews`.
pub(crate) fn answer(
    view: &View<'_>,
    ask: &Ask<'_>,
    object: &Object,
    rest: &[&str],
) -> Result<Reply, ApiError> {
    let of_object = |row: &&Row| row.get("SobjectType").as_text() == Some(object.name);
    if rest.is_empty() {
        let views: Vec<Value> = view
            .rows
            .all("ListView")
            .filter(of_object)
            .map(|row| brief(view, object, row))
            .collect();
        return Ok(Reply::ok(json!({
            "done": true,
            "listviews": views,
            "nextRecordsUrl": null,
            "size": views.len(),
            "sobjectType": object.name,
        })));
    }
    let row = Id::parse(rest[0])
        .and_then(|id| view.rows.get("ListView", &id))
        .filter(of_object)
        .ok_or_else(ApiError::not_found)?;
    match rest {
        [_] => Ok(Reply::ok(brief(view, object, row))),
        [_, "describe"] => Ok(Reply::ok(whole(object, row))),
        [_, "results"] => results(view, ask, object, row),
        _ => Err(ApiError::not_found()),
    }
}

fn brief(view: &View<'_>, object: &Object, row: &Row) -> Value {
    let url = format!("{}/sobjects/{}/listviews/{}", view.base, object.name, row.id);
    json!({
        "describeUrl": format!("{url}/describe"),
        "developerName": row.get("DeveloperName").to_json(),
        "id": row.id.as_str(),
        "label": row.get("Name").to_json(),
        "resultsUrl": format!("{url}/results"),
        "soqlCompatible": true,
        "url": url,
    })
}

fn columns(object: &Object) -> Vec<&'static str> {
    let name = object.name_field().map_or("Id", |f| f.name);
    let mut columns = vec![name];
    columns.extend(
        ["Title", "Phone", "Email", "Subject"]
            .into_iter()
            .filter(|c| *c != name && object.field(c).is_some()),
    );
    columns.extend(["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"]);
    columns
}

/// The query that the view stands for.
fn query(object: &Object, row: &Row) -> String {
    let name = object.name_field().map_or("Id", |f| f.name);
    let scope = row.get(SCOPE).as_text().unwrap_or("everything");
    let scope = if scope == "mine" { " USING SCOPE mine" } else { "" };
    let filter = row
        .get(WHERE)
        .as_text()
        .map(|w| format!(" WHERE {w}"))
        .unwrap_or_default();
    format!(
        "SELECT {} FROM {}{scope}{filter} ORDER BY {name} ASC NULLS FIRST, Id ASC NULLS FIRST",
        columns(object).join(", "),
        object.name,
    )
}

fn column_list(object: &Object) -> Vec<Value> {
    columns(object)
        .into_iter()
        .filter_map(|name| object.field(name))
        .map(|f| {
            json!({
                "ascendingLabel": "Z-A",
                "descendingLabel": "A-Z",
                "fieldNameOrPath": f.name,
                "hidden": matches!(f.name, "Id" | "CreatedDate" | "LastModifiedDate" | "SystemModstamp"),
                "label": f.label,
                "searchable": f.is_text(),
                "selectListItem": f.name,
                "sortDirection": null,
                "sortIndex": null,
                "sortable": f.is_filterable(),
                "type": f.type_name(),
            })
        })
        .collect()
}

fn whole(object: &Object, row: &Row) -> Value {
    json!({
        "columns": column_list(object),
        "id": row.id.as_str(),
        "orderBy": [],
        "query": query(object, row),
        "relatedEntityId": null,
        "scope": row.get(SCOPE).as_text().unwrap_or("everything"),
        "scopeEntityId": null,
        "sobjectType": object.name,
        "whereCondition": { "conditions": [], "conjunction": "and" },
    })
}

fn results(view: &View<'_>, ask: &Ask<'_>, object: &Object, row: &Row) -> Result<Reply, ApiError> {
    let number = |name: &str, default: usize| match ask.query.get(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| ApiError::call(400, "INVALID_INPUT", format!("{name}: not a number: {text}"))),
    };
    let (limit, offset) = (number("limit", PAGE)?, number("offset", 0)?);
    if limit > LONGEST_PAGE {
        return Err(ApiError::call(
            400,
            "INVALID_INPUT",
            "limit: a page has at most 2000 records",
        ));
    }
    let text = query(object, row);
    let found = view.run(&text, &soql::parse(&text)?, false)?;
    let page = found.records.iter().skip(offset).take(limit);
    let records: Vec<Value> = page
        .map(|record| {
            let cells: Vec<Value> = columns(object)
                .into_iter()
                .map(|c| json!({ "fieldNameOrPath": c, "value": shown(&record[c]) }))
                .collect();
            json!({ "columns": cells })
        })
        .collect();
    Ok(Reply::ok(json!({
        "columns": column_list(object),
        "developerName": row.get("DeveloperName").to_json(),
        "done": offset.saturating_add(limit) >= found.records.len(),
        "id": row.id.as_str(),
        "label": row.get("Name").to_json(),
        "records": records,
        "size": records.len(),
    })))
}

/// Cells are texts, whatever the field is.
fn shown(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value.clone(),
        other => json!(other.to_string()),
    }
}
