//! Renders each state as the server does, and reads the HTML.

#[path = "../examples/gallery/item.rs"]
mod item;
#[path = "../examples/gallery/states.rs"]
mod states;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use tandem_app::text::settings as words;
use tandem_app::{Backend, Call, OfficeScript, PAGE_HEADER, Page, Part, call_page, render, text};
use tandem_types::{ApiError, InvalidField, PaneView, ProbeFault, SettingKey, Side, UndoView};

fn options() -> LeptosOptions {
    LeptosOptions::builder().output_name("pane").build()
}

async fn body(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a page");
    String::from_utf8(bytes.to_vec()).expect("a page")
}

async fn page(name: &str, page: Page, uri: &str, office: Option<OfficeScript>) -> String {
    // Another test may have been first.
    let _ = any_spawner::Executor::init_tokio();
    let backend: Arc<dyn Backend> = Arc::new(states::Fake::new(name));
    let request = Request::get(uri).body(Body::empty()).expect("a page");
    let context = move || {
        if let Some(office) = office.clone() {
            provide_context(office);
        }
    };
    let response = render(options(), page, backend, context, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await
}

async fn pane(name: &str) -> String {
    page(name, Page::Pane, "/", None).await
}

/// What stands in the page for a reader.
fn shown(html: &str) -> &str {
    html.split_once("<body>").expect("a page").1
}

/// The tags of a page, `<name attributes>`.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag))
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next()
}

/// Whether the element with this id is there, and opens with this.
fn element<'a>(html: &'a str, id: &str) -> Option<&'a str> {
    tags(html).find(|tag| attribute(tag, "id") == Some(id))
}

#[tokio::test]
async fn each_state_shows_what_it_must() {
    for (name, status, ids, words) in [
        (
            "signed-out",
            "Signed out",
            vec!["sign-in"],
            vec![text::SIGN_IN.get(), text::SIGN_IN_LEAD.get()],
        ),
        (
            "first-start",
            "Sync is not set up",
            vec!["login", "password", "ews-url", "connect", "skip"],
            vec![],
        ),
        (
            "skipped",
            "Sync is not set up",
            vec!["state"],
            vec![text::WITHOUT_SYNC_LIST[0].get(), text::SET_UP_SYNC.get()],
        ),
        (
            "getting-ready",
            "Reading changes …",
            vec!["progress", "preview"],
            vec![text::FIRST_TITLE.get()],
        ),
        (
            "preview",
            "Ready for the first sync",
            vec!["preview", "countdown"],
            vec![
                "214",
                "3 possible duplicates",
                "118 contacts are",
                "Starts by itself in 1:43",
                "/api/release",
            ],
        ),
        (
            "preview-waits",
            "Ready for the first sync",
            vec!["countdown"],
            vec![text::PREVIEW_WAITS.get()],
        ),
        (
            "progress",
            "Syncing, 34 of 120",
            vec!["progress"],
            vec!["max=\"120\"", "value=\"34\""],
        ),
        (
            "in-step",
            "All in step, 2 minutes ago",
            vec!["sessions", "accounts"],
            vec![text::ISSUES_EMPTY.get()],
        ),
        (
            "in-step-empty",
            "All in step, 2 minutes ago",
            vec!["sessions"],
            vec![text::SESSIONS_EMPTY.get()],
        ),
        (
            "issues",
            "In step except 7 items, 2 minutes ago",
            vec!["issues"],
            vec![
                "Cher",
                "and 2 more",
                "aria-label=\"Delete in Salesforce too: Grace Hopper\"",
                "value=\"bring_back\"",
            ],
        ),
        (
            "choices",
            "In step except 3 items, 2 minutes ago",
            vec!["issues"],
            vec![
                text::PICK_LEGEND.get(),
                "value=\"003000000000002AAA\"",
                "Augusta Ada King, Countess of Lovelace, in Salesforce",
                "The one in Salesforce whose id ends in 00003AAA",
                "value=\"pick_match\"",
                "value=\"keep_mine\"",
                "value=\"keep_theirs\"",
                "value=\"link_to\"",
                text::LINK_LABEL.get(),
                "aria-label=\"Pair: Ada Lovelace\"",
            ],
        ),
        (
            "brake",
            "Stopped: please look at the changes",
            vec!["brake"],
            vec![
                "187",
                "31 fields would be",
                text::BRAKE_SIDE_EMPTY.get(),
                "/api/release",
                "/api/hold",
            ],
        ),
        (
            "paused",
            "Paused",
            vec!["state"],
            vec![text::PAUSED_TITLE.get(), "/api/start"],
        ),
        (
            "refused-once",
            "Needs your sign-in",
            vec!["state"],
            vec![text::CHECK_LOGIN.get(), "tries again in 28 minutes"],
        ),
        (
            "needs-sign-in",
            "Needs your sign-in",
            vec!["state", "activation"],
            vec!["6 times in a row"],
        ),
        (
            "salesforce-ended",
            "Needs your Salesforce sign-in",
            vec!["sign-in"],
            vec![text::SIGN_IN_AGAIN.get()],
        ),
        (
            "quota",
            "Waiting: Salesforce’s limit is used up",
            vec!["state"],
            vec![text::QUOTA_LEAD.get()],
        ),
        (
            "failing",
            "A server did not answer, next try in 4 minutes",
            vec!["sessions"],
            vec!["a server did not answer"],
        ),
        (
            "deactivated",
            "Sync is off",
            vec!["state"],
            vec![text::OFF_TITLE.get(), text::SET_UP_SYNC.get()],
        ),
    ] {
        assert!(states::NAMES.contains(&name));
        let html = pane(name).await;
        let html = shown(&html);
        assert_eq!(said(html, "status", "p"), status, "{name}");
        let seen = plain(html);
        for id in ids {
            assert!(element(html, id).is_some(), "{name}: no #{id}");
        }
        for word in words {
            assert!(
                html.contains(word) || seen.contains(word),
                "{name}: {word:?} is not said"
            );
        }
    }
}

