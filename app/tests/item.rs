//! The panel of the open item, drawn for each state that it can be in, and read.

#[path = "../examples/gallery/item.rs"]
mod item;
#[expect(dead_code, reason = "the gallery and the other tests use the rest")]
#[path = "../examples/gallery/states.rs"]
mod states;

use std::collections::BTreeSet;

use tandem_app::text::{self, Lang, item as words};
use tandem_app::{Call, Page, PageData, draw};
use tandem_types::{
    Blocked, Found, IssueCode, IssueCure, IssueView, ItemKind, ItemState, ItemTrouble, ItemView, LinkTo,
    NotSaved, OpenAttachment, OpenItem, OpenMode, OpenPerson, PersonDraft, PersonKind, PersonRole,
    RecordDetail, SaveRule,
};

use item::{record, whole};

/// A mail of somebody who is known, to somebody who is not, and to a colleague.
fn mail() -> OpenItem {
    let person = |address: &str, name: &str, role| OpenPerson {
        address: address.to_owned(),
        name: name.to_owned(),
        role,
    };
    OpenItem {
        kind: ItemKind::Email,
        mode: OpenMode::Read,
        id: Some("AAMkAD=".to_owned()),
        rest_id: None,
        message_id: Some("<1@northwind.example>".to_owned()),
        conversation: None,
        mailbox: "nina@contoso.example".to_owned(),
        owner: None,
        subject: "Offer for 2027".to_owned(),
        people: vec![
            person("ada@northwind.example", "Ada Lind", PersonRole::From),
            person("bo@fabrikam.example", "Bo Ek", PersonRole::Cc),
            person("max@contoso.example", "Max", PersonRole::To),
        ],
        start: None,
        end: None,
        series: false,
        attachments: vec![
            OpenAttachment {
                id: "file-1".to_owned(),
                name: "Offer.pdf".to_owned(),
                size: 48_213,
                inline: false,
            },
            OpenAttachment {
                id: "picture-1".to_owned(),
                name: "image001.png".to_owned(),
                size: 900,
                inline: true,
            },
        ],
        marked: false,
        text: None,
    }
}

fn composed() -> OpenItem {
    OpenItem {
        mode: OpenMode::Compose,
        ..mail()
    }
}

fn in_state(state: ItemState) -> ItemView {
    ItemView {
        state,
        ..whole(mail())
    }
}

fn issue() -> IssueView {
    IssueView {
        id: "0123456789abcdef0123456789abcdef".parse().expect("an id"),
        kind: ItemKind::Email,
        code: IssueCode::StorageFull,
        title: "Offer for 2027".to_owned(),
        detail: "STORAGE_LIMIT_EXCEEDED".to_owned(),
        since: states::NOW,
        cures: vec![IssueCure::Retry, IssueCure::Ignore],
        choices: Vec::new(),
        record: None,
    }
}

/// Everything that an answer can hold.
fn full() -> ItemView {
    let mut view = whole(mail());
    view.people[0].blocked = Some(Blocked {
        entry: "@northwind.example".to_owned(),
        by_user: true,
    });
    view.people[0].cases = vec![record("Case", "500000000000001AAA", "Broken lid", "New")];
    ItemView {
        found: Some(Found {
            query: "nor".to_owned(),
            to: LinkTo::What,
            records: vec![
                record("Account", "001000000000001AAA", "Northwind", "Customer"),
                record("Account", "001000000000002AAA", "Norden", ""),
            ],
            more: true,
        }),
        created: Some(record("Task", "00T000000000009AAA", "Call back", "").rec),
        detail: Some(RecordDetail {
            rec: view.people[0].records[0].rec.clone(),
            related: Vec::new(),
            files: Vec::new(),
            timeline: Vec::new(),
        }),
        draft: Some(PersonDraft {
            kind: PersonKind::Lead,
            first_name: "Bo".to_owned(),
            last_name: "Ek".to_owned(),
            company: "Fabrikam".to_owned(),
            account: None,
            email: "bo@fabrikam.example".to_owned(),
            phone: "+46 8 5550100".to_owned(),
            title: "Buyer".to_owned(),
        }),
        trouble: Some(ItemTrouble::SalesforceSlow),
        ..view
    }
}

