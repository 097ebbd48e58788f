use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{BackfillView, ConnectionView, Direction, SyncState};

use super::parts::{Look, act, form_token};
use crate::call::Call;
use crate::page::{PageData, Told};
use crate::text;

/// What the card offers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// Not while no session can run.
    Nothing,
    /// The settings keep e-mails out of Salesforce.
    Off,
    Form,
    Running,
}

fn offer(c: &ConnectionView) -> Offer {
    if c.backfill.is_some_and(|backfill| !backfill.finished) {
        Offer::Running
    } else if c.state != SyncState::Active || c.rejections > 0 {
        Offer::Nothing
    } else if matches!(c.settings.emails, Direction::ToMailbox | Direction::Off) {
        Offer::Off
    } else {
        Offer::Form
    }
}

/// Older e-mails, from a day to a day: estimate, start, progress, cancel.
pub(crate) fn backfill_card(p: &PageData, c: &ConnectionView) -> Option<impl IntoView + use<>> {
    let offer = offer(c);
    let lead = if offer == Offer::Off {
        text::BACKFILL_OFF.get()
    } else {
        text::BACKFILL_LEAD.get()
    };
    let way = match offer {
        Offer::Running => Some(Either::Left(cancel(p))),
        Offer::Form => Some(Either::Right(form(p))),
        Offer::Off | Offer::Nothing => None,
    };
    (offer != Offer::Nothing).then(|| {
        view! {
            <section class="card" id="backfill" aria-labelledby="backfill-title">
                <h2 id="backfill-title">{text::BACKFILL_TITLE.get()}</h2>
                <p class="hint">{lead}</p>
                <div aria-live="polite" class="stack">
                    {c.backfill.as_ref().map(told)}
                </div>
                {way}
            </section>
        }
    })
}

fn told(backfill: &BackfillView) -> impl IntoView + use<> {
    let total = backfill.total.max(backfill.done);
    let done = backfill.done;
    let bar = (!backfill.finished).then(|| {
        let known = total > 0;
        view! {
            <progress
                max=known.then_some(total)
                value=known.then_some(done)
                aria-label=text::BACKFILL_TITLE.get()
            ></progress>
        }
    });
    view! {
        <p>{text::backfill_line(backfill)}</p>
        {bar}
    }
}

fn cancel(p: &PageData) -> impl IntoView + use<> {
    view! {
        <div class="buttons">
            {act(p, Call::CancelBackfill, text::BACKFILL_CANCEL.get(), Look::Plain, None, Vec::new())}
        </div>
        <p class="hint">{text::BACKFILL_CANCEL_HINT.get()}</p>
    }
}

fn form(p: &PageData) -> impl IntoView + use<> {
    let today = text::day(p.view.now);
    // As they were estimated, where this is the answer.
    let estimate = match &p.told {
        Some(Told::Estimate(estimate)) => Some(estimate),
        _ => None,
    };
    let (first, last) = estimate.map_or((None, None), |e| (Some(e.from.clone()), Some(e.to.clone())));
    view! {
        <form class="choose" method="post" action=Call::StartBackfill.path()>
            {form_token(p)}
            <div class="days">
                <div class="field">
                    <label for="backfill-from">{text::FROM.get()}</label>
                    <input id="backfill-from" name="from" type="date" value=first max=today.clone() required/>
                </div>
                <div class="field">
                    <label for="backfill-to">{text::TO.get()}</label>
                    <input id="backfill-to" name="to" type="date" value=last max=today required/>
                </div>
            </div>
            <p id="estimate" aria-live="polite" data-stays="">
                {estimate.map(|found| text::estimate(&found.from, &found.to, found.mails))}
            </p>
            <div class="buttons">
                <button type="submit" class=Look::Plain.class() formaction=Call::EstimateBackfill.path()>
                    {text::ESTIMATE.get()}
                </button>
                <button type="submit" class=Look::Primary.class()>
                    {text::BACKFILL_START.get()}
                </button>
            </div>
        </form>
    }
}