#[tokio::test]
async fn the_activation_dialog_is_open_only_when_it_is_asked_for() {
    for name in states::NAMES {
        let html = pane(name).await;
        let dialog = element(shown(&html), "activation").expect("the dialog is always there");
        let open = dialog
            .split_whitespace()
            .any(|word| word == "open" || word == "open=\"\"");
        assert_eq!(
            open,
            ["first-start", "needs-sign-in", "cloud-first", "microsoft-ended"].contains(&name),
            "{name}: {dialog}"
        );
    }
    let asked = page("skipped", Page::Setup, "/setup?activate=1", None).await;
    assert!(
        element(shown(&asked), "activation").unwrap().contains(" open"),
        "by a plain link"
    );
}

#[tokio::test]
async fn the_menu_offers_what_is_possible() {
    for (name, there, absent) in [
        (
            "skipped",
            vec![text::SET_UP_SYNC.get(), text::SIGN_OUT.get()],
            vec![text::SYNC_NOW.get(), text::PAUSE.get(), text::DEACTIVATE.get()],
        ),
        (
            "in-step",
            vec![
                text::SYNC_SETTINGS.get(),
                text::SYNC_NOW.get(),
                text::PAUSE.get(),
                text::DEACTIVATE.get(),
                text::SIGN_OUT.get(),
            ],
            vec![text::SET_UP_SYNC.get(), text::START.get()],
        ),
        (
            "paused",
            vec![
                text::SYNC_SETTINGS.get(),
                text::START.get(),
                text::DEACTIVATE.get(),
            ],
            vec![text::PAUSE.get(), text::SYNC_NOW.get()],
        ),
        (
            "deactivated",
            vec![text::SET_UP_SYNC.get()],
            vec![text::DEACTIVATE.get()],
        ),
    ] {
        let html = pane(name).await;
        let menu = shown(&html)
            .split_once("<details")
            .unwrap()
            .1
            .split_once("</details>")
            .unwrap()
            .0;
        for word in there {
            assert!(menu.contains(&format!(">{word}<")), "{name}: {word} is missing");
        }
        for word in absent {
            assert!(!menu.contains(&format!(">{word}<")), "{name}: {word} is offered");
        }
    }
    assert!(element(shown(&pane("signed-out").await), "menu").is_none());
}

#[tokio::test]
async fn every_page_is_labelled_and_fits_the_policy() {
    for name in states::NAMES {
        for kind in [Page::Pane, Page::Setup, Page::Settings] {
            let html = page(name, kind, "/", None).await;
            let seen = shown(&html);
            assert!(!html.contains("style="), "{name} {kind:?}: an inline style");
            let inline: Vec<&str> = tags(&html)
                .filter(|tag| tag.starts_with("script") && attribute(tag, "src").is_none())
                .collect();
            assert!(
                inline
                    .iter()
                    .all(|tag| tag.contains("application/json") || attribute(tag, "nonce").is_some()),
                "{name} {kind:?}: {inline:?}"
            );
            assert!(!tags(seen).any(|tag| tag.contains(" onclick") || tag.contains("javascript:")));
            let ids: Vec<&str> = tags(seen).filter_map(|tag| attribute(tag, "id")).collect();
            let unique: std::collections::HashSet<&str> = ids.iter().copied().collect();
            assert_eq!(
                ids.len(),
                unique.len(),
                "{name} {kind:?}: an id stands twice in {ids:?}"
            );
            for tag in tags(seen) {
                for reference in ["aria-labelledby", "aria-describedby", "for", "form"] {
                    for id in attribute(tag, reference).unwrap_or_default().split_whitespace() {
                        assert!(
                            unique.contains(id),
                            "{name} {kind:?}: {reference}={id} leads nowhere"
                        );
                    }
                }
                if tag.starts_with("input") && !tag.contains("\"hidden\"") && !tag.contains("\"radio\"") {
                    let id = attribute(tag, "id").unwrap_or_else(|| panic!("{name}: {tag} has no id"));
                    assert!(
                        seen.contains(&format!("for=\"{id}\"")),
                        "{name}: #{id} has no label"
                    );
                }
                if tag.starts_with("img") {
                    assert!(attribute(tag, "alt").is_some());
                }
            }
            for form in seen
                .split("<form")
                .skip(1)
                .filter(|form| form.contains("method=\"post\""))
            {
                let form = form.split("</form>").next().unwrap();
                let action = attribute(form, "action").unwrap();
                assert!(Call::ALL.iter().any(|call| call.path() == action), "{action}");
                assert!(
                    form.contains("name=\"form_token\""),
                    "{name}: {action} carries no token"
                );
            }
        }
    }
}

#[tokio::test]
async fn setup_and_settings_say_all_that_is_known() {
    let setup = page("refused-once", Page::Setup, "/setup", None).await;
    for word in [
        text::MAIL_SERVER.get(),
        "mail.acme-analytics.example",
        "Exchange",
        text::REFUSALS.get(),
        text::CHANGE.get(),
    ] {
        assert!(shown(&setup).contains(word), "{word}");
    }
    for (uri, words_there) in [
        ("/settings", ["332", "looked only", "120 syncs are kept"]),
        (
            "/settings/issues",
            [
                "&lt;b&gt;Bobby&lt;/b&gt; &amp; sons",
                "/settings/issues?kind=task",
                "action=\"/api/cure_issues\"",
            ],
        ),
        (
            "/settings/sync",
            ["Both ways", "value=\"10000\"", "more than 200"],
        ),
        (
            "/settings/conflicts",
            [
                "The newest change wins",
                "Ask me",
                "action=\"/api/save_settings\"",
            ],
        ),
        (
            "/settings/linking",
            [
                "e-mail field of leads",
                words::OWN_DOMAINS.get(),
                words::LOCKED_WHY.get(),
            ],
        ),
        (
            "/settings/blocklist",
            [
                "gran@home.example",
                "<li>rival.example</li>",
                "action=\"/api/reset_settings\"",
            ],
        ),
        (
            "/settings/connectivity",
            [
                text::MAIL_SERVER.get(),
                "as=refresh",
                text::CHANGE_SALESFORCE_HINT.get(),
            ],
        ),
        (
            "/settings/mapping",
            ["<td>LastName</td>", "Lovelace", "of_a_newer_version"],
        ),
        (
            "/settings/deactivate",
            [
                text::DEACTIVATE_REMOVE.get(),
                "action=\"/api/deactivate\"",
                "data-opens=\"deactivation\"",
            ],
        ),
        // What there is not is the first part.
        ("/settings/nowhere", ["332", "looked only", "id=\"general\""]),
    ] {
        let html = page("issues", Page::Settings, uri, None).await;
        for word in words_there {
            assert!(shown(&html).contains(word), "{uri}: {word}");
        }
        let current: Vec<&str> = tags(shown(&html))
            .filter(|tag| attribute(tag, "aria-current") == Some("page"))
            .collect();
        assert_eq!(current.len(), 1, "{uri}");
        let out = page("signed-out", Page::Settings, uri, None).await;
        assert!(shown(&out).contains(text::SIGN_IN.get()), "{uri}");
        assert!(!shown(&out).contains(words::NAVIGATION.get()), "{uri}");
    }
}