fn page_of(view: Option<ItemView>, lang: Lang) -> String {
    draw(&PageData {
        item: view,
        lang,
        ..PageData::new(Page::Pane, states::view("in-step"))
    })
}

/// The panel alone.
fn panel(view: ItemView) -> String {
    panel_in(view, Lang::En)
}

fn panel_in(view: ItemView, lang: Lang) -> String {
    let html = page_of(Some(view), lang);
    let from = html.find("<section id=\"item\"").expect("a panel");
    let mut open = 0;
    for (at, _) in html[from..].match_indices("section") {
        match &html[from..from + at] {
            before if before.ends_with("</") => open -= 1,
            before if before.ends_with('<') => open += 1,
            _ => {}
        }
        if open == 0 {
            return html[from..from + at].to_owned();
        }
    }
    panic!("the panel does not end: {html}")
}

fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag))
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next()
}

/// The forms of some HTML: the tag, and what stands in it.
fn forms(html: &str) -> Vec<(&str, &str)> {
    html.split("<form")
        .skip(1)
        .filter_map(|rest| rest.split_once("</form>")?.0.split_once('>'))
        .collect()
}

fn has_call(html: &str, call: Call) -> bool {
    forms(html)
        .iter()
        .any(|(tag, _)| attribute(tag, "action") == Some(call.path()))
}

#[test]
fn each_state_says_how_it_stands_and_what_can_be_done() {
    let record = record("EmailMessage", "02s000000000001AAA", "Offer for 2027", "").rec;
    let saved = ItemState::Saved {
        record,
        since: Some(states::NOW.plus_seconds(-7_200)),
    };
    let other = ItemState::OtherMailbox {
        owner: "sales@contoso.example".to_owned(),
    };
    let save = |words: text::Words| Some(words.get());
    for (state, said, button, more) in [
        (
            saved,
            "Saved in Salesforce, <time",
            save(words::SAVE_CHANGES),
            "2 hours ago",
        ),
        (ItemState::Saving, words::SAVING.get(), None, ""),
        (
            ItemState::WillBeSaved(SaveRule::MailWithMatch),
            words::WILL_BE_SAVED.get(),
            save(words::SAVE_NOW),
            words::save_rule(SaveRule::MailWithMatch),
        ),
        (
            ItemState::NotSaved(NotSaved::InternalOnly),
            words::NOT_SAVED.get(),
            save(words::SAVE_ALL_THE_SAME),
            words::not_saved(NotSaved::InternalOnly),
        ),
        (
            ItemState::NotSaved(NotSaved::Off),
            words::NOT_SAVED.get(),
            None,
            words::IN_SETTINGS.get(),
        ),
        (
            ItemState::Issue(Box::new(issue())),
            words::CANNOT_BE_SAVED.get(),
            None,
            "STORAGE_LIMIT_EXCEEDED",
        ),
        (
            ItemState::Unknown,
            words::UNKNOWN.get(),
            save(words::SAVE),
            words::UNKNOWN_LEAD.get(),
        ),
        (
            ItemState::SyncOff,
            words::SYNC_OFF.get(),
            None,
            text::SET_UP_SYNC.get(),
        ),
        (other, words::OTHER_MAILBOX.get(), None, "sales@contoso.example"),
    ] {
        let html = panel(in_state(state.clone()));
        let line = html.split("id=\"item-line\"").nth(1).expect("a line");
        let line = line.split("</p>").next().expect("a line").replace("<!>", "");
        assert!(line.contains(said), "{state:?}: {line}");
        assert!(html.contains(more), "{state:?} without “{more}”: {html}");
        assert_eq!(has_call(&html, Call::SaveItem), button.is_some(), "{state:?}");
        if let Some(button) = button {
            assert!(html.contains(&format!(">{button}</button>")), "{state:?}: {html}");
        }
        // Whom it is about does not depend on whether it is saved.
        assert!(html.contains("Ada Lind"), "{state:?}");
    }
    let issue = panel(in_state(ItemState::Issue(Box::new(issue()))));
    assert!(has_call(&issue, Call::Cure), "the cure: {issue}");
}

