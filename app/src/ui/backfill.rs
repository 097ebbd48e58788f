use leptos::either::Either;
use leptos::html::Input;
use leptos::prelude::*;
use tandem_types::{BackfillView, Direction, SyncState};

use super::parts::{Look, act};
use crate::call::Call;
use crate::page::{Page, Ui};
use crate::{browser, text};

/// What decides about the card: it is made anew only when one of these changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// Not while no session can run.
    Nothing,
    /// The settings keep e-mails out of Salesforce.
    Off,
    Form,
    Running,
}

/// Older e-mails, from a day to a day: estimate, start, progress, cancel. It follows the view by itself.
pub(crate) fn backfill_card(ui: Ui) -> impl IntoView {
    let last = Memo::new(move |_| {
        ui.view
            .with(|view| view.connection.as_ref().and_then(|c| c.backfill))
    });
    let offer = Memo::new(move |_| {
        ui.view.with(|view| {
            let Some(c) = &view.connection else {
                return Offer::Nothing;
            };
            if c.backfill.is_some_and(|backfill| !backfill.finished) {
                Offer::Running
            } else if c.state != SyncState::Active || c.rejections > 0 {
                Offer::Nothing
            } else if matches!(c.settings.emails, Direction::ToMailbox | Direction::Off) {
                Offer::Off
            } else {
                Offer::Form
            }
        })
    });
    move || {
        let offer = offer.get();
        (ui.page == Page::Settings && offer != Offer::Nothing).then(|| {
            view! {
                <section class="card" id="backfill" aria-labelledby="backfill-title">
                    <h2 id="backfill-title">{text::BACKFILL_TITLE}</h2>
                    <p class="hint">
                        {if offer == Offer::Off { text::BACKFILL_OFF } else { text::BACKFILL_LEAD }}
                    </p>
                    <div aria-live="polite" class="stack">
                        {move || last.get().map(|backfill| told(&backfill))}
                    </div>
                    {match offer {
                        Offer::Running => Some(Either::Left(cancel(ui))),
                        Offer::Form => Some(Either::Right(form(ui))),
                        Offer::Off | Offer::Nothing => None,
                    }}
                </section>
            }
        })
    }
}

fn told(backfill: &BackfillView) -> impl IntoView + use<> {
    let total = backfill.total.max(backfill.done);
    let bar = (!backfill.finished).then(|| {
        let known = total > 0;
        view! {
            <progress
                max=known.then_some(total)
                value=known.then_some(backfill.done)
                aria-label=text::BACKFILL_TITLE
            ></progress>
        }
    });
    view! {
        <p>{text::backfill_line(backfill)}</p>
        {bar}
    }
}

fn cancel(ui: Ui) -> impl IntoView {
    view! {
        <div class="buttons">
            {act(ui, Call::CancelBackfill, text::BACKFILL_CANCEL, Look::Plain, None, Vec::new())}
        </div>
        <p class="hint">{text::BACKFILL_CANCEL_HINT}</p>
    }
}

fn form(ui: Ui) -> impl IntoView {
    let token = ui.view.with_untracked(|view| view.form_token.clone());
    let today = text::day(ui.view.with_untracked(|view| view.now));
    // As they were estimated, where the page was loaded with the answer.
    let asked = ui.estimate.get_untracked();
    let (first, last) = asked.map_or((None, None), |asked| (Some(asked.from), Some(asked.to)));
    let (from, to) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let value = |input: NodeRef<Input>| {
        input
            .get_untracked()
            .map(|input| input.value())
            .unwrap_or_default()
    };
    view! {
        <form
            class="choose"
            method="post"
            action=Call::StartBackfill.path()
            on:submit=move |event| {
                event.prevent_default();
                browser::submit(ui, Call::StartBackfill, &event, &["from", "to"]);
            }
        >
            <input type="hidden" name="form_token" value=token/>
            <div class="days">
                <div class="field">
                    <label for="backfill-from">{text::FROM}</label>
                    <input
                        id="backfill-from"
                        name="from"
                        type="date"
                        node_ref=from
                        value=first
                        max=today.clone()
                        required
                    />
                </div>
                <div class="field">
                    <label for="backfill-to">{text::TO}</label>
                    <input
                        id="backfill-to"
                        name="to"
                        type="date"
                        node_ref=to
                        value=last
                        max=today
                        required
                    />
                </div>
            </div>
            <p id="estimate" aria-live="polite">
                {move || {
                    ui.estimate.get().map(|found| text::estimate(&found.from, &found.to, found.mails))
                }}
            </p>
            <div class="buttons">
                <button
                    type="submit"
                    class=Look::Plain.class()
                    formaction=Call::EstimateBackfill.path()
                    aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                    aria-busy=move || (ui.busy.get() == Some(Call::EstimateBackfill)).then_some("true")
                    on:click=move |event| {
                        event.prevent_default();
                        browser::estimate(ui, value(from), value(to));
                    }
                >
                    {text::ESTIMATE}
                </button>
                <button
                    type="submit"
                    class=Look::Primary.class()
                    aria-disabled=move || ui.busy.with(Option::is_some).then_some("true")
                    aria-busy=move || (ui.busy.get() == Some(Call::StartBackfill)).then_some("true")
                >
                    {text::BACKFILL_START}
                </button>
            </div>
        </form>
    }
}
