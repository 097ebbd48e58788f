//! `/setup` and `/settings`: what stands behind a click of the pane.

mod blocklist;
mod charts;
mod conflicts;
mod connectivity;
mod deactivate;
mod facts;
mod fields;
mod general;
mod issues;
mod linking;
mod mapping;
mod organisation;
mod setup;
mod sync;

pub(crate) use setup::setup_cards;

use leptos::prelude::*;
use tandem_types::{ConnectionView, Timestamp};

use super::cards::{clearing_card, progress_card, state_card};
use crate::page::{PageData, SettingsPage, Told};
use crate::place::{Part, Place};
use crate::text::{self, settings as words};
use crate::ui::parts::{close, when};

/// `/settings`: the navigation, and the part that was asked for.
pub(crate) fn settings_cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let none = SettingsPage::default();
    let s = p.settings.as_deref().unwrap_or(&none);
    let part = match s.place.part {
        Part::General => general::cards(p, c, s).into_any(),
        Part::Issues => issues::cards(p, c, s).into_any(),
        Part::Sync => sync::cards(p, c, s).into_any(),
        Part::Conflicts => conflicts::cards(p, c, s).into_any(),
        Part::Linking => linking::cards(c).into_any(),
        Part::Blocklist => blocklist::cards(p, c, s).into_any(),
        Part::Connectivity => connectivity::cards(p, c).into_any(),
        Part::Mapping => mapping::cards(c, s).into_any(),
        Part::Deactivate => deactivate::cards(p, c).into_any(),
        Part::Organisation => organisation::cards(p, s).into_any(),
    };
    // What is everybody's is not the user's own.
    let own = s.place.part != Part::Organisation;
    view! {
        <h2 class="page-title">{text::SETTINGS_TITLE.get()}</h2>
        {navigation(s, c)}
        {told(p)}
        {s.seen.map(|since| seen(p, since))}
        {own.then(|| (state_card(p, c), clearing_card(p, c), progress_card(c)))}
        {part}
    }
}

fn navigation(s: &SettingsPage, c: &ConnectionView) -> impl IntoView + use<> {
    let issues = c.issues_total;
    let (shown, administrator) = (s.place.part, s.administrator);
    view! {
        <nav class="tabs" aria-label=words::NAVIGATION.get()>
            <ul>
                {Part::ALL
                    .into_iter()
                    .filter(|part| *part != Part::Organisation || administrator)
                    .map(|part| {
                        let badge = (part == Part::Issues && issues > 0)
                            .then(|| view! { <span class="badge">{text::number(issues)}</span> });
                        view! {
                            <li>
                                <a href=Place::of(part).url() aria-current=(part == shown).then_some("page")>
                                    {words::part(part).get()}
                                    {badge}
                                </a>
                            </li>
                        }
                    })
                    .collect_view()}
            </ul>
        </nav>
    }
}

/// Whoever can be looked at is told, whatever part of the settings is open.
fn seen(p: &PageData, since: Timestamp) -> impl IntoView + use<> {
    view! { <p class="hint" id="seen">{words::SEEN.get()} " " {when(p, since)} "."</p> }
}

/// What became of a form; stays until the next call.
fn told(p: &PageData) -> impl IntoView + use<> {
    let said = match &p.told {
        Some(Told::Saved) => Some(words::SAVED.get()),
        Some(Told::Reset) => Some(words::WAS_RESET.get()),
        _ => None,
    };
    view! {
        <div class="alerts" role="status" id="saved" data-stays="">
            {said.map(|said| view! { <div class="bar"><p>{said}</p> {close()}</div> })}
        </div>
    }
}