#[tokio::test]
async fn a_setting_is_changed_in_a_plain_form_and_told_at_its_field() {
    let there = page("in-step", Page::Settings, "/settings", None).await;
    let saves = forms(shown(&there), Call::SaveSettings);
    assert_eq!(saves.len(), 1);
    assert!(saves[0].contains("name=\"set[interval_minutes]\"") && saves[0].contains("value=\"general\""));
    assert!(
        shown(&there).contains("Your organisation has: 60"),
        "what the user has otherwise"
    );

    let plain = "text/html,*/*";
    let given = "part=general&set%5Binterval_minutes%5D=45&form_token=x";
    let saved = call("in-step", Call::SaveSettings, given, plain).await;
    let back = saved.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(back, "/settings?done=saved");
    let told = page("in-step", Page::Settings, &back, None).await;
    assert!(shown(&told).contains(words::SAVED.get()));
    let reset = call(
        "in-step",
        Call::ResetSettings,
        "part=conflicts&keys=contact_conflicts+keep_history",
        plain,
    )
    .await;
    assert_eq!(
        reset.headers()[header::LOCATION],
        "/settings/conflicts?done=reset"
    );
    let told = page("in-step", Page::Settings, "/settings/conflicts?done=reset", None).await;
    assert!(shown(&told).contains(words::WAS_RESET.get()));

    // By our script: the same part, with what was wrong at its field, and nothing saved.
    let wrong = asked(
        "in-step",
        Call::SaveSettings,
        "set[interval_minutes]=1",
        "settings",
    )
    .await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = body(wrong).await;
    let field = element(&html, "set-interval-minutes").expect("the field");
    assert_eq!(attribute(field, "aria-invalid"), Some("true"));
    let described = attribute(field, "aria-describedby").unwrap_or_default();
    assert!(described.contains("set-interval-minutes-wrong"), "{described}");
    assert!(html.contains(words::wrong(SettingKey::Interval)));
    assert!(element(&html, "refused").is_some() && !html.contains(words::SAVED.get()));
    // A box that is not ticked is not sent.
    let untied = "boxes=save_emails+save_threads&set[save_threads]=on";
    let html = body(asked("in-step", Call::SaveSettings, untied, "settings/sync").await).await;
    assert!(html.contains(words::SAVED.get()));
    assert_eq!(
        attribute(html.get(1..).unwrap(), "data-page"),
        Some("settings/sync")
    );
    let ticked = |id| element(&html, id).expect("the box").contains(" checked");
    assert!(!ticked("set-save-emails") && ticked("set-save-threads"));
}

#[tokio::test]
async fn a_test_of_a_connection_names_the_step_that_failed() {
    let place = "settings/connectivity";
    let mailbox = body(asked("in-step", Call::Probe, "side=mailbox", place).await).await;
    for part in [
        "Its certificate: well",
        words::fault(ProbeFault::NotTriedAgain),
        "Opening the mailbox: not tried",
    ] {
        assert!(mailbox.replace("<!>", "").contains(part), "{part}");
    }
    let crm = body(asked("in-step", Call::Probe, "side=crm", place).await).await;
    assert!(crm.contains(words::probed(Side::Crm, true)) && !crm.contains("not tried"));
    // Without script the same stands in the address, in words of ours alone.
    let plain = call("in-step", Call::Probe, "side=mailbox&form_token=x", "text/html").await;
    let back = plain.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(
        back,
        "/settings/connectivity?probed=mailbox&step=sign_in&fault=not_tried_again#probe"
    );
    let html = page("in-step", Page::Settings, back.trim_end_matches("#probe"), None).await;
    assert!(html.contains(words::fault(ProbeFault::NotTriedAgain)));
    let odd = "/settings/connectivity?probed=%3Cb%3E&step=sign_in&fault=refused";
    let html = page("in-step", Page::Settings, odd, None).await;
    assert!(element(&html, "probed").is_none());
    let none = page("deactivated", Page::Settings, "/settings/connectivity", None).await;
    assert!(!none.contains(words::probe(Side::Mailbox)));
}

#[tokio::test]
async fn the_history_has_pages_and_pictures() {
    let html = page("issues", Page::Settings, "/settings", None).await;
    let html = shown(&html);
    assert_eq!(html.matches("<svg").count(), 3);
    for tag in tags(html).filter(|tag| tag.starts_with("svg")) {
        assert_eq!(attribute(tag, "role"), Some("img"));
        for id in attribute(tag, "aria-labelledby").expect("its name").split(' ') {
            assert!(element(html, id).is_some(), "{id}");
        }
    }
    assert!(html.contains(words::CHART_TABLE.get()));
    let older = tags(html)
        .filter_map(|tag| attribute(tag, "href"))
        .find(|href| href.contains("before="))
        .expect("older ones");
    let next = page("issues", Page::Settings, older, None).await;
    assert!(shown(&next).contains(words::NEWEST.get()) && !shown(&next).contains(words::OLDER.get()));
    let open = page("issues", Page::Settings, "/settings?show=unresolved", None).await;
    assert!(shown(&open).contains("action=\"/api/cure\""));
    assert!(forms(shown(&open), Call::UndoSession).is_empty());
    let none = page("in-step-empty", Page::Settings, "/settings?show=unresolved", None).await;
    assert!(shown(&none).contains(words::HISTORY_OPEN_EMPTY.get()));
    let none = page("in-step-empty", Page::Settings, "/settings", None).await;
    assert!(!shown(&none).contains("<svg"), "nothing to draw");
}

