use leptos::prelude::*;
use tandem_types::{IssueChoice, IssueCure, IssueView, Side};

use super::parts::{Look, act, when};
use crate::call::Call;
use crate::page::Ui;
use crate::{browser, text};

/// What is not in step, why, and what can be done. `tell_empty`: says so where nothing is.
///
/// It follows the view by itself: a row that stays the same is kept while others come and go, with what was typed or
/// chosen in it.
pub(crate) fn issues_card(
    ui: Ui,
    shown: usize,
    tell_empty: impl Fn() -> bool + Send + Sync + 'static,
) -> impl IntoView {
    let issues = Memo::new(move |_| {
        ui.view.with(|view| {
            let connection = view.connection.as_ref();
            connection.map_or((Vec::new(), 0), |c| (c.issues.clone(), c.issues_total))
        })
    });
    let there = Memo::new(move |_| issues.with(|(issues, _)| !issues.is_empty()) || tell_empty());
    move || there.get().then(|| card(ui, issues, shown))
}

fn card(ui: Ui, issues: Memo<(Vec<IssueView>, u32)>, shown: usize) -> impl IntoView {
    let here = move || issues.with(|(issues, _)| issues.iter().take(shown).cloned().collect::<Vec<_>>());
    view! {
        <section class="card" id="issues" aria-labelledby="issues-title">
            <h2 id="issues-title">
                {text::ISSUES_TITLE}
                {move || {
                    let total = issues.with(|(_, total)| *total);
                    (total > 0).then(|| view! { <span class="badge">{text::number(total)}</span> })
                }}
            </h2>
            {move || {
                issues
                    .with(|(issues, _)| issues.is_empty())
                    .then(|| view! { <p class="hint">{text::ISSUES_EMPTY}</p> })
            }}
            <ul class="rows">
                <For each=here key=Clone::clone children=move |issue| issue_row(ui, &issue)/>
            </ul>
            {move || {
                let (known, total) = issues.with(|(issues, total)| (issues.len(), *total));
                let all_here = known <= shown;
                text::issues_more(known.min(shown), total)
                    .map(|more| {
                        view! {
                            <p>
                                <a
                                    href=(!all_here).then_some("/settings#issues")
                                    target=(!all_here).then_some("_blank")
                                    rel="noopener"
                                >
                                    {more}
                                </a>
                            </p>
                        }
                    })
            }}
        </section>
    }
}

fn issue_row(ui: Ui, issue: &IssueView) -> impl IntoView + use<> {
    let id = issue.id.to_string();
    let title = issue.title.clone();
    let has = |cure| issue.cures.contains(&cure);
    let pick = has(IssueCure::PickMatch) && !issue.choices.is_empty();
    let link = has(IssueCure::LinkTo);
    view! {
        <li>
            <div class="line">
                <strong>{issue.title.clone()}</strong>
                <span class="hint">{when(ui, issue.since)}</span>
            </div>
            <p>{text::issue(issue.code)}</p>
            {(!issue.detail.is_empty()).then(|| view! { <p class="detail">{issue.detail.clone()}</p> })}
            {pick.then(|| pick_form(ui, &id, &title, &issue.choices))}
            {link.then(|| link_form(ui, &id, &title))}
            <div class="buttons">
                {issue
                    .cures
                    .iter()
                    .filter(|cure| by_itself(**cure))
                    .map(|&cure| {
                        act(
                            ui,
                            Call::Cure,
                            text::cure(cure),
                            Look::Subtle,
                            Some(text::cure_name(cure, &title)),
                            vec![("issue", id.clone()), ("cure", cure_word(cure).to_owned())],
                        )
                    })
                    .collect_view()}
                {record_url(ui, issue).map(|url| open_link(url, &title))}
            </div>
        </li>
    }
}

/// Where the record of an issue is seen; `None`: it names none, or the organisation's host is not known.
fn record_url(ui: Ui, issue: &IssueView) -> Option<String> {
    issue.record.as_deref().and_then(|record| url_of(ui, record))
}

fn url_of(ui: Ui, record: &str) -> Option<String> {
    let host = ui
        .view
        .with_untracked(|view| view.connection.as_ref().map(|c| c.crm.host.clone()))?;
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let is_id = record.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_host && is_id).then(|| format!("https://{host}/{record}"))
}

