//! Answers SOQL from the rows, for the eyes of one user.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::access::Access;
use super::error::ApiError;
use super::ids::Id;
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
}

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
        let filter = soql
            .filter
            .as_ref()
            .map(|f| self.compile(text, object, f))
            .transpose()?;
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

        let mut hits: Vec<(&Row, &Fields)> = self
            .rows
            .all(object.name)
            .filter_map(|row| row.listed(self.n).map(|fields| (row, fields)))
            .filter(|(_, fields)| with_deleted || !is_true(fields, "IsDeleted"))
            .filter(|(row, fields)| self.access.reads_row(object, &row.id, fields))
            .filter(|(row, fields)| filter.as_ref().is_none_or(|f| self.fits(f, &row.id, fields)))
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
                    Kind::Reference([target, ..], _) => Some((f, self.access.object(target)?)),
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
                let texts = texts_of(resolved.field, &values);
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
            Filter::Test {
                path,
                op,
                values,
                texts,
            } => {
                let value = self.value(path, id, fields);
                if let (Some(texts), Op::In | Op::NotIn) = (texts, op) {
                    let text = value.as_text().map(|t| comparable(path.field, t));
                    return text.is_some_and(|t| texts.contains(&t)) == (*op == Op::In);
                }
                let is = |operand: &Operand| match operand {
                    Operand::Value(Val::Null) => value == Val::Null,
                    Operand::Value(other) => {
                        value.order(other, path.field.is_exact()) == Some(Ordering::Equal)
                    }
                    Operand::Like(pattern) => value.as_text().is_some_and(|t| is_like(t, pattern)),
                };
                let order = |wanted: fn(Ordering) -> bool| {
                    values.iter().any(|operand| match operand {
                        Operand::Value(other) => {
                            value.order(other, path.field.is_exact()).is_some_and(wanted)
                        }
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
            let next = Id::parse(at.1.get(field.name)?.as_text()?)?;
            let row = self.rows.get(target.name, &next)?;
            at = (&row.id, &row.fields);
        }
        Some(at)
    }

    fn value(&self, path: &Resolved<'a>, id: &Id, fields: &Fields) -> Val {
        self.follow(&path.hops, id, fields)
            .map_or(Val::Null, |(id, fields)| stored(path.field, id, fields))
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
            out.insert(field.name.to_owned(), field_json(field, id, fields));
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
        json!({ "type": object.name, "url": format!("{}/sobjects/{}/{id}", self.base, object.name) })
    }

    /// A row as `GET` gives it: all fields that the user sees, or those named.
    pub(crate) fn whole(&self, object: &Object, row: &Row, only: Option<&[&Field]>) -> Value {
        let mut out = Map::new();
        out.insert("attributes".into(), self.attributes(object, &row.id));
        for field in &object.fields {
            let wanted = only.is_none_or(|names| names.iter().any(|f| f.name == field.name));
            if wanted && self.access.sees(object, field) {
                out.insert(field.name.to_owned(), field_json(field, &row.id, &row.fields));
            }
        }
        Value::Object(out)
    }
}

/// A text such that two of them are equal if Salesforce says so.
fn comparable(field: &Field, text: &str) -> String {
    if field.is_exact() {
        text.to_owned()
    } else {
        text.to_lowercase()
    }
}

fn texts_of(field: &Field, values: &[Operand]) -> Option<HashSet<String>> {
    values
        .iter()
        .map(|v| match v {
            Operand::Value(Val::Text(text)) => Some(comparable(field, text)),
            _ => None,
        })
        .collect()
}

fn is_true(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(Val::is_true)
}

fn stored(field: &Field, id: &Id, fields: &Fields) -> Val {
    if field.kind == Kind::Id {
        return Val::Text(id.to_string());
    }
    fields.get(field.name).cloned().unwrap_or(Val::Null)
}

/// A field on the wire; addresses are put together from their parts.
pub(crate) fn field_json(field: &Field, id: &Id, fields: &Fields) -> Value {
    let Kind::Address(prefix) = field.kind else {
        return stored(field, id, fields).to_json();
    };
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
        (Kind::Bool | Kind::Date | Kind::Time | Kind::Double, _) => {
            wrong(" and should not be enclosed in quotes")
        }
        (_, Literal::Text(chars)) => Ok(Operand::Value(Val::text(Literal::plain(chars)))),
        _ => wrong(" and should be enclosed in quotes"),
    }
}
