//! Query options: `$select`, `$top`, `$skip`, `$orderby`, `$filter`, `$expand`, and what paging adds.
//!
//! <https://learn.microsoft.com/graph/query-parameters>. What is not known is refused by name.

use std::cmp::Ordering;

use serde_json::Value;

use super::answer::Refused;
use super::extended;
use crate::exchange::props::{Key, date_time};

/// All options of one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pub(super) select: Vec<String>,
    pub(super) top: Option<usize>,
    pub(super) skip: usize,
    pub(super) order: Vec<(String, bool)>,
    pub(super) filter: Option<Filter>,
    /// As it was written, for links to further pages.
    raw: Vec<(String, String)>,
    pub(super) count: bool,
    /// Extended properties that are asked for: id as written, key, type.
    pub(super) properties: Vec<Wanted>,
    /// Whether `$expand` named it.
    pub(super) expand: Vec<String>,
    /// The one extension that is to be expanded.
    pub(super) extension: Option<String>,
    pub(super) skip_token: Option<String>,
    pub(super) delta_token: Option<String>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

/// An extended property that `$expand` names.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) ty: &'static str,
}

/// Largest `$top`.
const MOST: usize = 1000;

impl Query {
    /// Reads the part of an address behind `?`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            query
                .raw
                .push((name.clone().into_owned(), value.clone().into_owned()));
            let number = || {
                value
                    .trim()
                    .parse::<usize>()
                    .map_err(|_| Refused::bad_query(format!("Invalid value '{value}' for {name}.")))
            };
            match name.to_ascii_lowercase().as_str() {
                "$select" => query.select = value.split(',').map(|s| s.trim().to_owned()).collect(),
                "$top" => {
                    let top = number()?;
                    if top == 0 || top > MOST {
                        return Err(Refused::bad_query(format!(
                            "Invalid page size specified: '{top}'. Must be between 1 and {MOST} inclusive."
                        )));
                    }
                    query.top = Some(top);
                }
                "$skip" => query.skip = number()?,
                "$count" => query.count = value == "true",
                "$orderby" => query.order = orders(&value)?,
                "$filter" => query.filter = Some(Filter::parse(&value)?),
                "$expand" => query.read_expand(&value)?,
                "$skiptoken" => query.skip_token = Some(value.into_owned()),
                "$deltatoken" => query.delta_token = Some(value.into_owned()),
                "startdatetime" => query.start = Some(moment(&name, &value)?),
                "enddatetime" => query.end = Some(moment(&name, &value)?),
                "authtoken" => {}
                _ => {
                    return Err(Refused::bad_query(format!(
                        "The sandbox does not know the query option '{name}'."
                    )));
                }
            }
        }
        Ok(query)
    }

    fn read_expand(&mut self, text: &str) -> Result<(), Refused> {
        for part in top_level(text, ',') {
            let (name, options) = match part.trim().split_once('(') {
                Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
                None => (part.trim(), ""),
            };
            if !name.eq_ignore_ascii_case("singleValueExtendedProperties") {
                let known = [
                    "extensions",
                    "attachments",
                    "microsoft.graph.itemAttachment/item",
                    "linkedResources",
                    "checklistItems",
                    "exceptionOccurrences",
                    "calendar",
                ];
                let Some(known) = known.iter().find(|k| k.eq_ignore_ascii_case(name)) else {
                    return Err(Refused::bad_query(format!("The sandbox cannot expand '{name}'.")));
                };
                // Only this list can be narrowed down, to one name.
                if let ("extensions", Some(("$filter", id))) =
                    (*known, options.split_once('=').map(|(n, v)| (n.trim(), v)))
                {
                    let Filter::Compare(path, Operator::Eq, Literal::Text(name)) = Filter::parse(id)? else {
                        return Err(bad_filter("extensions are filtered by id eq '…'"));
                    };
                    if path != "id" {
                        return Err(bad_filter("extensions are filtered by id eq '…'"));
                    }
                    self.extension = Some(name);
                } else if !options.is_empty() {
                    return Err(Refused::bad_query(format!(
                        "The sandbox knows no options of an expanded '{name}': '{options}'."
                    )));
                }
                self.expand.push((*known).to_owned());
                continue;
            }
            let Some(("$filter", ids)) = options.split_once('=').map(|(n, v)| (n.trim(), v)) else {
                return Err(Refused::bad_query(
                    "Expanding singleValueExtendedProperties needs a $filter on their id, and nothing else.",
                ));
            };
            Filter::parse(ids)?.ids(&mut self.properties)?;
        }
        Ok(())
    }

    /// Whether only what such a request may have was given; the first other option is named.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), Refused> {
        for (name, _) in &self.raw {
            if !allowed.iter().any(|a| a.eq_ignore_ascii_case(name)) {
                return Err(Refused::bad_query(format!(
                    "The query option '{name}' cannot be used with this request."
                )));
            }
        }
        Ok(())
    }

    /// The options again, but that one, for a link to a further page.
    pub(super) fn link(&self, replaced: &str, value: &str) -> String {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        for (name, old) in &self.raw {
            if !name.eq_ignore_ascii_case(replaced) {
                out.append_pair(name, old);
            }
        }
        out.append_pair(replaced, value);
        // Readable, as Graph writes it.
        out.finish().replace("%24", "$")
    }
}

