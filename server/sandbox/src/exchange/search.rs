//! Restrictions, sorting and paging of FindItem and FindFolder.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/restriction>

use std::cmp::Ordering;

use super::Fail;
use super::props::{Path, date_time};
use super::xml::Element;

/// A parsed restriction.
#[derive(Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Path),
    Contains {
        path: Path,
        value: String,
        mode: String,
        ignore_case: bool,
    },
    Compare {
        path: Path,
        operator: String,
        with: Operand,
    },
}

#[derive(Debug)]
pub(super) enum Operand {
    Constant(String),
    Path(Path),
}

impl Filter {
    /// Reads one search expression.
    pub(super) fn parse(element: &Element) -> Result<Self, Fail> {
        let many = || {
            element
                .children
                .iter()
                .map(Self::parse)
                .collect::<Result<Vec<_>, _>>()
        };
        let first = element.children.first();
        let path = || {
            first.map_or_else(
                || {
                    Err(Fail::new(
                        "ErrorInvalidRestriction",
                        "The restriction names no property.",
                    ))
                },
                Path::parse,
            )
        };
        Ok(match element.name.as_str() {
            "And" => Self::And(many()?),
            "Or" => Self::Or(many()?),
            "Not" => Self::Not(Box::new(many()?.pop().ok_or_else(|| {
                Fail::new("ErrorInvalidRestriction", "Not without an expression.")
            })?)),
            "Exists" => Self::Exists(path()?),
            "Contains" => Self::Contains {
                path: path()?,
                value: element
                    .child("Constant")
                    .and_then(|c| c.attr("Value"))
                    .unwrap_or_default()
                    .to_owned(),
                mode: element.attr("ContainmentMode").unwrap_or("FullString").to_owned(),
                ignore_case: element
                    .attr("ContainmentComparison")
                    .is_some_and(|c| c.contains("IgnoreCase") || c.starts_with("Loose")),
            },
            operator => {
                let operand = element
                    .child("FieldURIOrConstant")
                    .and_then(|o| o.children.first());
                let with = match operand {
                    Some(c) if c.name == "Constant" => {
                        Operand::Constant(c.attr("Value").unwrap_or_default().to_owned())
                    }
                    Some(other) => Operand::Path(Path::parse(other)?),
                    None => {
                        return Err(Fail::new(
                            "ErrorInvalidRestriction",
                            "The restriction compares with nothing.",
                        ));
                    }
                };
                Self::Compare {
                    path: path()?,
                    operator: operator.to_owned(),
                    with,
                }
            }
        })
    }

    /// All properties that it looks at.
    pub(super) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::paths).collect(),
            Self::Not(inner) => inner.paths(),
            Self::Exists(path) | Self::Contains { path, .. } => vec![path],
            Self::Compare { path, with, .. } => match with {
                Operand::Constant(_) => vec![path],
                Operand::Path(other) => vec![path, other],
            },
        }
    }

    /// Whether something with these values passes.
    pub(super) fn passes(&self, values: &dyn Fn(&Path) -> Vec<String>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|f| f.passes(values)),
            Self::Or(any) => any.iter().any(|f| f.passes(values)),
            Self::Not(inner) => !inner.passes(values),
            Self::Exists(path) => !values(path).is_empty(),
            Self::Contains {
                path,
                value,
                mode,
                ignore_case,
            } => values(path)
                .iter()
                .any(|v| contains(v, value, mode, *ignore_case)),
            Self::Compare { path, operator, with } => {
                let with = match with {
                    Operand::Constant(value) => vec![value.clone()],
                    Operand::Path(path) => values(path),
                };
                let mine = values(path);
                let any = |test: fn(Ordering) -> bool| {
                    mine.iter().any(|m| with.iter().any(|w| test(compare(m, w))))
                };
                match operator.as_str() {
                    "IsEqualTo" => any(Ordering::is_eq),
                    "IsNotEqualTo" => !any(Ordering::is_eq),
                    "IsGreaterThan" => any(Ordering::is_gt),
                    "IsGreaterThanOrEqualTo" => any(Ordering::is_ge),
                    "IsLessThan" => any(Ordering::is_lt),
                    _ => any(Ordering::is_le),
                }
            }
        }
    }
}

fn contains(text: &str, part: &str, mode: &str, ignore_case: bool) -> bool {
    let fold = |s: &str| {
        if ignore_case {
            s.to_lowercase()
        } else {
            s.to_owned()
        }
    };
    let (text, part) = (fold(text), fold(part));
    match mode {
        "FullString" => text == part,
        "Prefixed" => text.starts_with(&part),
        "PrefixOnWords" => text.split_whitespace().any(|w| w.starts_with(&part)),
        "ExactPhrase" => {
            let words = |s: &str| s.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let (text, part) = (words(&text), words(&part));
            !part.is_empty() && text.windows(part.len()).any(|w| w == part)
        }
        _ => text.contains(&part),
    }
}

/// Times by time, numbers by number, texts without regard to case, as the store's table does.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    if let (Some(a), Some(b)) = (date_time(a), date_time(b)) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>()) {
        return a.cmp(&b);
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// The field orders of `m:SortOrder`: path, and whether descending.
pub(super) fn sort_order(elements: &[Element]) -> Result<Vec<(Path, bool)>, Fail> {
    elements
        .iter()
        .filter_map(|order| {
            order
                .children
                .first()
                .map(|path| (path, order.attr("Order") == Some("Descending")))
        })
        .map(|(path, descending)| Ok((Path::parse(path)?, descending)))
        .collect()
}

/// One page of a list: its range, the offset of the next page, whether it is the last.
pub(super) fn page(view: Option<&Element>, total: usize) -> (std::ops::Range<usize>, usize, bool) {
    let number = |name: &str| {
        view.and_then(|v| v.attr(name))
            .and_then(|n| n.trim().parse::<usize>().ok())
    };
    // The administrator's limit, beyond which Exchange answers with less than was asked for.
    let most = number("MaxEntriesReturned").unwrap_or(1000).min(1000);
    let offset = number("Offset").unwrap_or(0).min(total);
    if view.and_then(|v| v.attr("BasePoint")) == Some("End") {
        let end = total - offset;
        let start = end.saturating_sub(most);
        return (start..end, total - start, start == 0);
    }
    let end = (offset + most).min(total);
    (offset..end, end, end == total)
}
