//! The form in which values are compared, and what a side would hold of a value.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::model::{Access, Field, FieldRule, FieldValue, Relations, When, instant, parse_instant};
use crate::mutant::{self, Mutant};

/// Kept beside every base. It grows whenever [`normalise`] changes its mind about any value.
pub const VERSION: u16 = 1;

/// How the text of a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One line: any run of white space is one blank.
    Line,
    /// Several lines; what stands at the end of a line is not seen.
    Lines,
    /// Compared without case.
    Email,
    /// Blanks inside are somebody's way of grouping digits.
    Phone,
    Date,
    /// A word of ours.
    Word,
    When,
    Instant,
    Relations,
    /// As it is.
    Exact,
}

const fn form(field: Field) -> Form {
    match field {
        Field::Email => Form::Email,
        Field::BusinessPhone
        | Field::MobilePhone
        | Field::HomePhone
        | Field::OtherPhone
        | Field::BusinessFax
        | Field::AssistantPhone => Form::Phone,
        Field::Body | Field::BusinessStreet | Field::OtherStreet => Form::Lines,
        Field::Birthday | Field::Due => Form::Date,
        Field::ShowAs
        | Field::Private
        | Field::Answer
        | Field::Status
        | Field::Priority
        | Field::Incoming => Form::Word,
        Field::When => Form::When,
        Field::RemindAt | Field::SentAt => Form::Instant,
        Field::Relations => Form::Relations,
        Field::Html | Field::MessageId | Field::Thread => Form::Exact,
        _ => Form::Line,
    }
}

/// The canonical form of a value. Idempotent; text without content is [`FieldValue::Empty`].
#[must_use]
pub fn normalise(field: Field, value: &FieldValue) -> FieldValue {
    match value {
        FieldValue::Known(text) => FieldValue::from_text(text_form(field, text)),
        FieldValue::Empty => FieldValue::Empty,
        FieldValue::Unknown => FieldValue::Unknown,
    }
}

/// What a side fills in where nobody has said anything.
pub(crate) fn is_default(field: Field, value: &FieldValue) -> bool {
    matches!(
        (field, value.known()),
        (Field::ShowAs, Some("busy"))
            | (Field::Private, Some("no"))
            | (Field::Status, Some("not_started"))
            | (Field::Priority, Some("normal"))
    )
}

/// What is written to a side for a value: the value itself where it fits, else its canonical form, cut.
#[must_use]
pub fn fit(field: Field, value: &FieldValue, rule: FieldRule) -> FieldValue {
    if rule.access == Access::None {
        return FieldValue::Unknown;
    }
    let FieldValue::Known(text) = value else {
        return value.clone();
    };
    let canonical = text_form(field, text);
    if canonical.is_empty() {
        return FieldValue::Empty;
    }
    if field == Field::When && canonical.len() == 21 && mutant::on(Mutant::ShiftAllDay) {
        return FieldValue::Known(a_day_early(&canonical));
    }
    if let Some(first) = rule.words.first()
        && !rule.words.contains(&canonical.as_str())
    {
        return FieldValue::Known((*first).to_owned());
    }
    let Some(max) = rule
        .max_chars
        .map(|max| usize::try_from(max).unwrap_or(usize::MAX))
    else {
        return value.clone();
    };
    // A part of a time or of a list of ids would mean something else.
    let is_whole = matches!(
        form(field),
        Form::Date | Form::When | Form::Instant | Form::Relations
    );
    if is_whole || longest_fits(text, max) {
        return value.clone();
    }
    let cut: String = canonical.chars().take(max).collect();
    // A piece of something that has a form may have another form.
    FieldValue::from_text(text_form(field, cut.trim_end()))
}

/// What becomes of whole days that are taken for midnight somewhere.
fn a_day_early(days: &str) -> String {
    match days.parse::<When>() {
        Ok(When::AllDay { first, until }) => When::AllDay {
            first: first.yesterday().unwrap_or(first),
            until: until.yesterday().unwrap_or(until),
        }
        .to_string(),
        _ => days.to_owned(),
    }
}

/// The canonical form of what a side would hold if `value` was written to it. [`Access::None`] holds
/// [`FieldValue::Unknown`].
#[must_use]
pub fn image(field: Field, value: &FieldValue, rule: FieldRule) -> FieldValue {
    normalise(field, &fit(field, value, rule))
}

/// The canonical form of an e-mail address, for matching. `None`: there is none.
#[must_use]
pub fn email(value: &FieldValue) -> Option<String> {
    match normalise(Field::Email, value) {
        FieldValue::Known(text) => Some(text),
        _ => None,
    }
}

/// A text for comparing without case, as names are when contacts are matched.
#[must_use]
pub fn folded(field: Field, value: &FieldValue) -> String {
    value
        .known()
        .map(|text| nfc(&text_form(field, text).to_lowercase()).into_owned())
        .unwrap_or_default()
}