fn moment(name: &str, value: &str) -> Result<i64, Refused> {
    let full = if value.len() == 10 {
        format!("{value}T00:00:00")
    } else {
        value.to_owned()
    };
    date_time(&full).ok_or_else(|| {
        Refused::new(
            400,
            "ErrorInvalidParameter",
            format!("The value '{value}' of {name} is no time."),
        )
    })
}

fn orders(text: &str) -> Result<Vec<(String, bool)>, Refused> {
    text.split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            match (words.next().map(str::to_lowercase).as_deref(), words.next()) {
                (None | Some("asc"), None) => Ok((name, false)),
                (Some("desc"), None) => Ok((name, true)),
                _ => Err(Refused::bad_query(format!("'{part}' is no order."))),
            }
        })
        .collect()
}

/// Splits where neither parentheses nor quotes are open.
fn top_level(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut begin) = (0_i32, false, 0);
    let mut out = Vec::new();
    for (n, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            c if c == at && !quoted && depth == 0 => {
                out.push(&text[begin..n]);
                begin = n + c.len_utf8();
            }
            _ => {}
        }
    }
    out.push(&text[begin..]);
    out
}

/// A `$filter`.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// Path, operator, value.
    Compare(String, Operator, Literal),
    /// `startswith` or `contains`; path and text.
    Call(bool, String, String),
    /// `list/any(x: …)`: the list and the condition on each.
    Any(String, Box<Self>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    /// Microseconds since 1970.
    Time(i64),
    Number(f64),
    Bool(bool),
    Null,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Colon,
    Word(String),
    Text(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Refused> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' => {}
            '(' => out.push(Token::Open),
            ')' => out.push(Token::Close),
            ',' => out.push(Token::Comma),
            ':' => out.push(Token::Colon),
            '\'' => {
                let mut inner = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            inner.push('\'');
                        }
                        Some('\'') => break,
                        Some(c) => inner.push(c),
                        None => return Err(bad_filter("a text does not end")),
                    }
                }
                out.push(Token::Text(inner));
            }
            c => {
                let mut word = c.to_string();
                // A time has colons of its own.
                let time = c.is_ascii_digit();
                while let Some(next) = chars.peek()
                    && !matches!(next, ' ' | '(' | ')' | ',' | '\'')
                    && (*next != ':' || time)
                {
                    word.push(*next);
                    chars.next();
                }
                out.push(Token::Word(word));
            }
        }
    }
    Ok(out)
}

