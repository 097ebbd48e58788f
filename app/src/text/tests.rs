use super::*;
use tandem_types::{
    ActivationFailure, ApiError, BackfillView, ConnectionId, ConnectionView, Counts, CrmAccount,
    InvalidField, IssueChoice, IssueCode, ItemKind, OpCounts, OrgId, PreviewView, Progress, ProgressPhase,
    SessionId, SessionOutcome, SessionView, Settings, Side, StateReason, SyncState, Timestamp, UndoLeftView,
    UndoReason,
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn connection(state: SyncState, reason: Option<StateReason>) -> ConnectionView {
    ConnectionView {
        id: "0123456789abcdef0123456789abcdef"
            .parse::<ConnectionId>()
            .unwrap(),
        state,
        reason,
        ask_activation: false,
        skipped: false,
        rejections: 0,
        crm: CrmAccount {
            username: "ada@acme.example".to_owned(),
            org_id: "00D000000000001AAA".parse::<OrgId>().unwrap(),
            org_name: "Acme".to_owned(),
            host: "acme.my.salesforce.com".to_owned(),
        },
        mailbox: None,
        settings: Settings::default(),
        progress: None,
        last_success: None,
        next_due: None,
        links: 0,
        sessions: Vec::new(),
        issues: Vec::new(),
        issues_total: 0,
        preview: None,
        brake: None,
        backfill: None,
        activated: None,
        clearing: false,
        office: None,
    }
}

fn session(outcome: Option<SessionOutcome>) -> SessionView {
    SessionView {
        id: "0123456789abcdef0123456789abcdef".parse::<SessionId>().unwrap(),
        started: NOW.plus_seconds(-60),
        ended: outcome.map(|_| NOW.plus_seconds(-50)),
        outcome,
        counts: Vec::new(),
        issues: 0,
    }
}

fn line(c: &ConnectionView) -> (Tone, String) {
    let status = status(c, c.progress, NOW);
    (status.tone, status.text.at(NOW))
}

#[test]
fn the_status_line_of_each_state() {
    let said = |state, reason| line(&connection(state, reason));
    assert_eq!(
        said(SyncState::NotActivated, None),
        (Tone::Quiet, "Sync is not set up".into())
    );
    assert_eq!(
        said(SyncState::Deactivated, None),
        (Tone::Quiet, "Sync is off".into())
    );
    assert_eq!(said(SyncState::Paused, None), (Tone::Quiet, "Paused".into()));
    assert_eq!(
        said(SyncState::Activating, None),
        (Tone::Busy, "Getting ready for the first sync".into())
    );
    assert_eq!(
        said(SyncState::NeedsActivation, Some(StateReason::MailServerRefused)),
        (Tone::Attention, "Needs your sign-in".into())
    );
    assert_eq!(
        said(
            SyncState::NeedsActivation,
            Some(StateReason::SalesforceSignInEnded)
        ),
        (Tone::Attention, "Needs your Salesforce sign-in".into())
    );
    for (reason, text) in [
        (StateReason::MailServerRefused, "Needs your sign-in"),
        (StateReason::MicrosoftSignInEnded, "Needs your Microsoft sign-in"),
        (
            StateReason::SalesforceSignInEnded,
            "Needs your Salesforce sign-in",
        ),
        (StateReason::StoppedByBrake, "Stopped: please look at the changes"),
        (StateReason::WaitingForPreview, "Ready for the first sync"),
        (StateReason::Quota, "Waiting: Salesforce’s limit is used up"),
        (StateReason::OrgBrake, "Stopped: your administrator has to look"),
    ] {
        assert_eq!(said(SyncState::Active, Some(reason)).1, text);
    }
}

#[test]
fn the_status_line_never_claims_more_than_is_true() {
    let mut c = connection(SyncState::Active, None);
    assert_eq!(line(&c).1, "The first sync is about to start");

    c.last_success = Some(NOW.plus_seconds(-120));
    c.sessions = vec![session(Some(SessionOutcome::Done))];
    assert_eq!(line(&c), (Tone::Good, "All in step, 2 minutes ago".into()));

    c.issues_total = 1;
    assert_eq!(
        line(&c),
        (Tone::Good, "In step except 1 item, 2 minutes ago".into())
    );
    c.issues_total = 3;
    assert_eq!(line(&c).1, "In step except 3 items, 2 minutes ago");
    c.issues_total = 0;

    c.rejections = 1;
    assert_eq!(
        line(&c),
        (Tone::Attention, "Needs your sign-in".into()),
        "from the first refusal on"
    );
    c.rejections = 0;

    c.sessions.insert(0, session(Some(SessionOutcome::Failed)));
    c.next_due = Some(NOW.plus_seconds(240));
    assert_eq!(
        line(&c),
        (
            Tone::Attention,
            "A server did not answer, next try in 4 minutes".into()
        )
    );
    c.sessions.insert(0, session(None));
    assert_eq!(
        line(&c).0,
        Tone::Attention,
        "a session that has just begun has not settled it"
    );
    c.sessions = vec![session(Some(SessionOutcome::Partial))];
    assert_eq!(line(&c).1, "More to do: goes on in a moment");

    c.sessions = vec![session(Some(SessionOutcome::Done))];
    c.last_success = Some(NOW.plus_seconds(-2 * 3_600));
    assert_eq!(
        line(&c),
        (Tone::Attention, "Last in step 2 hours ago".into()),
        "late by more than one interval"
    );
}

#[test]
fn a_running_session_is_told_before_anything_else_but_a_stop() {
    let progress = Progress {
        phase: ProgressPhase::Writing,
        done: 34,
        total: 120,
    };
    let mut c = connection(SyncState::Active, None);
    c.progress = Some(progress);
    assert_eq!(line(&c), (Tone::Busy, "Syncing, 34 of 120".into()));
    c.state = SyncState::Paused;
    assert_eq!(line(&c).1, "Pausing: the running sync ends first");
    c.state = SyncState::Deactivated;
    assert_eq!(line(&c).1, "Sync is off");
}

#[test]
fn a_preview_is_ready_even_where_no_reason_is_given() {
    let mut c = connection(SyncState::Activating, None);
    c.preview = Some(PreviewView {
        counts: Vec::new(),
        possible_duplicates: 0,
        starts_at: None,
    });
    assert_eq!(line(&c).1, "Ready for the first sync");
}

#[test]
fn progress_with_and_without_a_total() {
    let said = |phase, done, total| progress_line(Progress { phase, done, total });
    assert_eq!(said(ProgressPhase::Reading, 0, 0), "Reading changes …");
    assert_eq!(said(ProgressPhase::Reading, 1_200, 0), "Reading changes, 1,200");
    assert_eq!(said(ProgressPhase::Comparing, 0, 9), "Comparing, 0 of 9");
    assert_eq!(
        said(ProgressPhase::Writing, 10, 9),
        "Syncing, 9 of 9",
        "never more than all"
    );
}

#[test]
fn ages() {
    let said = |seconds: i64| ago(NOW.plus_seconds(-seconds), NOW);
    assert_eq!(said(-30), "just now");
    assert_eq!(said(0), "just now");
    assert_eq!(said(44), "just now");
    assert_eq!(said(45), "1 minute ago");
    assert_eq!(said(119), "1 minute ago");
    assert_eq!(said(120), "2 minutes ago");
    assert_eq!(said(3_599), "59 minutes ago");
    assert_eq!(said(3_600), "1 hour ago");
    assert_eq!(said(86_399), "23 hours ago");
    assert_eq!(said(86_400), "1 day ago");
    assert_eq!(said(90 * 86_400), "90 days ago");
    let told = |seconds: i64| until(NOW.plus_seconds(seconds), NOW);
    assert_eq!(told(-5), "in a moment");
    assert_eq!(told(29), "in a moment");
    assert_eq!(told(31), "in 1 minute");
    assert_eq!(told(1_800), "in 30 minutes");
    assert_eq!(took(NOW, NOW), "under a second");
    assert_eq!(took(NOW, NOW.plus_seconds(1)), "1 second");
    assert_eq!(took(NOW, NOW.plus_seconds(150)), "2 minutes");
    // No clock may make it panic.
    assert_eq!(ago(Timestamp(i64::MAX), Timestamp(i64::MIN)), "just now");
    assert!(ago(Timestamp(i64::MIN), Timestamp(i64::MAX)).ends_with(" ago"));
}

#[test]
fn count_down() {
    let said = |seconds: i64| countdown(NOW.plus_seconds(seconds), NOW);
    assert_eq!(said(103), "Starts by itself in 1:43");
    assert_eq!(said(120), "Starts by itself in 2:00");
    assert_eq!(said(9), "Starts by itself in 0:09");
    assert_eq!(said(0), "Starting now …");
    assert_eq!(said(-60), "Starting now …");
}

#[test]
fn iso_dates() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_800_000_000, "2027-01-15T08:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(iso(Timestamp::from_seconds(seconds)), text);
    }
}

