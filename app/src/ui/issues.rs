use leptos::prelude::*;
use tandem_types::{ConnectionView, IssueChoice, IssueCure, IssueView, Side};

use super::parts::{Look, act, form_token, when};
use crate::call::Call;
use crate::page::PageData;
use crate::text;

/// What is not in step, why, and what can be done. `tell_empty`: says so where nothing is.
pub(crate) fn issues_card(
    p: &PageData,
    c: &ConnectionView,
    shown: usize,
    tell_empty: bool,
) -> Option<impl IntoView + use<>> {
    let total = c.issues_total;
    let more = text::issues_more(c.issues.len().min(shown), total).map(|more| {
        let all_here = c.issues.len() <= shown;
        view! {
            <p>
                <a
                    href=(!all_here).then_some("/settings/issues")
                    target=(!all_here).then_some("_blank")
                    rel="noopener"
                >
                    {more}
                </a>
            </p>
        }
    });
    (tell_empty || !c.issues.is_empty()).then(|| {
        view! {
            <section class="card" id="issues" aria-labelledby="issues-title">
                <h2 id="issues-title">
                    {text::ISSUES_TITLE.get()}
                    {(total > 0).then(|| view! { <span class="badge">{text::number(total)}</span> })}
                </h2>
                {c.issues.is_empty().then(|| view! { <p class="hint">{text::ISSUES_EMPTY.get()}</p> })}
                <ul class="rows">
                    {c.issues.iter().take(shown).map(|issue| issue_row(p, c, issue)).collect_view()}
                </ul>
                {more}
            </section>
        }
    })
}

/// One issue, with what can be done about it.
pub(crate) fn issue_row(p: &PageData, c: &ConnectionView, issue: &IssueView) -> impl IntoView + use<> {
    let id = issue.id.to_string();
    let title = issue.title.clone();
    let has = |cure| issue.cures.contains(&cure);
    let pick = has(IssueCure::PickMatch) && !issue.choices.is_empty();
    let link = has(IssueCure::LinkTo);
    view! {
        <li data-key=id.clone()>
            <div class="line">
                <strong>{issue.title.clone()}</strong>
                <span class="hint">{when(p, issue.since)}</span>
            </div>
            <p>{text::issue(issue.code)}</p>
            {(!issue.detail.is_empty()).then(|| view! { <p class="detail">{issue.detail.clone()}</p> })}
            {pick.then(|| pick_form(p, c, &id, &title, &issue.choices))}
            {link.then(|| link_form(p, &id, &title))}
            <div class="buttons">
                {issue
                    .cures
                    .iter()
                    .filter(|cure| by_itself(**cure))
                    .map(|&cure| {
                        act(
                            p,
                            Call::Cure,
                            text::cure(cure),
                            Look::Subtle,
                            Some(text::cure_name(cure, &title)),
                            vec![("issue", id.clone()), ("cure", cure_word(cure).to_owned())],
                        )
                    })
                    .collect_view()}
                {record_url(c, issue).map(|url| open_link(url, &title))}
            </div>
        </li>
    }
}

/// Where the record of an issue is seen; `None`: it names none, or the organisation's host is not known.
fn record_url(c: &ConnectionView, issue: &IssueView) -> Option<String> {
    issue.record.as_deref().and_then(|record| url_of(c, record))
}

fn url_of(c: &ConnectionView, record: &str) -> Option<String> {
    let host = &c.crm.host;
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
        text::OPENS_IN_TAB.get()
    );
    view! {
        <a class=Look::Subtle.class() href=url target="_blank" rel="noopener" aria-label=name>
            {text::cure(IssueCure::OpenInSalesforce)}
            <span class="away" aria-hidden="true">"↗"</span>
        </a>
    }
}

/// The start of a form that carries out a cure with a choice.
fn hidden(p: &PageData, id: &str, cure: IssueCure) -> impl IntoView + use<> {
    view! {
        {form_token(p)}
        <input type="hidden" name="issue" value=id.to_owned()/>
        <input type="hidden" name="cure" value=cure_word(cure)/>
    }
}

/// One of several, and *Pair*.
fn pick_form(
    p: &PageData,
    c: &ConnectionView,
    id: &str,
    title: &str,
    choices: &[IssueChoice],
) -> impl IntoView + use<> {
    let name = text::pair_name(title);
    view! {
        <form class="choose" method="post" action=Call::Cure.path()>
            {hidden(p, id, IssueCure::PickMatch)}
            <fieldset class="choices">
                <legend>{text::PICK_LEGEND.get()}</legend>
                {choices
                    .iter()
                    .map(|choice| {
                        let said = text::choice(choice);
                        // Doubles are called the same: a look at each tells them apart.
                        let look = (choice.side == Side::Crm)
                            .then(|| url_of(c, &choice.id))
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
                >
                    {text::PAIR.get()}
                </button>
            </div>
        </form>
    }
}

/// A record to save it with.
fn link_form(p: &PageData, id: &str, title: &str) -> impl IntoView + use<> {
    let name = text::cure_name(IssueCure::LinkTo, title);
    let field = format!("record-{id}");
    view! {
        <form class="choose" method="post" action=Call::Cure.path()>
            {hidden(p, id, IssueCure::LinkTo)}
            <label for=field.clone()>{text::LINK_LABEL.get()}</label>
            <div class="row">
                <input id=field name="choice" autocomplete="off" spellcheck="false" maxlength="1024" required/>
                <button
                    type="submit"
                    class=Look::Plain.class()
                    aria-label=name
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
pub(crate) const fn cure_word(cure: IssueCure) -> &'static str {
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