fn open_link(url: String, title: &str) -> impl IntoView + use<> {
    let name = format!(
        "{}, {}",
        text::cure_name(IssueCure::OpenInSalesforce, title),
        text::OPENS_IN_TAB
    );
    view! {
        <a class=Look::Subtle.class() href=url target="_blank" rel="noopener" aria-label=name>
            {text::cure(IssueCure::OpenInSalesforce)}
            <span class="away" aria-hidden="true">"↗"</span>
        </a>
    }
}

/// The start of a form that carries out a cure with a choice.
fn hidden(ui: Ui, id: &str, cure: IssueCure) -> impl IntoView + use<> {
    let token = ui.view.with_untracked(|view| view.form_token.clone());
    view! {
        <input type="hidden" name="form_token" value=token/>
        <input type="hidden" name="issue" value=id.to_owned()/>
        <input type="hidden" name="cure" value=cure_word(cure)/>
    }
}

fn send(ui: Ui, event: &leptos::ev::SubmitEvent) {
    event.prevent_default();
    browser::submit(ui, Call::Cure, event, &["issue", "cure", "choice"]);
}

/// One of several, and *Pair*.
fn pick_form(ui: Ui, id: &str, title: &str, choices: &[IssueChoice]) -> impl IntoView + use<> {
    let name = text::cure_name(IssueCure::PickMatch, title);
    view! {
        <form class="choose" method="post" action=Call::Cure.path() on:submit=move |event| send(ui, &event)>
            {hidden(ui, id, IssueCure::PickMatch)}
            <fieldset class="choices">
                <legend>{text::PICK_LEGEND}</legend>
                {choices
                    .iter()
                    .map(|choice| {
                        let said = text::choice(choice);
                        // Doubles are called the same: a look at each tells them apart.
                        let look = (choice.side == Side::Crm)
                            .then(|| url_of(ui, &choice.id))
                            .flatten()
                            .map(|url| view! { <p class="look">{open_link(url, &said)}</p> });
                        view! {
                            <div>
                                <label class="kind">
                                    <input type="radio" name="choice" value=choice.id.clone() required/>
                                    <span>{said}</span>
                                </label>
                                {look}
                            </div>
                        }
                    })
                    .collect_view()}
            </fieldset>
            <div class="buttons">
                <button
                    type="submit"
                    class=Look::Plain.class()
                    aria-label=name
                    aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                >
                    {text::PAIR}
                </button>
            </div>
        </form>
    }
}

/// A record to save it with.
fn link_form(ui: Ui, id: &str, title: &str) -> impl IntoView + use<> {
    let name = text::cure_name(IssueCure::LinkTo, title);
    let field = format!("record-{id}");
    view! {
        <form class="choose" method="post" action=Call::Cure.path() on:submit=move |event| send(ui, &event)>
            {hidden(ui, id, IssueCure::LinkTo)}
            <label for=field.clone()>{text::LINK_LABEL}</label>
            <div class="row">
                <input id=field name="choice" autocomplete="off" spellcheck="false" maxlength="1024" required/>
                <button
                    type="submit"
                    class=Look::Plain.class()
                    aria-label=name
                    aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                >
                    {text::cure(IssueCure::LinkTo)}
                </button>
            </div>
        </form>
    }
}

/// A button alone does it: nothing has to be chosen first, and nothing is opened elsewhere.
const fn by_itself(cure: IssueCure) -> bool {
    match cure {
        IssueCure::Retry
        | IssueCure::Ignore
        | IssueCure::BringBack
        | IssueCure::DeleteThere
        | IssueCure::KeepMine
        | IssueCure::KeepTheirs => true,
        IssueCure::PickMatch | IssueCure::LinkTo | IssueCure::OpenInSalesforce | IssueCure::OpenInOutlook => {
            false
        }
    }
}

/// As serde writes it.
const fn cure_word(cure: IssueCure) -> &'static str {
    match cure {
        IssueCure::Retry => "retry",
        IssueCure::Ignore => "ignore",
        IssueCure::BringBack => "bring_back",
        IssueCure::DeleteThere => "delete_there",
        IssueCure::PickMatch => "pick_match",
        IssueCure::KeepMine => "keep_mine",
        IssueCure::KeepTheirs => "keep_theirs",
        IssueCure::LinkTo => "link_to",
        IssueCure::OpenInSalesforce => "open_in_salesforce",
        IssueCure::OpenInOutlook => "open_in_outlook",
    }
}