#[tokio::test]
async fn issues_are_picked_and_cured_together() {
    let all = page("issues", Page::Settings, "/settings/issues", None).await;
    let of_issues = |tag: &&str| attribute(tag, "name").is_some_and(|name| name.starts_with("issues["));
    let boxes = |html: &str| tags(html).filter(of_issues).count();
    assert!(boxes(&all) > 1);
    let contacts = page("issues", Page::Settings, "/settings/issues?kind=contact", None).await;
    assert_eq!(boxes(&contacts), boxes(&all));
    let tasks = page("issues", Page::Settings, "/settings/issues?kind=task", None).await;
    assert_eq!(boxes(&tasks), 0);
    let none = page("issues", Page::Settings, "/settings/issues?code=encrypted", None).await;
    assert!(shown(&none).contains(words::ISSUES_NONE_PICKED.get()));
    let first = tags(&all)
        .find(|tag| attribute(tag, "name") == Some("issues[0]"))
        .and_then(|tag| attribute(tag, "value"))
        .expect("a box");
    let form = format!("issues[0]={first}&cure=ignore");
    let html = body(asked("issues", Call::CureIssues, &form, "settings/issues?kind=contact").await).await;
    assert!(!html.contains(&format!("value=\"{first}\"")));
    assert_eq!(
        attribute(html.get(1..).unwrap(), "data-page"),
        Some("settings/issues?kind=contact")
    );
}

/// The forms of a page that go to this call.
fn forms(html: &str, what: Call) -> Vec<&str> {
    html.split("<form")
        .skip(1)
        .filter(|form| attribute(&format!("form{form}"), "action") == Some(what.path()))
        .map(|form| form.split("</form>").next().expect("its end"))
        .collect()
}

#[tokio::test]
async fn what_needs_a_choice_is_chosen_in_a_plain_form() {
    let html = pane("choices").await;
    let cures = forms(shown(&html), Call::Cure);
    let pick = cures
        .iter()
        .find(|form| form.contains("pick_match"))
        .expect("a form");
    let radios: Vec<&str> = tags(pick).filter(|tag| tag.contains("\"radio\"")).collect();
    assert_eq!(radios.len(), 3);
    assert!(
        radios
            .iter()
            .all(|tag| attribute(tag, "name") == Some("choice") && tag.contains(" required")),
        "{radios:?}"
    );
    let link = cures
        .iter()
        .find(|form| form.contains("link_to"))
        .expect("a form");
    let field = tags(link)
        .find(|tag| attribute(tag, "name") == Some("choice"))
        .expect("a field");
    assert!(field.contains(" required") && attribute(field, "id").is_some());
    // What a button alone does sends no choice; nothing is chosen twice.
    assert_eq!(
        cures
            .iter()
            .filter(|form| form.contains("name=\"choice\""))
            .count(),
        2
    );
    let record = tags(shown(&html))
        .find(|tag| tag.starts_with("a ") && tag.contains("003000000000009AAA"))
        .expect("a link to the record");
    assert_eq!(
        attribute(record, "href"),
        Some("https://acme-analytics.my.salesforce.com/003000000000009AAA")
    );
    assert_eq!(attribute(record, "target"), Some("_blank"));
    assert_eq!(attribute(record, "rel"), Some("noopener"));
}

#[tokio::test]
async fn an_undo_says_what_it_will_do_and_what_it_did() {
    let html = page("in-step", Page::Settings, "/settings", None).await;
    let undos = forms(shown(&html), Call::UndoSession);
    // Two of the four sessions wrote something: one had no changes, one only looked.
    assert_eq!(undos.len(), 2);
    assert!(undos[0].contains("00000000000000000000000000000085"));
    for words in [
        "1 contact created in your mailbox goes to Deleted Items",
        "2 contacts changed in your mailbox get their former values back",
        "1 contact changed in Salesforce gets its former values back",
        text::UNDO_NOTE.get(),
        text::UNDO_DO.get(),
    ] {
        assert!(undos[0].contains(words), "{words}");
    }
    for name in ["paused", "refused-once", "needs-sign-in", "deactivated"] {
        let html = page(name, Page::Settings, "/settings", None).await;
        assert!(forms(shown(&html), Call::UndoSession).is_empty(), "{name}");
    }

    // Without script: back to the page, which says it.
    let form = "session=00000000000000000000000000000085&form_token=x";
    let plain = call("in-step", Call::UndoSession, form, "text/html,*/*").await;
    assert_eq!(plain.status(), StatusCode::FOUND);
    let back = plain.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(back, "/settings?undone=12&left=3#sessions");
    let html = page("in-step", Page::Settings, "/settings?undone=12&left=3", None).await;
    let html = shown(&html);
    assert!(element(html, "undone").is_some());
    assert!(
        html.contains("12 items are as they were before.") && html.contains("3 items were left as they are.")
    );
    let none = page("in-step", Page::Settings, "/settings?undone=x&left=3", None).await;
    assert!(element(shown(&none), "undone").is_none());
}

#[tokio::test]
async fn older_mails_are_saved_from_a_day_to_a_day() {
    async fn settings(name: &str, uri: &str) -> String {
        page(name, Page::Settings, uri, None).await
    }
    let html = settings("in-step", "/settings/sync").await;
    let forms_there = forms(shown(&html), Call::StartBackfill);
    assert_eq!(forms_there.len(), 1);
    for name in ["from", "to"] {
        let field = tags(forms_there[0])
            .find(|tag| attribute(tag, "name") == Some(name))
            .expect("a field");
        assert_eq!(attribute(field, "type"), Some("date"));
        assert_eq!(attribute(field, "max"), Some("2027-01-15"));
    }
    assert!(forms_there[0].contains("formaction=\"/api/estimate_backfill\""));

    let form = "from=2026-01-01&to=%202026-02-01&form_token=x";
    let plain = call("in-step", Call::EstimateBackfill, form, "text/html,*/*").await;
    let back = plain.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(
        back,
        "/settings/sync?from=2026-01-01&to=2026-02-01&mails=1200#backfill"
    );
    let html = settings(
        "in-step",
        "/settings/sync?from=2026-01-01&to=2026-02-01&mails=1200",
    )
    .await;
    assert!(shown(&html).contains("From 1 January 2026 to 1 February 2026: about 1,200 e-mails to look at."));
    assert!(
        shown(&html).contains("value=\"2026-02-01\""),
        "the days stay in the form"
    );
    for query in [
        "from=2026-01-01&to=<b>&mails=1",
        "from=2026-01-01&to=2026-02-01&mails=-1",
    ] {
        let uri = format!("/settings/sync?{}", query.replace('<', "%3C").replace('>', "%3E"));
        let html = settings("in-step", &uri).await;
        assert!(!shown(&html).contains("to look at."), "{query}");
    }

    let running = settings("backfill", "/settings/sync").await;
    let running = shown(&running);
    assert!(running.contains("480 of about 1,200 looked at, 127 saved"));
    assert!(running.contains("max=\"1200\"") && running.contains("value=\"480\""));
    assert_eq!(forms(running, Call::CancelBackfill).len(), 1);
    assert!(forms(running, Call::StartBackfill).is_empty());
    let over = settings("backfilled", "/settings/sync").await;
    assert!(shown(&over).contains("ended, 1,212 e-mails looked at, 311 saved"));
    assert_eq!(forms(shown(&over), Call::StartBackfill).len(), 1);
    for name in ["paused", "needs-sign-in", "skipped", "deactivated"] {
        let html = settings(name, "/settings/sync").await;
        assert!(element(shown(&html), "backfill").is_none(), "{name}");
    }
    assert!(element(shown(&pane("backfill").await), "backfill").is_none());
}

