//! The neutral words of tasks and the organisation's own, by the connection's settings.

use std::collections::BTreeMap;

use tandem_types::Settings;

const STATUS: [(&str, &str); 5] = [
    ("not_started", "Not Started"),
    ("in_progress", "In Progress"),
    ("waiting", "Waiting on someone else"),
    ("deferred", "Deferred"),
    (COMPLETED, "Completed"),
];
const PRIORITY: [(&str, &str); 3] = [("normal", "Normal"), ("low", "Low"), ("high", "High")];
pub(crate) const COMPLETED: &str = "completed";
/// Where an open task has a status that is in no table.
const OPEN: &str = "in_progress";

/// Both tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    status: Vec<(&'static str, String)>,
    priority: Vec<(&'static str, String)>,
}

impl Tables {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            status: table(&STATUS, &settings.task_status),
            priority: table(&PRIORITY, &settings.task_priority),
        }
    }

    /// The word for a status. Whether the task is closed decides about completion, whatever the status is called.
    pub(crate) fn status_word(&self, there: &str, closed: Option<bool>) -> &'static str {
        let word = word(&self.status, there);
        match closed {
            Some(true) => COMPLETED,
            Some(false) if word == Some(COMPLETED) => OPEN,
            _ => word.unwrap_or(OPEN),
        }
    }

    pub(crate) fn priority_word(&self, there: &str) -> &'static str {
        word(&self.priority, there).unwrap_or(PRIORITY[0].0)
    }

    /// Salesforce's word for a neutral one, in the organisation's spelling. `Err`: the word that its picklist lacks.
    pub(crate) fn status_there(&self, word: &str, listed: &[String]) -> Result<String, String> {
        there(&self.status, word, listed)
    }

    /// As [`Tables::status_there`].
    pub(crate) fn priority_there(&self, word: &str, listed: &[String]) -> Result<String, String> {
        there(&self.priority, word, listed)
    }
}

fn table(usual: &[(&'static str, &str)], own: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    usual
        .iter()
        .map(|(word, there)| {
            let there = own.get(*word).map_or(*there, |own| own.trim());
            (*word, there.to_owned())
        })
        .collect()
}

fn word(table: &[(&'static str, String)], there: &str) -> Option<&'static str> {
    let same = |(_, one): &&(&'static str, String)| one.to_lowercase() == there.to_lowercase();
    table.iter().find(same).map(|(word, _)| *word)
}

fn there(table: &[(&'static str, String)], word: &str, listed: &[String]) -> Result<String, String> {
    let Some((_, wanted)) = table.iter().find(|(one, _)| *one == word) else {
        return Err(word.to_owned());
    };
    if listed.is_empty() {
        return Ok(wanted.clone());
    }
    let same = |one: &&String| one.to_lowercase() == wanted.to_lowercase();
    listed.iter().find(same).cloned().ok_or_else(|| wanted.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn closing_decides_about_completion() {
        let mut settings = Settings::default();
        settings
            .task_status
            .insert("waiting".to_owned(), "On Hold".to_owned());
        let tables = Tables::of(&settings);
        for (there, closed, word) in [
            ("Not Started", Some(false), "not_started"),
            ("on hold", Some(false), "waiting"),
            ("Waiting on someone else", Some(false), "in_progress"),
            ("Completed", Some(true), "completed"),
            ("Completed", Some(false), "in_progress"),
            ("Won", Some(true), "completed"),
            ("Not Started", Some(true), "completed"),
            ("Deferred", None, "deferred"),
        ] {
            assert_eq!(tables.status_word(there, closed), word, "{there} {closed:?}");
        }
        assert_eq!(tables.priority_word("High"), "high");
        assert_eq!(tables.priority_word("Urgent"), "normal");
    }

    #[test]
    fn a_word_that_the_organisation_lacks_is_told() {
        let tables = Tables::of(&Settings::default());
        let org = listed(&["Not Started", "COMPLETED"]);
        assert_eq!(tables.status_there("completed", &org).as_deref(), Ok("COMPLETED"));
        assert_eq!(
            tables.status_there("waiting", &org).unwrap_err(),
            "Waiting on someone else"
        );
        assert_eq!(
            tables.status_there("waiting", &[]).as_deref(),
            Ok("Waiting on someone else")
        );
        assert_eq!(tables.status_there("asleep", &[]).unwrap_err(), "asleep");
        assert_eq!(
            tables.priority_there("low", &listed(&["Low"])).as_deref(),
            Ok("Low")
        );
        assert!(tables.priority_there("low", &listed(&["High"])).is_err());
    }

    #[test]
    fn every_word_comes_back() {
        let tables = Tables::of(&Settings::default());
        for (word, _) in STATUS {
            let there = tables.status_there(word, &[]).unwrap();
            assert_eq!(tables.status_word(&there, Some(word == COMPLETED)), word);
        }
        for (word, _) in PRIORITY {
            let there = tables.priority_there(word, &[]).unwrap();
            assert_eq!(tables.priority_word(&there), word);
        }
    }
}