/// The digits of a telephone number, for matching; `None` where there are too few to tell anything.
#[must_use]
pub fn digits(value: &FieldValue) -> Option<String> {
    let digits: String = value.known()?.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 6).then_some(digits)
}

// Counting characters of a short text is a waste: a character is at least one byte.
fn longest_fits(text: &str, max: usize) -> bool {
    text.len() <= max || text.chars().count() <= max
}

fn text_form(field: Field, text: &str) -> String {
    let text = nfc(text);
    match form(field) {
        Form::Line => one_line(&text),
        Form::Lines => lines(&text),
        Form::Email => nfc(&text.trim().to_lowercase()).into_owned(),
        Form::Phone => text.trim().to_owned(),
        Form::Date => date(text.trim()),
        Form::Word => text.trim().to_lowercase(),
        Form::When => canonical::<When>(text.trim()),
        Form::Instant => parse_instant(text.trim()).map_or_else(|| text.trim().to_owned(), instant),
        Form::Relations => canonical::<Relations>(text.trim()),
        Form::Exact => text.into_owned(),
    }
}

fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        if !out.is_empty() {
            out.push('\n');
        }
        let line = line.trim_end();
        if out.is_empty() {
            out.push_str(line.trim_start());
        } else {
            out.push_str(line);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// What cannot be read stays as it is: the side that gets it refuses it, and that is told.
fn canonical<T: std::str::FromStr + ToString>(text: &str) -> String {
    text.parse::<T>()
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}

/// A date that is none stays as it is: the side that gets it refuses it, and that is told.
fn date(text: &str) -> String {
    let day = text.get(..10).unwrap_or(text);
    match day.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == day.len() || text[day.len()..].starts_with('T') => date.to_string(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(text: &str) -> FieldValue {
        FieldValue::Known(text.to_owned())
    }

    #[test]
    fn each_form() {
        let rows: &[(Field, &str, &str)] = &[
            (Field::Surname, "  Grün\u{a0} \t von  Berg\r\n", "Grün von Berg"),
            (Field::Surname, "Gru\u{308}n", "Gr\u{fc}n"),
            (Field::Email, " Ann.Lee@Example.COM ", "ann.lee@example.com"),
            (Field::BusinessPhone, " +49 (0)30  12 34 ", "+49 (0)30  12 34"),
            (
                Field::Body,
                "\r\n one  \r\n\r\n  two\rthree \n\n",
                "one\n\n  two\nthree",
            ),
            (
                Field::BusinessStreet,
                "1 Main St \r\nFloor 2",
                "1 Main St\nFloor 2",
            ),
            (Field::Birthday, "1970-02-28T00:00:00Z", "1970-02-28"),
            (Field::Birthday, "1970-02-31", "1970-02-31"),
            (Field::Birthday, "tomorrow", "tomorrow"),
        ];
        for (field, raw, canonical) in rows {
            assert_eq!(normalise(*field, &known(raw)), known(canonical), "{field:?}");
        }
        assert_eq!(normalise(Field::Body, &known(" \r\n\t ")), FieldValue::Empty);
        assert_eq!(normalise(Field::Body, &FieldValue::Unknown), FieldValue::Unknown);
    }

    #[test]
    fn cut_by_characters_not_bytes() {
        let rule = FieldRule {
            max_chars: Some(3),
            ..FieldRule::default()
        };
        assert_eq!(fit(Field::JobTitle, &known("äöüß"), rule), known("äöü"));
        assert_eq!(fit(Field::JobTitle, &known("äöü"), rule), known("äöü"));
        assert_eq!(fit(Field::JobTitle, &known("ab cd"), rule), known("ab"));
        assert_eq!(fit(Field::JobTitle, &known("  "), rule), FieldValue::Empty);
        let none = FieldRule {
            access: Access::None,
            ..rule
        };
        assert_eq!(image(Field::JobTitle, &known("x"), none), FieldValue::Unknown);
        // What fits is written as the user wrote it, not in its canonical form.
        assert_eq!(
            fit(
                Field::Email,
                &known("A@B.c"),
                FieldRule {
                    max_chars: Some(80),
                    ..rule
                }
            ),
            known("A@B.c")
        );
    }

    proptest! {
        #[test]
        fn idempotent(text in "\\PC{0,12}|[ \\r\\n\\tÄa\u{308}ΣİẞA@.]{0,12}", max in 1_u32..8) {
            for field in Field::ALL {
                let once = normalise(*field, &known(&text));
                prop_assert_eq!(&normalise(*field, &once), &once);
                let rule = FieldRule { max_chars: Some(max), ..FieldRule::default() };
                let written = fit(*field, &known(&text), rule);
                prop_assert_eq!(&fit(*field, &written, rule), &written, "what fits, fits");
                prop_assert_eq!(image(*field, &written, rule), image(*field, &known(&text), rule));
            }
        }
    }
}