#[tokio::test]
async fn office_js_stands_between_its_guards_or_nowhere() {
    let office = OfficeScript("https://cdn.invalid/office.js".into());
    let html = page("in-step", Page::Pane, "/", Some(office)).await;
    let scripts: Vec<&str> = tags(&html)
        .filter(|tag| tag.starts_with("script") && attribute(tag, "nonce").is_some())
        .filter_map(|tag| attribute(tag, "src"))
        .collect();
    assert_eq!(
        scripts,
        [
            "/office-guard.js",
            "https://cdn.invalid/office.js",
            "/office-dialog.js"
        ]
    );
    assert!(!pane("in-step").await.contains("/office-"));
}

/// Text without its tags.
fn plain(html: &str) -> String {
    html.split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .collect()
}

/// The text of the element with this id, up to its end tag.
fn said(html: &str, id: &str, tag: &str) -> String {
    let element = html.split_once(&format!("id=\"{id}\"")).expect("the element").1;
    plain(&format!(
        "<{}",
        element.split_once(&format!("</{tag}>")).expect("its end").0
    ))
}

#[tokio::test]
async fn a_script_is_answered_by_the_page_as_it_is_afterwards() {
    for what in Call::ALL {
        if what == Call::Ticket {
            continue;
        }
        let response = scripted("issues", Page::Pane, what, form_of(what)).await;
        let refused = what == Call::SyncNow;
        assert_eq!(response.status().is_success(), !refused, "{what:?}");
        assert_eq!(response.headers()["tandem-page"], "pane", "{what:?}");
        let html = body(response).await;
        assert!(
            html.starts_with("<div") && element(&html, "status").is_some(),
            "{what:?}"
        );
        // Only a page that is loaded is drawn open: this one is laid over another, whose script opens.
        assert!(
            !element(&html, "activation").unwrap().contains(" open"),
            "{what:?}"
        );
        assert_eq!(
            said(&html, "alerts", "div").contains("a little often"),
            refused,
            "{what:?}"
        );
    }
    let ticket = scripted("issues", Page::Pane, Call::Ticket, "").await;
    assert_eq!(body(ticket).await, "{\"ticket\":\"once\"}");

    let undone = scripted(
        "in-step",
        Page::Settings,
        Call::UndoSession,
        form_of(Call::UndoSession),
    )
    .await;
    let html = body(undone).await;
    assert!(said(&html, "undo-told", "section").contains("3 items were left as they are."));
    let days = form_of(Call::EstimateBackfill);
    let estimated = asked("in-step", Call::EstimateBackfill, days, "settings/sync").await;
    assert!(said(&body(estimated).await, "estimate", "p").contains("about 1,200 e-mails"));
    let other = "code=123456&nonce=ab&outlook=b%40acme.example";
    let html = body(scripted("cloud-first", Page::Pane, Call::ConnectOffice, other).await).await;
    let told = said(&html, "office-error", "form");
    assert!(
        told.contains("anna@acme.example") && told.contains("b@acme.example"),
        "{told}"
    );
    assert!(
        html.contains("value=\"123456\""),
        "the code connects it all the same"
    );

    let wrong = scripted(
        "first-start",
        Page::Pane,
        Call::ConnectExchange,
        "login=&password=x",
    )
    .await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = body(wrong).await;
    assert!(said(&html, "activation-error", "div").contains(text::invalid_field(InvalidField::Login)));
    assert_eq!(
        attribute(element(&html, "login").unwrap(), "aria-invalid"),
        Some("true")
    );
    assert_eq!(said(&html, "alerts", "div"), "");
    let nobody = scripted("signed-out", Page::Pane, Call::Pause, "").await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert!(element(&body(nobody).await, "sign-in").is_some());
    let nonsense = scripted("issues", Page::Pane, Call::Cure, "issue=nonsense&cure=retry").await;
    assert!(!nonsense.status().is_success());
    assert!(said(&body(nonsense).await, "alerts", "div").contains("out of date"));
}

/// As our script calls.
async fn scripted(name: &str, page: Page, what: Call, form: &'static str) -> Response<Body> {
    let _ = any_spawner::Executor::init_tokio();
    let request = Request::post(what.path())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .expect("a request");
    call_page(page, Arc::new(states::Fake::new(name)), request).await
}

/// As our script calls from a page that has this word for itself.
async fn asked(name: &str, what: Call, form: &str, word: &str) -> Response<Body> {
    let _ = any_spawner::Executor::init_tokio();
    let request = Request::post(what.path())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(PAGE_HEADER, word)
        .body(Body::from(form.to_owned()))
        .expect("a request");
    let page = Page::parse(word).expect("a page");
    call_page(page, Arc::new(states::Fake::new(name)), request).await
}

/// The item that is open, as a form carries it.
macro_rules! item {
    () => {
        "form_token=x&item=%7B%22kind%22%3A%22email%22%2C%22mailbox%22%3A%22nina%40contoso.example%22%2C%22people%22%3A%5B%7B%22address%22%3A%22ada%40northwind.example%22%2C%22role%22%3A%22from%22%7D%5D%2C%22attachments%22%3A%5B%7B%22id%22%3A%22a%22%2C%22name%22%3A%22a.pdf%22%7D%2C%7B%22id%22%3A%22b%22%2C%22name%22%3A%22b.pdf%22%7D%5D%7D"
    };
}