#[test]
fn a_draft_is_marked_by_outlook_and_not_ordered() {
    for (marked, method, button) in [
        (false, "addAsync", words::SAVE_WHEN_SENT),
        (true, "removeAsync", words::DO_NOT_SAVE),
    ] {
        let item = OpenItem { marked, ..composed() };
        let html = panel(ItemView {
            state: ItemState::NotSaved(NotSaved::Draft),
            ..whole(item)
        });
        let marks: Vec<_> = forms(&html)
            .into_iter()
            .filter_map(|(tag, _)| attribute(tag, "data-marks"))
            .collect();
        assert_eq!(marks, [method], "{html}");
        assert!(html.contains(button.get()), "{html}");
        assert!(!has_call(&html, Call::SaveItem), "{html}");
        assert_eq!(html.contains(words::WHEN_SENT.get()), marked);
    }
    assert!(!panel(whole(mail())).contains("data-marks"));
}

#[test]
fn an_event_that_outlook_has_not_saved_cannot_be_ordered() {
    let event = |id: Option<&str>| ItemView {
        state: ItemState::Unknown,
        ..whole(OpenItem {
            kind: ItemKind::Event,
            id: id.map(ToOwned::to_owned),
            ..composed()
        })
    };
    let new = panel(event(None));
    assert!(
        new.contains(words::UNSAVED_EVENT.get()) && !has_call(&new, Call::SaveItem),
        "{new}"
    );
    assert!(has_call(&panel(event(Some("AAMkAD="))), Call::SaveItem));
}

#[test]
fn only_what_is_kept_in_step_is_taken_out_again() {
    for (kind, out) in [(ItemKind::Event, true), (ItemKind::Email, false)] {
        let html = panel(ItemView {
            state: ItemState::Saved {
                record: record("Event", "00U000000000001AAA", "Offer for 2027", "").rec,
                since: None,
            },
            ..whole(OpenItem { kind, ..mail() })
        });
        assert_eq!(has_call(&html, Call::UnsaveItem), out, "{kind:?}");
    }
}

#[test]
fn what_is_not_known_yet_is_asked_for_and_leaves_the_rest_as_it_is() {
    let html = panel(ItemView::new(mail(), ItemState::Unknown));
    let loads: Vec<_> = forms(&html)
        .into_iter()
        .filter(|(tag, _)| attribute(tag, "data-loads").is_some())
        .collect();
    assert_eq!(loads.len(), 1, "{html}");
    assert_eq!(attribute(loads[0].0, "action"), Some(Call::ItemWhole.path()));
    for silent in ["item-people", "item-save", "item-told"] {
        let rest = html.split(&format!("id=\"{silent}\"")).nth(1).expect(silent);
        let inside = rest
            .split_once('>')
            .expect(silent)
            .1
            .split("</div>")
            .next()
            .expect(silent);
        assert_eq!(
            inside.replace("<!>", "").trim(),
            "",
            "{silent} says something: {html}"
        );
    }
    // Asked again only by a press, once a provider has not answered.
    let tired = panel(ItemView {
        trouble: Some(ItemTrouble::SalesforceSlow),
        ..ItemView::new(mail(), ItemState::Unknown)
    });
    assert!(!tired.contains("data-loads"), "{tired}");
    assert!(has_call(&tired, Call::ItemWhole), "{tired}");
}

#[test]
fn a_page_that_knows_of_no_item_says_nothing_of_it() {
    let html = page_of(None, Lang::En);
    let rest = html.split("<section id=\"item\"").nth(1).expect("a panel");
    let inside = rest
        .split_once('>')
        .expect("a panel")
        .1
        .split("</section>")
        .next();
    assert_eq!(
        inside.map(|inside| inside.replace("<!>", "")).as_deref(),
        Some(""),
        "{html}"
    );
    for (page, name) in [
        (Page::Settings, "in-step"),
        (Page::Setup, "in-step"),
        (Page::Pane, "signed-out"),
    ] {
        let html = draw(&PageData::new(page, states::view(name)));
        assert!(
            !html.contains("id=\"item\"") && !html.contains("item-changed"),
            "{page:?}"
        );
    }
}