#[test]
fn plurals_and_thousands() {
    assert_eq!(count(0, "item", "items"), "0 items");
    assert_eq!(count(1, "item", "items"), "1 item");
    assert_eq!(count(2, "item", "items"), "2 items");
    for (n, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (12_345, "12,345"),
        (1_234_567, "1,234,567"),
        (u32::MAX, "4,294,967,295"),
    ] {
        assert_eq!(number(n), text);
    }
    assert_eq!(issues_more(5, 5), None);
    assert_eq!(issues_more(5, 6).unwrap(), "and 1 more");
    assert_eq!(issues_more(6, 5), None);
}

#[test]
fn each_reason_has_words_of_its_own() {
    let failures = [
        ActivationFailure::Address,
        ActivationFailure::Certificate,
        ActivationFailure::Login,
        ActivationFailure::LoginOrProtection,
        ActivationFailure::NoCommonSignIn,
        ActivationFailure::ProxyBetween,
        ActivationFailure::NotExchange,
        ActivationFailure::UseOffice365,
        ActivationFailure::NotAllowed,
        ActivationFailure::NoMailbox,
        ActivationFailure::TooManyTrials,
        ActivationFailure::Unavailable,
        ActivationFailure::MailboxTaken,
        ActivationFailure::OtherAccount,
        ActivationFailure::OfficeOff,
    ];
    let fields = [
        InvalidField::Login,
        InvalidField::Password,
        InvalidField::EwsUrl,
        InvalidField::Code,
        InvalidField::Dates,
        InvalidField::Chosen,
        InvalidField::Sure,
    ];
    let mut errors: Vec<ApiError> = failures.into_iter().map(ApiError::Activation).collect();
    errors.extend(fields.map(ApiError::Invalid));
    errors.extend([
        ApiError::SignedOut,
        ApiError::Forbidden,
        ApiError::WrongState,
        ApiError::NotAdministrator,
        ApiError::TooOften(90),
        ApiError::Unavailable,
    ]);
    let texts: std::collections::HashSet<String> = errors.iter().map(|error| api_error(*error)).collect();
    assert_eq!(texts.len(), errors.len());
    assert!(texts.iter().all(|text| text.ends_with('.')));
    assert!(api_error(ApiError::TooOften(90)).contains("1 minute"));
    assert!(api_error(ApiError::TooOften(0)).contains("1 second"));
}