fn bad_filter(text: &str) -> Refused {
    Refused::new(
        400,
        "ErrorInvalidUrlQueryFilter",
        format!("The query filter contains one or more invalid nodes: {text}."),
    )
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(wanted))
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), Refused> {
        match self.take() {
            Some(t) if t == *wanted => Ok(()),
            other => Err(bad_filter(&format!("{wanted:?} was expected, not {other:?}"))),
        }
    }

    fn or(&mut self) -> Result<Filter, Refused> {
        let mut left = self.and()?;
        while self.word("or") {
            self.at += 1;
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, Refused> {
        let mut left = self.one()?;
        while self.word("and") {
            self.at += 1;
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, Refused> {
        match self.take() {
            Some(Token::Open) => {
                let inner = self.or()?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                Ok(Filter::Not(Box::new(self.one()?)))
            }
            Some(Token::Word(word)) => self.after(&word),
            other => Err(bad_filter(&format!("{other:?}"))),
        }
    }

    fn after(&mut self, word: &str) -> Result<Filter, Refused> {
        if matches!(word, "startswith" | "contains") {
            self.expect(&Token::Open)?;
            let (path, text) = (self.take(), {
                self.expect(&Token::Comma)?;
                self.take()
            });
            self.expect(&Token::Close)?;
            return match (path, text) {
                (Some(Token::Word(path)), Some(Token::Text(text))) => {
                    Ok(Filter::Call(word == "startswith", path, text))
                }
                _ => Err(bad_filter(word)),
            };
        }
        if self.peek() == Some(&Token::Open) {
            let lower = word.to_ascii_lowercase();
            let Some(list) = lower.strip_suffix("/any").map(|l| word[..l.len()].to_owned()) else {
                return Err(bad_filter(&format!(
                    "the sandbox does not know the function '{word}'"
                )));
            };
            self.at += 1;
            let Some(Token::Word(name)) = self.take() else {
                return Err(bad_filter("any without a name"));
            };
            self.expect(&Token::Colon)?;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(Filter::Any(list, Box::new(inner.without(&name))));
        }
        let operator = match self.take() {
            Some(Token::Word(o)) => match o.to_ascii_lowercase().as_str() {
                "eq" => Operator::Eq,
                "ne" => Operator::Ne,
                "gt" => Operator::Gt,
                "ge" => Operator::Ge,
                "lt" => Operator::Lt,
                "le" => Operator::Le,
                _ => return Err(bad_filter(&format!("'{o}' is no operator"))),
            },
            other => return Err(bad_filter(&format!("{other:?} is no operator"))),
        };
        let literal = match self.take() {
            Some(Token::Text(text)) => Literal::Text(text),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                other => match (date_time(other), other.parse::<f64>()) {
                    (Some(micros), _) => Literal::Time(micros),
                    (None, Ok(number)) => Literal::Number(number),
                    _ => return Err(bad_filter(&format!("'{other}' is no value"))),
                },
            },
            other => return Err(bad_filter(&format!("{other:?} is no value"))),
        };
        Ok(Filter::Compare(word.to_owned(), operator, literal))
    }
}

impl Filter {
    /// Reads the text.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
        };
        let filter = parser.or()?;
        match parser.peek() {
            None => Ok(filter),
            Some(rest) => Err(bad_filter(&format!("{rest:?} is left over"))),
        }
    }

    /// Takes the name of a lambda off all paths.
    fn without(self, name: &str) -> Self {
        let cut = |path: String| match path.strip_prefix(name) {
            Some("") => String::new(),
            Some(rest) => rest.strip_prefix('/').map_or_else(|| path.clone(), str::to_owned),
            None => path,
        };
        match self {
            Self::And(a, b) => Self::And(Box::new(a.without(name)), Box::new(b.without(name))),
            Self::Or(a, b) => Self::Or(Box::new(a.without(name)), Box::new(b.without(name))),
            Self::Not(a) => Self::Not(Box::new(a.without(name))),
            Self::Compare(path, o, v) => Self::Compare(cut(path), o, v),
            Self::Call(s, path, t) => Self::Call(s, cut(path), t),
            Self::Any(path, inner) => Self::Any(path, inner),
        }
    }

    /// The ids that an expanded list of extended properties is filtered by.
    fn ids(&self, into: &mut Vec<Wanted>) -> Result<(), Refused> {
        match self {
            Self::Or(a, b) => {
                a.ids(into)?;
                b.ids(into)
            }
            Self::Compare(path, Operator::Eq, Literal::Text(id)) if path == "id" => {
                let (key, ty) = extended::parse(id)?;
                into.push(Wanted { key, ty });
                Ok(())
            }
            _ => Err(bad_filter(
                "extended properties are filtered by id eq '…', joined by or",
            )),
        }
    }

    /// All paths in their order; those of lists as `list/any`.
    pub(super) fn paths(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                let mut all = a.paths();
                all.extend(b.paths());
                all
            }
            Self::Not(a) => a.paths(),
            Self::Compare(path, ..) | Self::Call(_, path, _) | Self::Any(path, _) => vec![path],
        }
    }

    /// Refuses what cannot be filtered by.
    pub(super) fn check(&self, allowed: &[&str]) -> Result<(), Refused> {
        for path in self.paths() {
            if !allowed.iter().any(|a| a.eq_ignore_ascii_case(path)) {
                return Err(bad_filter(&format!("'{path}' cannot be filtered by here")));
            }
        }
        Ok(())
    }

    /// Key, type and value, where an extended property is compared.
    pub(super) fn properties(&self, into: &mut Vec<Wanted>) -> Result<(), Refused> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                a.properties(into)?;
                b.properties(into)
            }
            Self::Not(a) => a.properties(into),
            Self::Any(list, inner) if list.eq_ignore_ascii_case("singleValueExtendedProperties") => {
                let Self::And(a, _) = &**inner else {
                    return Err(bad_filter(
                        "an extended property is found by its id and its value",
                    ));
                };
                a.ids(into)
            }
            _ => Ok(()),
        }
    }

    /// Whether an object passes. Its extended properties must be in it already.
    pub(super) fn passes(&self, object: &Value) -> bool {
        match self {
            Self::And(a, b) => a.passes(object) && b.passes(object),
            Self::Or(a, b) => a.passes(object) || b.passes(object),
            Self::Not(a) => !a.passes(object),
            Self::Compare(path, operator, literal) => {
                let found = at(object, path);
                // The ids of properties are the same in any case.
                if path == "id"
                    && let (Some(Value::String(id)), Literal::Text(wanted)) = (found, literal)
                    && let (Ok(a), Ok(b)) = (extended::parse(id), extended::parse(wanted))
                {
                    return a == b;
                }
                compare(found, *operator, literal)
            }
            Self::Call(start, path, text) => {
                let value = at(object, path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_lowercase();
                let text = text.to_lowercase();
                if *start {
                    value.starts_with(&text)
                } else {
                    value.contains(&text)
                }
            }
            Self::Any(path, inner) => at(object, path)
                .and_then(Value::as_array)
                .is_some_and(|all| all.iter().any(|one| inner.passes(one))),
        }
    }
}