/// What an item's call answers.
const fn answers_item(what: Call) -> bool {
    matches!(
        what,
        Call::Item
            | Call::ItemWhole
            | Call::ItemSearch
            | Call::SaveItem
            | Call::UnsaveItem
            | Call::BlockAddress
            | Call::UnblockAddress
            | Call::DraftPerson
            | Call::CreatePerson
            | Call::EditRecord
            | Call::LogCall
            | Call::AddTask
            | Call::RecordDetail
    )
}

/// A form that the call understands.
const fn form_of(what: Call) -> &'static str {
    match what {
        Call::ConnectExchange => "login=ada%40acme&password=right&kind=exchange&form_token=x",
        Call::ConnectOffice => "code=123456&nonce=00&form_token=x",
        Call::Cure => "issue=00000000000000000000000000000001&cure=bring_back&form_token=x",
        Call::UndoSession => "session=00000000000000000000000000000085&form_token=x",
        Call::EstimateBackfill | Call::StartBackfill => "from=2026-01-01&to=2026-02-01&form_token=x",
        Call::SaveItem => concat!(
            item!(),
            "&who%5B%5D=003000000000001AAA&who%5B%5D=003000000000002AAA&what=006000000000001AAA&attachments%5B%5D=a&thread=1"
        ),
        Call::ItemSearch => concat!(item!(), "&query=north&to=what"),
        Call::BlockAddress | Call::UnblockAddress => concat!(item!(), "&blocked=%40northwind.example"),
        Call::DraftPerson => concat!(item!(), "&address=bo%40fabrikam.example&kind=lead"),
        Call::CreatePerson => concat!(item!(), "&kind=lead&last_name=Ek&company=Fabrikam"),
        Call::EditRecord => concat!(item!(), "&record=003000000000001AAA&field=Phone&value=1"),
        Call::LogCall | Call::AddTask => concat!(item!(), "&record=003000000000001AAA&subject=Call+back"),
        Call::RecordDetail => concat!(item!(), "&record=003000000000001AAA"),
        Call::Item | Call::ItemWhole | Call::UnsaveItem => item!(),
        Call::SaveSettings => "set%5Bcontacts%5D=off&form_token=x",
        Call::ResetSettings => "keys=contacts&form_token=x",
        Call::Probe => "side=mailbox&form_token=x",
        Call::OrgPause | Call::OrgResume | Call::OrgSyncNow => "users%5B4%5D=005000000000002AAA&form_token=x",
        Call::OrgDeactivate => "all=on&verdict=failing&q=&sure=on&form_token=x",
        Call::OrgHalt | Call::OrgGoOn => "run=00000000000000000000000000000001&form_token=x",
        Call::CureIssues => "issues%5B0%5D=00000000000000000000000000000001&cure=retry&form_token=x",
        _ => "form_token=x",
    }
}

async fn call(name: &str, what: Call, form: &'static str, accept: &str) -> Response<Body> {
    let _ = any_spawner::Executor::init_tokio();
    let backend: Arc<dyn Backend> = Arc::new(states::Fake::new(name));
    let request = Request::post(what.path())
        .header(header::ACCEPT, accept)
        .header(header::REFERER, "http://pane.invalid/setup?activate=1")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .expect("a request");
    let context = move || provide_context(backend.clone());
    axum::response::IntoResponse::into_response(
        leptos_axum::handle_server_fns_with_context(context, request).await,
    )
}

#[tokio::test]
async fn every_call_of_the_browser_is_answered() {
    for what in Call::ALL {
        let response = call("issues", what, form_of(what), "application/json").await;
        let expected = if what == Call::SyncNow {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::OK
        };
        assert_eq!(response.status(), expected, "{what:?}");
        let text = body(response).await;
        match what {
            Call::Ticket => assert_eq!(text, "{\"ticket\":\"once\"}"),
            Call::EstimateBackfill => assert_eq!(text, "1200"),
            Call::ConnectOffice => assert!(
                matches!(
                    serde_json::from_str(&text),
                    Ok(tandem_types::OfficeAnswer::Connected(_))
                ),
                "{text}"
            ),
            Call::UndoSession => assert_eq!(
                serde_json::from_str::<UndoView>(&text)
                    .map(|view| view.left.len())
                    .ok(),
                Some(3),
                "{text}"
            ),
            Call::Probe => assert_eq!(
                text,
                "{\"side\":\"mailbox\",\"failed\":[\"sign_in\",\"not_tried_again\"]}"
            ),
            Call::SyncNow => {
                assert_eq!(
                    serde_json::from_str::<ApiError>(&text).unwrap(),
                    ApiError::TooOften(40)
                );
            }
            what if answers_item(what) => {
                let view: tandem_types::ItemView = serde_json::from_str(&text).unwrap();
                assert_eq!(view.item.mailbox, "nina@contoso.example", "{what:?}");
                if what == Call::SaveItem {
                    assert_eq!(view.chosen.without, ["b"], "the box that is not ticked");
                }
            }
            _ => assert!(
                serde_json::from_str::<PaneView>(&text).is_ok(),
                "{what:?}: {text}"
            ),
        }
    }
    let empty = call("in-step", Call::Pause, "", "application/json").await;
    assert_eq!(
        empty.status(),
        StatusCode::OK,
        "the browser's script sends no token in the form"
    );
}

#[tokio::test]
async fn an_open_item_that_outlook_could_not_send_is_refused() {
    let huge = format!("item={}", "x".repeat(50_000));
    for form in [
        "item=nonsense",
        "item=%7B%22kind%22%3A%22contact%22%2C%22mailbox%22%3A%22a%22%7D",
        "item=%7B%22kind%22%3A%22email%22%7D",
        &huge,
    ] {
        let form: &'static str = form.to_owned().leak();
        let answer = call("issues", Call::Item, form, "application/json").await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            serde_json::from_str::<ApiError>(&body(answer).await).unwrap(),
            ApiError::Invalid(InvalidField::Item)
        );
    }
}

