//! One line that says how it stands with the item, and what can be done about it.

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{ItemKind, ItemState, ItemView, NotSaved, OpenMode};

use super::super::header::tone_class;
use super::super::issues::issue_row;
use super::super::parts::{Look, act, open_activation, when};
use super::{open, save};
use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, Tone, Words, item as words};

/// What the state says, and which *Save* it offers.
struct Said {
    tone: Tone,
    line: Words,
    lead: Option<String>,
    save: Option<save::Offer>,
}

fn said(view: &ItemView) -> Said {
    let say = |tone, line, lead: Option<&str>, save| Said {
        tone,
        line,
        lead: lead.map(ToOwned::to_owned),
        save,
    };
    let composed = view.item.mode == OpenMode::Compose;
    let is_new = composed && view.item.kind == ItemKind::Event && view.item.id.is_none();
    match &view.state {
        ItemState::SyncOff => say(
            Tone::Quiet,
            words::SYNC_OFF,
            Some(words::SYNC_OFF_LEAD.get()),
            None,
        ),
        ItemState::OtherMailbox { owner } => Said {
            tone: Tone::Quiet,
            line: words::OTHER_MAILBOX,
            lead: Some(words::other_mailbox(owner)),
            save: None,
        },
        // What is not sent yet is only marked.
        _ if composed && view.item.kind == ItemKind::Email && view.item.marked => say(
            Tone::Good,
            words::WHEN_SENT,
            Some(words::WHEN_SENT_LEAD.get()),
            Some(save::Offer::NotWhenSent),
        ),
        _ if composed && view.item.kind == ItemKind::Email => say(
            Tone::Quiet,
            words::UNKNOWN,
            Some(words::DRAFT_LEAD.get()),
            Some(save::Offer::WhenSent),
        ),
        ItemState::Unknown | ItemState::NotSaved(_) if is_new => say(
            Tone::Quiet,
            words::UNKNOWN,
            Some(words::UNSAVED_EVENT.get()),
            None,
        ),
        ItemState::Saved { .. } => say(Tone::Good, words::SAVED, None, Some(save::Offer::Again)),
        ItemState::Saving => say(Tone::Busy, words::SAVING, None, None),
        ItemState::WillBeSaved(rule) => say(
            Tone::Good,
            words::WILL_BE_SAVED,
            Some(words::save_rule(*rule)),
            Some(save::Offer::Now),
        ),
        ItemState::NotSaved(why) => say(
            Tone::Quiet,
            words::NOT_SAVED,
            Some(words::not_saved(*why)),
            why.by_hand().then_some(save::Offer::AllTheSame),
        ),
        ItemState::Issue(_) => say(Tone::Attention, words::CANNOT_BE_SAVED, None, None),
        ItemState::Unknown if view.whole => say(
            Tone::Quiet,
            words::UNKNOWN,
            Some(words::UNKNOWN_LEAD.get()),
            Some(save::Offer::First),
        ),
        // The rest says more in a moment.
        ItemState::Unknown => say(Tone::Quiet, words::UNKNOWN, None, None),
    }
}

pub(super) fn card(p: &PageData, view: &ItemView) -> impl IntoView + use<> {
    let said = said(view);
    let class = if said.tone == Tone::Attention {
        "card attention"
    } else {
        "card"
    };
    let since = match &view.state {
        ItemState::Saved {
            since: Some(since), ..
        } => Some(view! {
            ", "
            {when(p, *since)}
        }),
        _ => None,
    };
    let issue = match (&view.state, p.connection()) {
        (ItemState::Issue(issue), Some(c)) => Some(view! { <ul class="rows">{issue_row(p, c, issue)}</ul> }),
        _ => None,
    };
    view! {
        <section class=class id="item-state" tabindex="-1" aria-labelledby="item-subject">
            <h2 id="item-subject">{words::subject(&view.item.subject).to_owned()}</h2>
            <p id="item-line" role="status" class=format!("status {}", tone_class(said.tone))>
                <span>{said.line.get()} {since}</span>
            </p>
            {said.lead.map(|lead| view! { <p>{lead}</p> })}
            {issue}
            {cures(p, view)}
            {save::save(p, view, said.save)}
        </section>
    }
}

/// What else can be done than *Save*.
fn cures(p: &PageData, view: &ItemView) -> impl IntoView + use<> {
    let settings = || {
        view! {
            <a class="button subtle" href="/settings" target="_blank" rel="noopener">
                {words::IN_SETTINGS.get()}
                <span class="away" role="img" aria-label=text::OPENS_IN_TAB.get()>"↗"</span>
            </a>
        }
    };
    // A saved mail stands; what is kept in step can be taken out.
    let taken_out = view.item.kind == ItemKind::Event;
    let buttons = match &view.state {
        ItemState::Saved { record, .. } => Some(Either::Left(view! {
            {open(record)}
            {taken_out
                .then(|| act(p, Call::UnsaveItem, words::UNSAVE.get(), Look::Subtle, None, Vec::new()))}
        })),
        ItemState::SyncOff => Some(Either::Right(Either::Left(open_activation(
            text::SET_UP_SYNC.get(),
            Look::Primary,
        )))),
        ItemState::NotSaved(
            NotSaved::Off
            | NotSaved::AutoSaveOff
            | NotSaved::OutOfWindow
            | NotSaved::TooOld
            | NotSaved::Blocklisted,
        ) => Some(Either::Right(Either::Right(settings()))),
        _ => None,
    };
    let hint = (taken_out && matches!(view.state, ItemState::Saved { .. }))
        .then(|| view! { <p class="hint">{words::UNSAVE_HINT.get()}</p> });
    buttons.map(|buttons| {
        view! {
            <div class="buttons">{buttons}</div>
            {hint}
        }
    })
}