/// The value at a path such as `from/emailAddress/address`; names in any case.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(object);
    }
    path.split('/').try_fold(object, |value, name| {
        let map = value.as_object()?;
        map.get(name).or_else(|| {
            map.iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v)
        })
    })
}

fn compare(found: Option<&Value>, operator: Operator, literal: &Literal) -> bool {
    let found = found.filter(|v| !v.is_null());
    let ordering = match (found, literal) {
        (None, Literal::Null) => Some(Ordering::Equal),
        (Some(Value::String(text)), Literal::Text(wanted)) => {
            Some(text.to_lowercase().cmp(&wanted.to_lowercase()))
        }
        (Some(Value::String(text)), Literal::Time(wanted)) => date_time(text).map(|t| t.cmp(wanted)),
        (Some(Value::Number(n)), Literal::Number(wanted)) => n.as_f64().and_then(|n| n.partial_cmp(wanted)),
        (Some(Value::Bool(b)), Literal::Bool(wanted)) => Some(b.cmp(wanted)),
        _ => None,
    };
    match operator {
        Operator::Eq => ordering == Some(Ordering::Equal),
        Operator::Ne => ordering != Some(Ordering::Equal),
        Operator::Gt => ordering == Some(Ordering::Greater),
        Operator::Ge => ordering.is_some_and(Ordering::is_ge),
        Operator::Lt => ordering == Some(Ordering::Less),
        Operator::Le => ordering.is_some_and(Ordering::is_le),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_say_what_they_mean() {
        let mail = json!({
            "subject": "O'Hara's order", "receivedDateTime": "2026-11-20T10:00:00Z", "isRead": false,
            "categories": ["Salesforce Emails", "b"], "from": {"emailAddress": {"address": "A@x.example"}},
            "singleValueExtendedProperties": [
                {"id": "String {0a0b0c0d-0000-4000-8000-000000000001} Name Key", "value": "k1"}],
        });
        for (text, passes) in [
            ("subject eq 'O''Hara''s order'", true),
            (
                "receivedDateTime ge 2026-11-20T10:00:00Z and receivedDateTime lt 2026-11-21T00:00:00Z",
                true,
            ),
            ("receivedDateTime gt 2026-11-20T10:00:00Z", false),
            ("receivedDateTime gt 2026-11-20T11:00:00+02:00", true),
            ("not (isRead eq true)", true),
            ("categories/any(c:c eq 'Salesforce Emails')", true),
            ("categories/any(c: c eq 'Salesforce')", false),
            ("from/emailAddress/address eq 'a@X.example'", true),
            ("startswith(subject,'o''h') or isRead eq true", true),
            ("isRead eq true or isRead eq false and subject eq 'x'", false),
            (
                "singleValueExtendedProperties/Any(ep: ep/id eq 'String {0A0B0C0D-0000-4000-8000-000000000001} Name Key' and ep/value eq 'k1')",
                true,
            ),
            (
                "singleValueExtendedProperties/any(ep:ep/id eq 'String {0A0B0C0D-0000-4000-8000-000000000001} Name key' and ep/value eq 'k1')",
                false,
            ),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.passes(&mail), passes, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (query, named) in [
            ("$search=x", "$search"),
            ("$filter=length(subject) gt 3", "length"),
            ("$filter=subject like 'x'", "like"),
            ("$expand=photo", "photo"),
            ("$expand=singleValueExtendedProperties", "$filter"),
            (
                "$expand=singleValueExtendedProperties($filter=id eq 'Text {0} Name X')",
                "Text",
            ),
            ("$top=1001", "1001"),
            ("$orderby=subject sideways", "sideways"),
            ("startDateTime=tomorrow", "tomorrow"),
        ] {
            let refused = Query::parse(query).unwrap_err();
            assert!(refused.message.contains(named), "{query}: {}", refused.message);
        }
    }
}