#[test]
fn each_issue_has_words_of_its_own() {
    let texts: std::collections::HashSet<&str> = IssueCode::ALL.iter().map(|code| issue(*code)).collect();
    assert_eq!(texts.len(), IssueCode::ALL.len());
    for text in texts {
        assert!(text.ends_with('.') && text.len() < 200, "{text}");
    }
}

#[test]
fn refusals_are_counted_and_dated() {
    let due = Some(NOW.plus_seconds(3_600));
    assert!(
        refused_lead(1, due)
            .at(NOW)
            .starts_with("Your mail server has refused the stored login. ")
    );
    assert!(
        refused_lead(2, due)
            .at(NOW)
            .contains("2 times in a row. Tandem tries again in 1 hour.")
    );
    assert!(
        refused_lead(6, None)
            .at(NOW)
            .contains("until you enter the password")
    );
}

#[test]
fn what_a_session_did() {
    let mut done = session(Some(SessionOutcome::Done));
    assert_eq!(session_lines(&done), ["No changes"]);
    done.counts = vec![Counts {
        kind: ItemKind::Contact,
        mailbox: OpCounts {
            created: 2,
            ..OpCounts::default()
        },
        crm: OpCounts {
            changed: 1,
            skipped: 1_000,
            ..OpCounts::default()
        },
        adopted: 7,
    }];
    done.issues = 1;
    assert_eq!(
        session_lines(&done),
        [
            "Mailbox, contacts: 2 created",
            "Salesforce, contacts: 1 changed, 1,000 skipped",
            "7 linked that were on both sides",
            "1 item needs a look",
        ]
    );
    for outcome in [SessionOutcome::Preview, SessionOutcome::StoppedByBrake] {
        let only_planned = SessionView {
            outcome: Some(outcome),
            issues: 0,
            ..done.clone()
        };
        assert_eq!(
            session_lines(&only_planned),
            [
                "Mailbox, contacts: 2 to create",
                "Salesforce, contacts: 1 to change, 1,000 to skip",
                "7 to link that are on both sides",
            ]
        );
    }
    assert!(
        session_lines(&session(Some(SessionOutcome::Failed))).is_empty(),
        "nothing is claimed of a failed one"
    );
}

