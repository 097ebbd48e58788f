//! Answers SOQL from the rows, for the eyes of one user.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::access::Access;
use super::activity::MASTER;
use super::email::relation_type;
use super::error::ApiError;
use super::ids::Id;
use super::lifecycle::is_invited;
use super::rows::{Fields, Row, Rows};
use super::schema::{Field, Kind, Object};
use super::soql::{Chars, Expr, Literal, Op, Path, Select, Soql, is_like};
use super::value::Val;

/// The rows as one request sees them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) access: Access<'a>,
    pub(crate) rows: &'a Rows,
    /// Where the request log is: changes that a fault holds back are not shown before.
    pub(crate) n: u64,
    /// `/services/data/v67.0`.
    pub(crate) base: &'a str,
}

/// A path of which every name is known: reference fields, then a field.
struct Resolved<'a> {
    hops: Vec<(&'a Field, &'a Object)>,
    field: &'a Field,
}

enum Operand {
    Value(Val),
    Like(Chars),
}

enum Filter<'a> {
    And(Vec<Filter<'a>>),
    Or(Vec<Filter<'a>>),
    Not(Box<Filter<'a>>),
    Test {
        path: Resolved<'a>,
        op: Op,
        values: Vec<Operand>,
        /// The values as they compare, where all of them are texts: lists of `IN` are long.
        texts: Option<HashSet<String>>,
    },
    /// The ids that the inner query found.
    Semi {
        path: Resolved<'a>,
        negated: bool,
        ids: HashSet<String>,
    },
}

impl Filter<'_> {
    /// Milliseconds since 1970: nothing fits that has not changed since.
    fn changed_since(&self) -> Option<i64> {
        match self {
            Self::And(terms) => terms.iter().filter_map(Self::changed_since).max(),
            Self::Test {
                path,
                op: Op::Ge | Op::Gt,
                values,
                ..
            } if path.hops.is_empty() && path.field.name == "SystemModstamp" => match values.as_slice() {
                [Operand::Value(Val::Time(from))] => Some(*from),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What of another's private event everybody sees: that, and when.
const OF_PRIVATE: [&str; 16] = [
    "Id",
    "OwnerId",
    "StartDateTime",
    "EndDateTime",
    "EndDate",
    "ActivityDate",
    "ActivityDateTime",
    "DurationInMinutes",
    "IsAllDayEvent",
    "IsPrivate",
    "ShowAs",
    "IsDeleted",
    "CreatedDate",
    "LastModifiedDate",
    "SystemModstamp",
    "IsChild",
];
/// Semi-joins of one query.
const SEMI_JOINS: usize = 2;

/// What a query found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) total: usize,
    /// Empty for `COUNT()`.
    pub(crate) records: Vec<Value>,
}

impl<'a> View<'a> {
    /// Runs a query; deleted rows only `with_deleted`.
    pub(crate) fn run(&self, text: &str, soql: &Soql, with_deleted: bool) -> Result<Found, ApiError> {
        let Some(object) = self.access.object(&soql.from) else {
            return Err(ApiError::call(
                400,
                "INVALID_TYPE",
                format!(
                    "{}sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to \
                     append the '__c' after the entity name.",
                    place(
                        text,
                        text.to_lowercase()
                            .find(&soql.from.to_lowercase())
                            .unwrap_or_default()
                    ),
                    soql.from
                ),
            ));
        };
        let selected: Option<Vec<Resolved<'a>>> = match &soql.select {
            Select::Count => None,
            Select::Fields(paths) => Some(
                paths
                    .iter()
                    .map(|p| self.resolve(text, object, p))
                    .collect::<Result<_, _>>()?,
            ),
        };
        check_semi_joins(soql)?;
        check_links(object, soql)?;
        let filter = soql
            .filter
            .as_ref()
            .map(|f| self.compile(text, object, f))
            .transpose()?;
        if soql.mine && !object.is_owned() {
            return Err(ApiError::call(
                400,
                "MALFORMED_QUERY",
                format!("scope mine is not supported for {}", object.name),
            ));
        }
        let me = self.access.user.id.as_str();
        let mut order = Vec::new();
        for by in &soql.order {
            let path = self.resolve(text, object, &by.path)?;
            if !path.field.is_filterable() {
                return Err(ApiError::call(
                    400,
                    "MALFORMED_QUERY",
                    format!(
                        "{}field '{}' can not be sorted in a query call",
                        place(text, by.path.at),
                        path.field.name
                    ),
                ));
            }
            order.push((path, by.descending, by.nulls_last));
        }

        let since = filter.as_ref().and_then(Filter::changed_since);
        let changed = since.map(|from| self.rows.changed_since(object.table, from));
        let all = since.is_none().then(|| self.rows.all(object.table));
        let rows = changed.into_iter().flatten().chain(all.into_iter().flatten());
        let mut hits: Vec<(&Row, &Fields)> = rows
            .filter_map(|row| row.listed(self.n).map(|fields| (row, fields)))
            .filter(|(_, fields)| with_deleted || !is_true(fields, "IsDeleted"))
            .filter(|(_, fields)| !soql.mine || fields.get("OwnerId").and_then(Val::as_text) == Some(me))
            .filter(|(_, fields)| object.table == object.name || is_of_people(fields))
            // Everybody's own.
            .filter(|(row, _)| object.name != "UserPermissionAccess" || row.id.as_str() == me)
            .filter(|(row, fields)| filter.as_ref().is_none_or(|f| self.fits(f, &row.id, fields)))
            .filter(|(row, fields)| self.rows.reads(&self.access, object, &row.id, fields))
            .collect();
        if !order.is_empty() {
            let mut keyed: Vec<(Vec<Val>, (&Row, &Fields))> = hits
                .into_iter()
                .map(|hit| {
                    (
                        order
                            .iter()
                            .map(|(p, ..)| self.value(p, &hit.0.id, hit.1))
                            .collect(),
                        hit,
                    )
                })
                .collect();
            keyed.sort_by(|(a, _), (b, _)| {
                order
                    .iter()
                    .zip(a.iter().zip(b))
                    .map(|((path, descending, nulls_last), (a, b))| {
                        compare(a, b, path.field, *descending, *nulls_last)
                    })
                    .find(|o| *o != Ordering::Equal)
                    .unwrap_or(Ordering::Equal)
            });
            hits = keyed.into_iter().map(|(_, hit)| hit).collect();
        }
        let hits: Vec<_> = hits
            .into_iter()
            .skip(soql.offset)
            .take(soql.limit.unwrap_or(usize::MAX))
            .collect();
        let records = match &selected {
            None => Vec::new(),
            Some(paths) => hits
                .iter()
                .map(|(row, fields)| self.record(object, paths, &row.id, fields))
                .collect(),
        };
        Ok(Found {
            total: hits.len(),
            records,
        })
    }

    fn resolve(&self, text: &str, object: &'a Object, path: &Path) -> Result<Resolved<'a>, ApiError> {
        let mut parts = path.parts.as_slice();
        // `Contact.Email` in a query from Contact is the field itself.
        if parts.len() > 1
            && parts[0].eq_ignore_ascii_case(object.name)
            && object.relation(&parts[0]).is_none()
        {
            parts = &parts[1..];
        }
        let mut at = object;
        let mut hops = Vec::new();
        let Some((last, relations)) = parts.split_last() else {
            return Err(ApiError::call(400, "MALFORMED_QUERY", "a field has no name"));
        };
        for relation in relations {
            let step = at
                .relation(relation)
                .filter(|f| self.access.sees(at, f))
                .and_then(|f| match f.kind {
                    Kind::Reference([target], _) => Some((f, self.access.object(target)?)),
                    Kind::Reference(..) => Some((f, &self.access.schema.name)),
                    _ => None,
                });
            let Some((field, target)) = step else {
                return Err(ApiError::call(
                    400,
                    "INVALID_FIELD",
                    format!(
                        "{}Didn't understand relationship '{relation}' in field path. If you are attempting to use a \
                         custom relationship, be sure to append the '__r' after the custom relationship name. Please \
                         reference your WSDL or the describe call for the appropriate names.",
                        place(text, path.at)
                    ),
                ));
            };
            hops.push((field, target));
            at = target;
        }
        match self.access.field(at, last) {
            Some(field) => Ok(Resolved { hops, field }),
            None => Err(ApiError::call(
                400,
                "INVALID_FIELD",
                format!(
                    "{}No such column '{last}' on entity '{}'. If you are attempting to use a custom field, be sure to \
                     append the '__c' after the custom field name. Please reference your WSDL or the describe call \
                     for the appropriate names.",
                    place(text, path.at),
                    at.name
                ),
            )),
        }
    }

    fn compile(&self, text: &str, object: &'a Object, expr: &Expr) -> Result<Filter<'a>, ApiError> {
        let all = |terms: &[Expr]| -> Result<Vec<Filter<'a>>, ApiError> {
            terms.iter().map(|t| self.compile(text, object, t)).collect()
        };
        Ok(match expr {
            Expr::And(terms) => Filter::And(all(terms)?),
            Expr::Or(terms) => Filter::Or(all(terms)?),
            Expr::Not(term) => Filter::Not(Box::new(self.compile(text, object, term)?)),
            Expr::Semi { path, negated, query } => {
                let path_at = path.at;
                let path = self.resolve(text, object, path)?;
                let is_id = |f: &Field| matches!(f.kind, Kind::Id | Kind::Reference(..));
                let inner = self.access.object(&query.from).ok_or_else(|| {
                    ApiError::call(
                        400,
                        "INVALID_TYPE",
                        format!("sObject type '{}' is not supported.", query.from),
                    )
                })?;
                let refuse = |why: &str| {
                    Err(ApiError::call(
                        400,
                        "MALFORMED_QUERY",
                        format!("{}{why}", place(text, path_at)),
                    ))
                };
                if inner.name == object.name {
                    return refuse("The inner and outer selects should not be on the same object type");
                }
                let selected = match &query.select {
                    Select::Fields(fields) if fields.len() == 1 => self.resolve(text, inner, &fields[0])?,
                    _ => return refuse("The inner select of a semi-join must name one field"),
                };
                if !is_id(path.field) || !is_id(selected.field) || !selected.hops.is_empty() {
                    return refuse("The fields of a semi-join must be ids or references");
                }
                let found = self.run(text, query, false)?;
                let name = selected.field.name;
                let ids = found
                    .records
                    .iter()
                    .filter_map(|r| r[name].as_str().map(str::to_owned))
                    .collect();
                Filter::Semi {
                    path,
                    negated: *negated,
                    ids,
                }
            }
            Expr::Test { path, op, values } => {
                let resolved = self.resolve(text, object, path)?;
                if !resolved.field.is_filterable() {
                    return Err(ApiError::call(
                        400,
                        "INVALID_FIELD",
                        format!(
                            "{}field '{}' can not be filtered in a query call",
                            place(text, path.at),
                            resolved.field.name
                        ),
                    ));
                }
                let values = values
                    .iter()
                    .map(|v| {
                        operand(resolved.field, *op, v)
                            .map_err(|e| ApiError::call(400, e.0, format!("{}{}", place(text, path.at), e.1)))
                    })
                    .collect::<Result<Vec<Operand>, ApiError>>()?;
                let exact = self.is_exact(object, &resolved);
                let texts = texts_of(&values, exact);
                Filter::Test {
                    path: resolved,
                    op: *op,
                    values,
                    texts,
                }
            }
        })
    }

    fn fits(&self, filter: &Filter<'_>, id: &Id, fields: &Fields) -> bool {
        match filter {
            Filter::And(terms) => terms.iter().all(|t| self.fits(t, id, fields)),
            Filter::Or(terms) => terms.iter().any(|t| self.fits(t, id, fields)),
            Filter::Not(term) => !self.fits(term, id, fields),
            Filter::Semi { path, negated, ids } => {
                let value = self.value(path, id, fields);
                value.as_text().is_some_and(|t| ids.contains(t)) != *negated
            }
            Filter::Test {
                path,
                op,
                values,
                texts,
            } => {
                let value = self.value(path, id, fields);
                let exact = self.is_exact_at(path, id);
                if let (Some(texts), Op::In | Op::NotIn) = (texts, op) {
                    let text = value.as_text().map(|t| comparable(t, exact));
                    return text.is_some_and(|t| texts.contains(&t)) == (*op == Op::In);
                }
                let is = |operand: &Operand| match operand {
                    Operand::Value(Val::Null) => value == Val::Null,
                    Operand::Value(other) => value.order(other, exact) == Some(Ordering::Equal),
                    Operand::Like(pattern) => value.as_text().is_some_and(|t| is_like(t, pattern)),
                };
                let order = |wanted: fn(Ordering) -> bool| {
                    values.iter().any(|operand| match operand {
                        Operand::Value(other) => value.order(other, exact).is_some_and(wanted),
                        Operand::Like(_) => false,
                    })
                };
                match op {
                    Op::Eq | Op::In | Op::Like => values.iter().any(is),
                    Op::Ne | Op::NotIn => !values.iter().any(is),
                    Op::Lt => order(Ordering::is_lt),
                    Op::Le => order(Ordering::is_le),
                    Op::Gt => order(Ordering::is_gt),
                    Op::Ge => order(Ordering::is_ge),
                }
            }
        }
    }

    /// The row that the relationships lead to.
    fn follow<'x>(
        &'x self,
        hops: &[(&'a Field, &'a Object)],
        id: &'x Id,
        fields: &'x Fields,
    ) -> Option<(&'x Id, &'x Fields)> {
        let mut at = (id, fields);
        for (field, target) in hops {
            let next = Id::parse(self.leaf(field, at.0, at.1).as_text()?)?;
            let table = if target.name == "Name" {
                self.access.schema.by_prefix(next.prefix())?.table
            } else {
                target.table
            };
            let row = self.rows.get(table, &next)?;
            at = (&row.id, &row.fields);
        }
        Some(at)
    }

    fn value(&self, path: &Resolved<'a>, id: &Id, fields: &Fields) -> Val {
        self.follow(&path.hops, id, fields)
            .map_or(Val::Null, |(id, fields)| self.leaf(path.field, id, fields))
    }

    /// Whether a field compares by case, in a query from that object.
    fn is_exact(&self, object: &Object, path: &Resolved<'a>) -> bool {
        let at = path.hops.last().map_or(object, |(_, target)| *target);
        self.access.is_exact(at, path.field)
    }

    fn is_exact_at(&self, path: &Resolved<'a>, id: &Id) -> bool {
        match self.access.schema.by_prefix(id.prefix()) {
            Some(object) => self.is_exact(object, path),
            None => path.field.is_exact(),
        }
    }

    /// A field's value as this user may know it.
    fn leaf(&self, field: &Field, id: &Id, fields: &Fields) -> Val {
        if field.kind == Kind::Id {
            return Val::Text(id.to_string());
        }
        if is_true(fields, "IsPrivate")
            && !OF_PRIVATE.contains(&field.name)
            && !self.knows_private(id, fields)
        {
            return Val::Null;
        }
        if let Kind::Junction(_) = field.kind {
            return Val::List(self.junction(field.name, id, fields));
        }
        if let Some(value) = fields.get(field.name) {
            return value.clone();
        }
        // What `Name` shows of any object.
        let object = self.access.schema.by_prefix(id.prefix());
        match (field.name, object) {
            ("Type", Some(object)) => Val::text(object.name),
            ("Name", Some(object)) => object
                .name_field()
                .and_then(|f| fields.get(f.name))
                .cloned()
                .unwrap_or(Val::Null),
            _ => Val::Null,
        }
    }

    /// Whether a private event is the user's own, or one that the user is invited to.
    fn knows_private(&self, id: &Id, fields: &Fields) -> bool {
        let me = self.access.user.id.as_str();
        let master = fields.get(MASTER).and_then(Val::as_text).and_then(Id::parse);
        self.access.all
            || fields.get("OwnerId").and_then(Val::as_text) == Some(me)
            || is_invited(self.rows, me, master.as_ref().unwrap_or(id))
    }

    /// The ids of a junction list: the first person first.
    fn junction(&self, list: &str, id: &Id, fields: &Fields) -> Vec<String> {
        let (table, parent) = match list {
            "EventWhoIds" => ("EventRelation", "EventId"),
            "TaskWhoIds" => ("TaskRelation", "TaskId"),
            _ => ("EmailMessageRelation", "EmailMessageId"),
        };
        let kind = relation_type(list);
        let mut ids: Vec<String> = self
            .rows
            .all(table)
            .filter(|r| !r.is_deleted() && r.get(parent).as_text() == Some(id.as_str()))
            .filter(|r| match kind {
                Some(kind) => r.get("RelationType").as_text() == Some(kind),
                None => is_of_people(&r.fields),
            })
            .filter_map(|r| r.get("RelationId").as_text().map(str::to_owned))
            .collect();
        let first = fields.get("WhoId").and_then(Val::as_text).unwrap_or_default();
        ids.sort_by_key(|id| id != first);
        ids
    }

    /// A field on the wire; addresses are put together from their parts, and a file's content is elsewhere.
    fn field_json(&self, field: &Field, id: &Id, fields: &Fields) -> Value {
        match field.kind {
            Kind::Address(prefix) => address(prefix, fields),
            Kind::Blob if !self.access.all => {
                json!(format!(
                    "{}/sobjects/ContentVersion/{id}/{}",
                    self.base, field.name
                ))
            }
            _ => self.leaf(field, id, fields).to_json(),
        }
    }

    fn record(&self, object: &Object, paths: &[Resolved<'a>], id: &Id, fields: &Fields) -> Value {
        let mut out = Map::new();
        out.insert("attributes".into(), self.attributes(object, id));
        for path in paths {
            self.insert(&mut out, &path.hops, path.field, id, fields);
        }
        Value::Object(out)
    }

    fn insert(
        &self,
        out: &mut Map<String, Value>,
        hops: &[(&'a Field, &'a Object)],
        field: &Field,
        id: &Id,
        fields: &Fields,
    ) {
        let Some(((reference, target), rest)) = hops.split_first() else {
            out.insert(field.name.to_owned(), self.field_json(field, id, fields));
            return;
        };
        let Kind::Reference(_, relation) = reference.kind else {
            return;
        };
        let Some((parent_id, parent)) = self.follow(&hops[..1], id, fields) else {
            out.insert(relation.to_owned(), Value::Null);
            return;
        };
        let nested = out
            .entry(relation)
            .or_insert_with(|| json!({ "attributes": self.attributes(target, parent_id) }));
        if let Value::Object(nested) = nested {
            self.insert(nested, rest, field, parent_id, parent);
        }
    }

    fn attributes(&self, object: &Object, id: &Id) -> Value {
        let real = if object.name == "Name" {
            self.access.schema.by_prefix(id.prefix()).unwrap_or(object)
        } else {
            object
        };
        json!({ "type": object.name, "url": format!("{}/sobjects/{}/{id}", self.base, real.name) })
    }

    /// A row as `GET` gives it: all fields that the user sees, or those named.
    pub(crate) fn whole(&self, object: &Object, row: &Row, only: Option<&[&Field]>) -> Value {
        let mut out = Map::new();
        out.insert("attributes".into(), self.attributes(object, &row.id));
        for field in &object.fields {
            let wanted = only.is_none_or(|names| names.iter().any(|f| f.name == field.name));
            if wanted && self.access.sees(object, field) {
                out.insert(
                    field.name.to_owned(),
                    self.field_json(field, &row.id, &row.fields),
                );
            }
        }
        Value::Object(out)
    }
}

/// A text such that two of them are equal if Salesforce says so.
fn comparable(text: &str, exact: bool) -> String {
    if exact {
        text.to_owned()
    } else {
        text.to_lowercase()
    }
}

fn texts_of(values: &[Operand], exact: bool) -> Option<HashSet<String>> {
    values
        .iter()
        .map(|v| match v {
            Operand::Value(Val::Text(text)) => Some(comparable(text, exact)),
            _ => None,
        })
        .collect()
}

/// Semi-joins stand at the top of the filter, at most two of them, and none inside another.
fn check_semi_joins(soql: &Soql) -> Result<(), ApiError> {
    fn count(expr: &Expr) -> usize {
        match expr {
            Expr::Semi { .. } => 1,
            Expr::And(terms) | Expr::Or(terms) => terms.iter().map(count).sum(),
            Expr::Not(term) => count(term),
            Expr::Test { .. } => 0,
        }
    }
    let refuse = |text: &str| Err(ApiError::call(400, "MALFORMED_QUERY", text));
    let Some(filter) = &soql.filter else { return Ok(()) };
    let top: Vec<&Expr> = match filter {
        Expr::And(terms) => terms.iter().collect(),
        other => vec![other],
    };
    let at_top: Vec<&Soql> = top
        .iter()
        .filter_map(|e| match e {
            Expr::Semi { query, .. } => Some(query.as_ref()),
            _ => None,
        })
        .collect();
    if count(filter) != at_top.len() {
        return refuse(
            "Semi join sub-selects are only allowed at the top level WHERE expressions, not in nested WHERE expressions.",
        );
    }
    if at_top.len() > SEMI_JOINS {
        return refuse("Semi join sub-selects: maximum 2 are allowed");
    }
    if at_top
        .iter()
        .any(|q| q.filter.as_ref().is_some_and(|f| count(f) > 0))
    {
        return refuse("Nesting of semi join sub-selects is not supported");
    }
    Ok(())
}

/// Links of files are found by one of their ends only.
fn check_links(object: &Object, soql: &Soql) -> Result<(), ApiError> {
    if object.name != "ContentDocumentLink" {
        return Ok(());
    }
    let top: Vec<&Expr> = match &soql.filter {
        Some(Expr::And(terms)) => terms.iter().collect(),
        Some(other) => vec![other],
        None => Vec::new(),
    };
    let by_end = top.iter().any(|e| match e {
        Expr::Test {
            path,
            op: Op::Eq | Op::In,
            ..
        } => path.parts.last().is_some_and(|p| {
            p.eq_ignore_ascii_case("ContentDocumentId") || p.eq_ignore_ascii_case("LinkedEntityId")
        }),
        Expr::Semi { negated, .. } => !negated,
        _ => false,
    });
    if by_end {
        return Ok(());
    }
    Err(ApiError::call(
        400,
        "MALFORMED_QUERY",
        "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or \
         LinkedEntityId using the equals operator or multiple Id's using the IN operator.",
    ))
}

/// Whether a relation is about a person, as its activity's first or one of several.
fn is_of_people(fields: &Fields) -> bool {
    !is_true(fields, "IsWhat") && fields.get("IsParent").is_none_or(Val::is_true)
}

fn is_true(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(Val::is_true)
}

fn address(prefix: &str, fields: &Fields) -> Value {
    let part = |name: &str| {
        let name = format!("{prefix}{name}");
        fields.get(name.as_str()).map_or(Value::Null, Val::to_json)
    };
    let address = json!({
        "street": part("Street"),
        "city": part("City"),
        "state": part("State"),
        "postalCode": part("PostalCode"),
        "country": part("Country"),
        "latitude": part("Latitude"),
        "longitude": part("Longitude"),
        "geocodeAccuracy": part("GeocodeAccuracy"),
    });
    let is_empty = address.as_object().is_none_or(|a| a.values().all(Value::is_null));
    if is_empty { Value::Null } else { address }
}

fn compare(a: &Val, b: &Val, field: &Field, descending: bool, nulls_last: bool) -> Ordering {
    match (a == &Val::Null, b == &Val::Null) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_last {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, true) => {
            if nulls_last {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, false) => {
            let order = a.order(b, field.is_exact()).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
    }
}

/// The lines with which Salesforce shows where in a query an error is.
fn place(text: &str, at: usize) -> String {
    let column = at + 1;
    format!(
        "\n{}\n{}^\nERROR at Row:1:Column:{column}\n",
        text.replace('\n', " "),
        " ".repeat(at)
    )
}

type Refusal = (&'static str, String);

/// Brings a literal to the type of its field, or says why it cannot be compared.
fn operand(field: &Field, op: Op, literal: &Literal) -> Result<Operand, Refusal> {
    let kind = field.type_name();
    let no_operator = || {
        let name = field.name;
        Err((
            "INVALID_FIELD",
            format!("invalid operator on {kind} field '{name}'"),
        ))
    };
    let wrong = |quotes: &str| {
        Err((
            "INVALID_FIELD",
            format!(
                "value of filter criterion for field '{}' must be of type {kind}{quotes}",
                field.name
            ),
        ))
    };
    let ordered = matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge);
    if op == Op::Like {
        return match literal {
            Literal::Text(chars) if field.is_text() => Ok(Operand::Like(chars.clone())),
            Literal::Text(_) => no_operator(),
            _ => wrong(" and should be enclosed in quotes"),
        };
    }
    if *literal == Literal::Null {
        return if ordered {
            no_operator()
        } else {
            Ok(Operand::Value(Val::Null))
        };
    }
    match (field.kind, literal) {
        (Kind::Id | Kind::Reference(..), Literal::Text(chars)) => {
            let text = Literal::plain(chars);
            match Id::parse(&text) {
                Some(id) => Ok(Operand::Value(Val::Text(id.to_string()))),
                None if text.is_empty() => Ok(Operand::Value(Val::Null)),
                None => Err((
                    "INVALID_QUERY_FILTER_OPERATOR",
                    format!("invalid ID field: {text}"),
                )),
            }
        }
        (Kind::Bool, Literal::Bool(_)) if ordered => no_operator(),
        (Kind::Bool, Literal::Bool(b)) => Ok(Operand::Value(Val::Bool(*b))),
        (Kind::Date, Literal::Date(date)) => Ok(Operand::Value(Val::Date(*date))),
        (Kind::Time, Literal::Time(ms)) => Ok(Operand::Value(Val::Time(*ms))),
        (Kind::Double, Literal::Number(n)) => Ok(Operand::Value(Val::Number(*n))),
        (Kind::Int, Literal::Number(n)) => format!("{n}").parse().map_or_else(
            |_| wrong(" without fraction"),
            |n| Ok(Operand::Value(Val::Int(n))),
        ),
        (Kind::Bool | Kind::Date | Kind::Time | Kind::Double | Kind::Int, _) => {
            wrong(" and should not be enclosed in quotes")
        }
        (_, Literal::Text(chars)) => Ok(Operand::Value(Val::text(Literal::plain(chars)))),
        _ => wrong(" and should be enclosed in quotes"),
    }
}