#[test]
fn all_of_it_is_plain_forms_with_names() {
    for view in [
        full(),
        in_state(ItemState::Issue(Box::new(issue()))),
        ItemView::new(mail(), ItemState::Unknown),
    ] {
        let html = panel(view);
        assert!(!html.contains(" style=") && !html.contains("<script"), "{html}");
        for (tag, inside) in forms(&html) {
            let action = attribute(tag, "action").unwrap_or_default();
            assert!(
                Call::of(action).is_some() && attribute(tag, "method") == Some("post"),
                "{tag}"
            );
            assert!(inside.contains("name=\"form_token\""), "{tag}");
        }
        let labels: BTreeSet<_> = tags(&html).filter_map(|tag| attribute(tag, "for")).collect();
        let mut ids = BTreeSet::new();
        for tag in tags(&html) {
            if let Some(id) = attribute(tag, "id") {
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
            }
            let is_field = tag.starts_with("input ") || tag.starts_with("textarea ");
            let kind = attribute(tag, "type").unwrap_or_default();
            // A box stands in its label.
            if is_field && !matches!(kind, "hidden" | "checkbox" | "radio") {
                let labelled = attribute(tag, "id").is_some_and(|id| labels.contains(id));
                assert!(
                    labelled || attribute(tag, "aria-label").is_some(),
                    "no name: {tag}"
                );
            }
            if tag.starts_with("a ") && tag.contains("_blank") {
                assert_eq!(attribute(tag, "rel"), Some("noopener"), "{tag}");
            }
        }
    }
}

#[test]
fn a_full_answer_shows_all_of_its_parts() {
    let html = panel(full());
    for call in [
        Call::ItemSearch,
        Call::SaveItem,
        Call::UnblockAddress,
        Call::BlockAddress,
        Call::CreatePerson,
        Call::EditRecord,
        Call::LogCall,
        Call::AddTask,
        Call::RecordDetail,
        Call::ItemWhole,
    ] {
        assert!(has_call(&html, call), "no {call:?}");
    }
    for words in [
        "Broken lid",
        "Task created: Call back",
        "Northwind 2027",
        words::FOUND_MORE.get(),
        words::DETAIL_NONE.get(),
        "value=\"Fabrikam\"",
        "Offer.pdf",
        "49 kB",
    ] {
        assert!(html.contains(words), "no {words}");
    }
    // What is offered already is not found once more.
    assert_eq!(
        html.matches("name=\"what\" value=\"001000000000001AAA\"").count(),
        1,
        "{html}"
    );
    assert_eq!(
        html.matches("name=\"what\" value=\"001000000000002AAA\"").count(),
        1,
        "{html}"
    );
    // A picture of the text is saved with it, but not asked about.
    assert!(!html.contains("image001.png"), "{html}");
    assert!(
        html.contains("type=\"hidden\" name=\"attachments[]\" value=\"picture-1\""),
        "{html}"
    );
    // A colleague needs no record.
    let max = html.split("person max@contoso.example").nth(1).expect("Max");
    assert!(!max.contains(Call::DraftPerson.path()), "{max}");
}

#[test]
fn what_others_wrote_stays_text() {
    let mut view = whole(OpenItem {
        subject: "<script>alert(1)</script>".to_owned(),
        ..mail()
    });
    view.people[0].person.name = "\"><img src=x onerror=alert(1)>".to_owned();
    view.people[0].records[0].rec.url = "javascript:alert(1)".to_owned();
    let html = panel(view);
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(!html.contains("javascript:"), "{html}");
}

#[test]
fn the_panel_speaks_german() {
    let html = panel_in(full(), Lang::De);
    for words in [
        "Wird in Salesforce gespeichert",
        "Jetzt speichern",
        "Anruf erfassen",
        "Aufgabe angelegt: Call back",
        "Lead anlegen",
        "Nachname",
        "Offene Opportunities",
        "Salesforce antwortet gerade nicht.",
        "Es gibt noch mehr",
        "Niemanden von fabrikam.example",
    ] {
        assert!(html.contains(words), "no {words}");
    }
    for english in [
        "Log a call",
        "Add a task",
        "Save now",
        "Open in Salesforce",
        "Do not sync",
        ">Search<",
        "Related to",
    ] {
        assert!(!html.contains(english), "English: {english}");
    }
}