#[test]
fn an_undo_counts_what_was_left_by_its_reason() {
    let left = |kind, side, reason| UndoLeftView {
        side,
        kind,
        item: "x".to_owned(),
        reason,
    };
    let lines = undo_left_lines(&[
        left(ItemKind::Email, Side::Crm, UndoReason::Gone),
        left(ItemKind::Event, Side::Mailbox, UndoReason::ChangedSince),
        left(ItemKind::Email, Side::Crm, UndoReason::Gone),
        left(ItemKind::Email, Side::Crm, UndoReason::Refused),
    ]);
    assert_eq!(
        lines,
        [
            "2 e-mails in Salesforce: no longer there, or not to be seen",
            "1 event in your mailbox: changed since then",
            "1 e-mail in Salesforce: the change back was refused",
        ]
    );
    assert_eq!(undo_left(0), None);
    assert_eq!(undo_left(1).as_deref(), Some("1 item was left as it is."));
    assert_eq!(
        [0, 1, 1_200].map(undone),
        [
            "Nothing was undone.",
            "1 item is as it was before.",
            "1,200 items are as they were before."
        ]
    );
}

#[test]
fn only_what_wrote_can_be_undone() {
    let with = |outcome, ops| SessionView {
        counts: vec![Counts {
            kind: ItemKind::Task,
            mailbox: OpCounts::default(),
            crm: ops,
            adopted: 5,
        }],
        ..session(outcome)
    };
    let deleted = OpCounts {
        deleted: 2,
        ..OpCounts::default()
    };
    let skipped = OpCounts {
        skipped: 2,
        ..OpCounts::default()
    };
    for outcome in [
        SessionOutcome::Done,
        SessionOutcome::Partial,
        SessionOutcome::Failed,
    ] {
        assert!(wrote(&with(Some(outcome), deleted)), "{outcome:?}");
        assert!(!wrote(&with(Some(outcome), skipped)), "{outcome:?}");
    }
    for outcome in [
        None,
        Some(SessionOutcome::Preview),
        Some(SessionOutcome::StoppedByBrake),
    ] {
        assert!(!wrote(&with(outcome, deleted)), "{outcome:?}");
    }
    assert_eq!(
        undo_lines(&with(Some(SessionOutcome::Done), deleted)),
        ["2 tasks deleted in Salesforce come back from the recycle bin"]
    );
}

#[test]
fn a_backfill_tells_the_days_that_were_meant() {
    let mut backfill = BackfillView {
        from: Timestamp::from_seconds(1_767_225_600),
        to: Timestamp::from_seconds(1_769_904_000),
        done: 30,
        total: 20,
        saved: 4,
        finished: false,
    };
    assert_eq!(
        backfill_line(&backfill),
        "1 January 2026 to 31 January 2026: 30 of about 30 looked at, 4 saved",
        "the estimate was too low"
    );
    backfill.finished = true;
    assert_eq!(
        backfill_line(&backfill),
        "1 January 2026 to 31 January 2026: ended, 30 e-mails looked at, 4 saved"
    );
    assert_eq!(
        estimate("2026-01-01", "2026-01-02", 1),
        "From 1 January 2026 to 2 January 2026: about 1 e-mail to look at."
    );
}