#[tokio::test]
async fn refusals_keep_their_reason_on_both_ways() {
    let form = "login=&password=x";
    let scripted = call("first-start", Call::ConnectExchange, form, "application/json").await;
    assert_eq!(scripted.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        serde_json::from_str::<ApiError>(&body(scripted).await).unwrap(),
        ApiError::Invalid(InvalidField::Login)
    );

    // Without script: back to the page, which says it.
    let plain = call("first-start", Call::ConnectExchange, form, "text/html,*/*").await;
    assert_eq!(plain.status(), StatusCode::FOUND);
    let back = plain.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let html = page("first-start", Page::Setup, &back, None).await;
    assert!(
        shown(&html).contains(text::invalid_field(InvalidField::Login)),
        "{back}"
    );

    for form in [
        "",
        "issue=nonsense&cure=retry",
        "issue=00000000000000000000000000000001&cure=everything",
    ] {
        let response = call("issues", Call::Cure, form, "application/json").await;
        assert!(!response.status().is_success());
        assert_eq!(
            serde_json::from_str::<ApiError>(&body(response).await).unwrap(),
            ApiError::Forbidden
        );
    }
    let nobody = call("signed-out", Call::Pause, "", "application/json").await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_broken_query_breaks_no_page() {
    for query in [
        "__err=%%%",
        "__err=",
        "__err=bm90IGpzb24",
        "activate",
        "__path=&&&=",
        "a=b=c",
    ] {
        let html = page(
            "in-step",
            Page::Pane,
            &format!("/?{}", query.replace('%', "%25")),
            None,
        )
        .await;
        assert!(shown(&html).contains("All in step"));
    }
}

#[tokio::test]
async fn office_365_is_connected_without_script_too() {
    let html = page("cloud-first", Page::Setup, "/setup?activate=1", None).await;
    let seen = shown(&html);
    let radio = |id: &str| element(seen, id).unwrap_or_else(|| panic!("no {id}")).to_owned();
    assert!(radio("kind-office").contains("checked") && !radio("kind-office").contains("disabled"));
    assert!(!radio("kind-exchange").contains("checked"));
    let link = element(seen, "connect-office").unwrap();
    let challenge = "cd".repeat(32);
    assert_eq!(
        attribute(link, "href"),
        Some(format!("/auth/microsoft/start?n={challenge}").as_str())
    );
    let form = seen.split_once("id=\"office-form\"").unwrap().1;
    let form = form.split_once("</form>").unwrap().0;
    assert!(form.contains("action=\"/api/connect_office\"") && form.contains("method=\"post\""));
    for (name, value) in [("form_token", "f0f0f0f0"), ("nonce", "ab".repeat(32).as_str())] {
        let tag = tags(form)
            .find(|tag| attribute(tag, "name") == Some(name))
            .unwrap();
        assert_eq!(attribute(tag, "value"), Some(value), "{name}");
    }
    assert!(form.contains("name=\"code\""));
    // There is no mailbox before that it could differ from.
    assert!(!form.contains("name=\"confirmed\""));

    let html = page("microsoft-ended", Page::Setup, "/setup", None).await;
    let seen = shown(&html);
    let link = attribute(element(seen, "connect-office").unwrap(), "href").unwrap();
    assert!(
        link.contains("&amp;hint=") && link.contains("&amp;claims=%7B%22access_token"),
        "{link}"
    );
    assert!(seen.contains("name=\"confirmed\""));
    assert!(seen.contains(text::NEEDS_MICROSOFT_LEAD.get()) && seen.contains(text::CONNECTED_SINCE.get()));
    assert!(seen.contains("as=refresh") && seen.contains("as=change"));

    // Where the operator has not set it up the radio says so.
    let html = page("first-start", Page::Pane, "/", None).await;
    let seen = shown(&html);
    assert!(element(seen, "kind-office").unwrap().contains("disabled"));
    assert!(seen.contains(text::KIND_OFFICE_OFF.get()));
}

#[tokio::test]
async fn another_mailbox_is_an_error_to_a_plain_form_and_an_answer_to_a_script() {
    let form = "code=123456&nonce=ab&outlook=b%40acme.example&form_token=x";
    let told = call("cloud-first", Call::ConnectOffice, form, "application/json").await;
    assert_eq!(told.status(), StatusCode::OK);
    let told = body(told).await;
    assert_eq!(
        told,
        "{\"other_mailbox\":{\"account\":\"anna@acme.example\",\"expected\":\"b@acme.example\"}}"
    );
    let plain = call("cloud-first", Call::ConnectOffice, form, "text/html").await;
    assert!(plain.status().is_redirection(), "{}", plain.status());
    let location = plain.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert!(location.contains("__err="), "{location}");
    let confirmed = "code=123456&nonce=ab&outlook=b%40acme.example&confirmed=1&form_token=x";
    let done = call("cloud-first", Call::ConnectOffice, confirmed, "application/json").await;
    assert!(body(done).await.starts_with("{\"connected\":{"));
}

/// The page as a German reader gets it.
async fn german(name: &str, page: Page, path: &str) -> String {
    let _ = any_spawner::Executor::init_tokio();
    let backend: Arc<dyn Backend> = Arc::new(states::Fake::new(name));
    let request = Request::get(path)
        .header(header::ACCEPT_LANGUAGE, "de-AT,de;q=0.9,en;q=0.5")
        .body(Body::empty())
        .expect("a page");
    body(render(options(), page, backend, || (), request).await).await
}

/// What a page says to a reader, in the order in which it stands there: texts, names, hints.
fn says(html: &str) -> Vec<String> {
    let mut said = Vec::new();
    for part in shown(html).split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        for name in ["aria-label", "title", "placeholder", "data-label", "data-doing"] {
            said.extend(attribute(tag, name).map(str::to_owned));
        }
        if !tag.starts_with("script") && !tag.starts_with("!--") {
            said.push(text.trim().to_owned());
        } else if let Some(text) = tag.starts_with("!--").then(|| text.trim()) {
            said.push(text.to_owned());
        }
    }
    said.retain(|text| text.chars().filter(|c| c.is_alphabetic()).count() > 1);
    said
}

/// What the states' records are called and say.
const DATA: &[&str] = &[
    "&lt;b&gt;Bobby&lt;/b&gt; &amp; sons",
    "Acme Analytics",
    "Ada Lovelace",
    "Augusta Ada King, Countess of Lovelace",
    "Cher",
    "Grace Hopper",
    "Jean-Baptiste Grandgousier-Montmorency de la Fontaine",
    "Kick-off &lt;Q3&gt;",
    "Phone: the organisation wants +CC NNN NNN",
    "Title, MobilePhone",
    "acme-analytics.my.salesforce.com",
    "graph.microsoft.com",
    "أحمد الفارسي",
    "林 美咲",
];