#[test]
fn a_candidate_without_a_name_is_told_by_its_id() {
    let candidate = |label: &str, id: &str| {
        choice(&IssueChoice {
            id: id.to_owned(),
            side: Side::Mailbox,
            label: label.to_owned(),
        })
    };
    assert_eq!(candidate("Ada", "AAMk"), "Ada, in your mailbox");
    assert_eq!(
        candidate("", "AAMkAGI2Töpfe+89"),
        "The one in your mailbox whose id ends in Töpfe+89"
    );
    assert_eq!(candidate("", "AA"), "The one in your mailbox whose id ends in AA");
}

/// What is called the same in both languages.
const NO_LANGUAGE: &[&str] = &[
    "Salesforce",
    "Office 365",
    "Server",
    "Organisation",
    "Account",
    "Bcc",
    "Cc",
    "Id",
    "Name",
    "Optional",
];

/// Each `Words::new(…)` and `say(…)` of the catalogue's sources: file, and both texts as they are written.
fn written() -> Vec<(String, String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/text");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if file == "tests.rs" || file == "lang.rs" {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for start in ["Words::new(", "say("] {
            for (at, _) in source.match_indices(start) {
                // A method, or the function itself.
                if source[..at].ends_with(['.', '_']) || source[..at].ends_with("fn ") {
                    continue;
                }
                let mut rest = source[at + start.len()..].trim_start();
                let mut texts = Vec::new();
                while let Some(literal) = rest.strip_prefix('"') {
                    let end = literal
                        .char_indices()
                        .scan(false, |escaped, (at, c)| {
                            let here = c == '"' && !*escaped;
                            *escaped = c == '\\' && !*escaped;
                            Some((at, here))
                        })
                        .find_map(|(at, here)| here.then_some(at))
                        .expect("a literal ends");
                    texts.push(literal[..end].to_owned());
                    rest = literal[end + 1..].trim_start_matches([',', ' ', '\n']);
                }
                let [en, de] = <[String; 2]>::try_from(texts)
                    .unwrap_or_else(|texts| panic!("{file}: two literals: {texts:?}"));
                found.push((file.clone(), en, de));
            }
        }
    }
    found
}

#[test]
fn every_text_has_a_german_of_its_own() {
    let written = written();
    assert!(written.len() > 300, "{}", written.len());
    for (file, en, de) in written {
        assert!(!de.is_empty() || en.is_empty(), "{file}: {en}");
        let words = en.chars().any(char::is_alphabetic);
        assert!(
            en != de || !words || NO_LANGUAGE.contains(&en.as_str()),
            "{file}: {en}"
        );
        // What is typed without a typographer's keyboard.
        assert!(!de.contains("\\\"") && !de.contains('\''), "{file}: {de}");
        let (opened, closed) = (de.matches('„').count(), de.matches('“').count());
        assert_eq!(opened, closed, "{file}: {de}");
        assert!(!en.contains('„') && !en.contains("\\\""), "{file}: {en}");
    }
}

/// Both languages of what depends on a value.
fn both(say: impl Fn() -> String) -> [String; 2] {
    [Lang::En, Lang::De].map(|lang| speaking(lang, &say))
}

#[test]
fn what_depends_on_a_value_is_told_in_german() {
    speaking(Lang::De, || {
        assert_eq!(number(1_234_567), "1.234.567");
        let ago = |seconds: i64| ago(NOW.plus_seconds(-seconds), NOW);
        assert_eq!(ago(3), "gerade eben");
        assert_eq!(ago(50), "vor 1 Minute");
        assert_eq!(ago(7_200), "vor 2 Stunden");
        assert_eq!(ago(86_400), "vor 1 Tag");
        assert_eq!(ago(2 * 86_400), "vor 2 Tagen");
        assert_eq!(until(NOW.plus_seconds(3 * 86_400), NOW), "in 3 Tagen");
        assert_eq!(took(NOW, NOW.plus_seconds(3 * 86_400)), "3 Tage");
        assert_eq!(
            countdown(NOW.plus_seconds(103), NOW),
            "Beginnt von selbst in 1:43"
        );
        assert_eq!(date(NOW), "15. Januar 2027");
        assert_eq!(date_and_time(NOW), "15. Januar 2027, 08:00 UTC");
        assert_eq!(date_of("2026-13-01"), "2026-13-01", "no day is told as it is");
        assert_eq!(
            estimate("2026-03-01", "2026-05-02", 1_200),
            "Vom 1. März 2026 bis zum 2. Mai 2026: etwa 1.200 E-Mails anzusehen."
        );
        let mut c = connection(SyncState::Active, None);
        c.last_success = Some(NOW.plus_seconds(-120));
        c.sessions = vec![session(Some(SessionOutcome::Done))];
        assert_eq!(line(&c).1, "Alles abgeglichen, vor 2 Minuten");
        c.issues_total = 1_200;
        assert_eq!(line(&c).1, "Abgeglichen bis auf 1.200 Einträge, vor 2 Minuten");
        assert_eq!(
            refused_lead(2, Some(NOW.plus_seconds(3_600))).at(NOW),
            "Ihr Mailserver hat die gespeicherte Anmeldung 2 Mal nacheinander abgelehnt. Tandem versucht es in 1 Stunde \
             wieder. Nichts geht verloren."
        );
        assert_eq!(
            api_error(ApiError::TooOften(2 * 86_400)),
            "Das war etwas oft. Versuchen Sie es in 2 Tagen noch einmal."
        );
        let mut done = session(Some(SessionOutcome::Done));
        done.counts = vec![Counts {
            kind: ItemKind::Contact,
            mailbox: OpCounts {
                created: 1,
                deleted: 2,
                ..OpCounts::default()
            },
            crm: OpCounts {
                created: 3,
                changed: 1,
                ..OpCounts::default()
            },
            adopted: 7,
        }];
        assert_eq!(
            session_lines(&done),
            [
                "Postfach, Kontakte: 1 angelegt, 2 gelöscht",
                "Salesforce, Kontakte: 3 angelegt, 1 geändert",
                "7 verknüpft, die auf beiden Seiten waren",
            ]
        );
        assert_eq!(
            undo_lines(&done),
            [
                "1 Kontakt, in Ihrem Postfach angelegt: kommt nach „Gelöschte Elemente“",
                "2 Kontakte, in Ihrem Postfach gelöscht: kommen aus „Gelöschte Elemente“ zurück",
                "3 Kontakte, in Salesforce angelegt: kommen in den Papierkorb",
                "1 Kontakt, in Salesforce geändert: erhält die früheren Werte zurück",
            ]
        );
    });
}

#[test]
fn no_function_forgets_a_language() {
    let mut said: Vec<[String; 2]> = vec![
        both(|| other_mailbox("a", "b")),
        both(|| other_salesforce_user("a", "b")),
        both(|| salesforce_user_has_a_mailbox("a")),
        both(|| integration_of_another_organisation("a")),
        both(|| estimate("2026-01-01", "2026-01-02", 0)),
        both(|| api_error(ApiError::TooOften(1))),
    ];
    for n in [0, 1, 2] {
        said.push(both(|| undone(n)));
        said.push(both(|| adopted(n)));
        said.push(both(|| possible_duplicates(n)));
        said.push(both(|| overwritten(n)));
        said.push(both(|| refused_lead(n, None).at(NOW)));
        said.push(both(|| refused_cloud_lead(n, Some(NOW)).at(NOW)));
        if n > 0 {
            said.push(both(|| undo_left(n).unwrap()));
            said.push(both(|| issues_more(0, n).unwrap()));
        }
    }
    for finished in [true, false] {
        said.push(both(|| {
            backfill_line(&BackfillView {
                from: NOW,
                to: NOW.plus_seconds(86_400),
                done: 1,
                total: 2,
                saved: 1,
                finished,
            })
        }));
    }
    for code in IssueCode::ALL {
        said.push(both(|| issue(code).to_owned()));
    }
    for [en, de] in said {
        assert_ne!(en, de);
    }
}