/// What is called the same in both languages.
const NO_LANGUAGE: &[&str] = &[
    "Tandem",
    "Salesforce",
    "Office 365",
    "Exchange",
    "Server",
    "Organisation",
];

#[tokio::test]
async fn a_german_reader_finds_no_english() {
    let mut compared = 0;
    let mut left = std::collections::BTreeSet::new();
    for name in states::NAMES {
        for (kind, path) in [
            (Page::Pane, "/"),
            (Page::Setup, "/setup?activate=1"),
            (Page::Settings, "/settings"),
        ] {
            let english = says(&page(name, kind, path, None).await);
            let html = german(name, kind, path).await;
            assert!(html.contains("<html lang=\"de\">"), "{name} {path}");
            let german = says(&html);
            assert_eq!(
                english.len(),
                german.len(),
                "{name} {path}: the same page in both"
            );
            for (english, german) in english.iter().zip(&german) {
                compared += 1;
                let data = |text: &str| {
                    let text = text.trim_end_matches(", in Salesforce");
                    let parts: Vec<&str> = text.split(" · ").collect();
                    parts.iter().all(|part| {
                        NO_LANGUAGE.contains(part) || DATA.contains(part) || part.contains("example")
                    })
                };
                if english == german && !data(german) {
                    left.insert(german.clone());
                }
            }
        }
    }
    assert!(left.is_empty(), "the same in both languages: {left:#?}");
    assert!(compared > 2_000, "{compared}");
}

#[tokio::test]
async fn the_language_is_the_one_asked_for_else_of_office_else_of_the_browser() {
    for (path, accepted, lang) in [
        ("/", "", "en"),
        ("/", "de", "de"),
        ("/?lang=de", "en", "de"),
        ("/?lang=fr", "de", "de"),
        ("/?_host_Info=Outlook$Web$16.01$de-DE$$$$0", "en", "de"),
        (
            "/?_host_Info=Outlook%24Web%2416.01%24en-US%24%24%24%240",
            "de",
            "en",
        ),
        ("/?lang=en&_host_Info=Outlook$Web$16.01$de-DE$$$$0", "de", "en"),
    ] {
        let _ = any_spawner::Executor::init_tokio();
        let backend: Arc<dyn Backend> = Arc::new(states::Fake::new("in-step"));
        let request = Request::get(path)
            .header(header::ACCEPT_LANGUAGE, accepted)
            .body(Body::empty())
            .expect("a page");
        let html = body(render(options(), Page::Pane, backend, || (), request).await).await;
        assert!(
            html.contains(&format!("<html lang=\"{lang}\">")),
            "{path} {accepted}"
        );
        let status = if lang == "de" {
            "Alles abgeglichen"
        } else {
            "All in step"
        };
        assert!(shown(&html).contains(status), "{path} {accepted}");
    }
}

#[tokio::test]
async fn the_organisations_page_says_how_it_stands_or_why_not() {
    for path in states::organisation::PAGES {
        let path = path.replace("&amp;", "&");
        let (name, rest) = path.split_once('/').unwrap();
        let html = page(name, Page::Settings, &format!("/{rest}"), None).await;
        let seen = shown(&html);
        let denied = ["paused", "salesforce-ended", "failing"].contains(&name);
        assert_eq!(seen.contains("id=\"denied\""), denied, "{path}");
        assert_eq!(
            seen.contains("href=\"/settings/organisation\""),
            !denied,
            "{path}"
        );
        assert!(!seen.contains("style="), "{path}");
        if denied {
            assert!(!seen.contains("Nina Berg"), "{path}");
            continue;
        }
        let one = rest.contains("user=");
        assert_eq!(
            seen.contains("mail.acme-analytics.example"),
            name == "progress",
            "{path}"
        );
        assert_eq!(
            one && seen.contains("Grace Hopper"),
            one && name == "progress",
            "{path}"
        );
        assert!(
            one || seen.contains("who should be syncing are not.") || name == "in-step-empty",
            "{path}"
        );
        // Each button of the form leads to a call of ours, and each box is named.
        for tag in tags(seen) {
            if let Some(action) = attribute(tag, "formaction") {
                assert!(Call::ALL.iter().any(|call| call.path() == action), "{action}");
            }
            if tag.starts_with("input") && tag.contains("name=\"users[") {
                assert!(attribute(tag, "aria-label").is_some(), "{tag}");
            }
        }
    }
    let german = page(
        "in-step",
        Page::Settings,
        "/settings/organisation?lang=de&verdict=failing",
        None,
    )
    .await;
    for word in [
        "Bei 20 von 48.451, die abgleichen sollten, geschieht es nicht.",
        "Otto Lang auswählen",
        "812.404 von 1.000.000 in 24 Stunden",
        "Von 312: 19 erledigt",
    ] {
        assert!(german.contains(word), "{word}");
    }
    assert!(!german.contains("Kim Weiß auswählen"), "only those who fail");
}

#[tokio::test]
async fn what_ends_everybodys_sync_is_asked_for_first() {
    for (form, said) in [
        (
            "users%5B0%5D=005000000000002AAA&form_token=x",
            "tick that you are sure",
        ),
        ("sure=on&form_token=x", "Tick at least one user"),
    ] {
        let response = scripted("in-step", Page::Settings, Call::OrgDeactivate, form).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        let html = body(response).await;
        assert!(html.contains(said), "{html}");
    }
}

#[tokio::test]
async fn who_can_be_looked_at_is_told_in_every_part_of_the_own_settings() {
    for part in Part::ALL {
        let path = format!("/settings/{}", part.as_str());
        let told = page("progress", Page::Settings, &path, None).await;
        let line = element(&told, "seen").is_some();
        assert_eq!(line, part != Part::Organisation, "{path}");
        let alone = page("in-step", Page::Settings, &path, None).await;
        assert!(element(&alone, "seen").is_none(), "{path}");
    }
    let german = page("progress", Page::Settings, "/settings?lang=de", None).await;
    assert!(german.contains("Der Einblick zur Hilfe ist an"));
}
