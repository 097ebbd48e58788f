use leptos::either::{Either, EitherOf3};
use leptos::prelude::*;
use tandem_types::{
    BrakeView, ConnectionView, Counts, CrmAccount, MailboxAccount, PreviewView, ProgressPhase, Side,
    StateReason, SyncState,
};

use super::header::tone_class;
use super::issues::issues_card;
use super::parts::{Look, accounts, act, open_activation, sentence, time};
use super::sessions::sessions_card;
use super::sign_in::sign_in_button;
use crate::call::Call;
use crate::live;
use crate::page::PageData;
use crate::text::{self, Moment, Tone, Words};

/// How many issues and sessions the sidebar lists; the settings page has all.
const PANE_ISSUES: usize = 5;
const PANE_SESSIONS: usize = 3;

/// The sidebar: what needs the user first, what was done last.
pub(crate) fn pane_cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    // Only then is it true that nothing needs a look.
    let well = text::status(c, c.progress, p.view.now).tone == Tone::Good;
    view! {
        {state_card(p, c)}
        {clearing_card(p, c)}
        {progress_card(c)}
        {c.brake.as_ref().map(|brake| brake_card(p, brake))}
        {first_card(p, c)}
        {issues_card(p, c, PANE_ISSUES, well)}
        {sessions_card(p, c, PANE_SESSIONS, set_up(c))}
        {(set_up(c) && !first(c)).then(|| accounts_card(&c.crm, c.mailbox.as_ref()))}
    }
}

const fn set_up(c: &ConnectionView) -> bool {
    !matches!(c.state, SyncState::NotActivated | SyncState::Deactivated)
}

/// Before the first session.
fn first(c: &ConnectionView) -> bool {
    c.preview.is_some() || c.state == SyncState::Activating
}

/// A deactivation that takes out of the mailbox first what came from Salesforce, and both ways out of it.
pub(crate) fn clearing_card(p: &PageData, c: &ConnectionView) -> Option<impl IntoView + use<>> {
    let waits_for = c.next_due.filter(|due| c.progress.is_none() && *due > p.view.now);
    c.clearing.then(|| {
        view! {
            <section class="card state" id="clearing" aria-labelledby="clearing-title">
                <h2 id="clearing-title">{text::CLEARING_TITLE.get()}</h2>
                <p>{sentence(p, text::clearing_lead(waits_for))}</p>
                <div class="buttons">
                    {act(p, Call::KeepSync, text::KEEP_SYNC.get(), Look::Primary, None, Vec::new())}
                    {act(p, Call::Deactivate, text::DEACTIVATE_NOW.get(), Look::Plain, None, Vec::new())}
                </div>
            </section>
        }
    })
}

pub(crate) fn accounts_card(crm: &CrmAccount, mailbox: Option<&MailboxAccount>) -> impl IntoView + use<> {
    view! {
        <section class="card" id="accounts" aria-labelledby="accounts-title">
            <h2 id="accounts-title">{text::ACCOUNTS.get()}</h2>
            {accounts(crm, mailbox)}
        </section>
    }
}

/// What a state offers to do.
enum Offer {
    Activate(&'static str),
    Start,
    SignIn,
    Nothing,
}

/// The state, where it is more than the status line can say.
pub(crate) fn state_card(p: &PageData, c: &ConnectionView) -> Option<impl IntoView + use<>> {
    let mut list: &'static [Words] = &[];
    let mut refused = false;
    let cloud = p.in_the_cloud();
    let again = if cloud {
        text::CONNECT_AGAIN.get()
    } else {
        text::CHECK_LOGIN.get()
    };
    let (tone, title, lead, offer) = match (c.state, c.reason) {
        (SyncState::Deactivated, _) => (
            Tone::Quiet,
            text::OFF_TITLE.get(),
            text::OFF_LEAD.get(),
            Offer::Activate(text::SET_UP_SYNC.get()),
        ),
        (SyncState::NotActivated, _) => {
            list = &text::WITHOUT_SYNC_LIST;
            let offer = Offer::Activate(text::SET_UP_SYNC.get());
            (
                Tone::Quiet,
                text::WITHOUT_SYNC.get(),
                text::WITHOUT_SYNC_LEAD.get(),
                offer,
            )
        }
        (_, Some(StateReason::SalesforceSignInEnded)) => (
            Tone::Attention,
            text::NEEDS_CRM_TITLE.get(),
            text::NEEDS_CRM_LEAD.get(),
            Offer::SignIn,
        ),
        (_, Some(StateReason::MicrosoftSignInEnded)) => (
            Tone::Attention,
            text::NEEDS_MICROSOFT_TITLE.get(),
            text::NEEDS_MICROSOFT_LEAD.get(),
            Offer::Activate(text::CONNECT_AGAIN.get()),
        ),
        (SyncState::NeedsActivation, _) | (_, Some(StateReason::MailServerRefused)) => {
            refused = true;
            (
                Tone::Attention,
                text::NEEDS_MAIL_TITLE.get(),
                "",
                Offer::Activate(again),
            )
        }
        (SyncState::Paused, _) => (
            Tone::Quiet,
            text::PAUSED_TITLE.get(),
            text::PAUSED_LEAD.get(),
            Offer::Start,
        ),
        (_, Some(StateReason::Quota)) => (
            Tone::Attention,
            text::QUOTA_TITLE.get(),
            text::QUOTA_LEAD.get(),
            Offer::Nothing,
        ),
        (_, Some(StateReason::OrgBrake)) => (
            Tone::Attention,
            text::ORG_BRAKE_TITLE.get(),
            text::ORG_BRAKE_LEAD.get(),
            Offer::Nothing,
        ),
        (_, None) if c.rejections > 0 => {
            refused = true;
            (
                Tone::Attention,
                text::NEEDS_MAIL_TITLE.get(),
                "",
                Offer::Activate(again),
            )
        }
        (
            SyncState::Activating | SyncState::Active,
            None | Some(StateReason::StoppedByBrake | StateReason::WaitingForPreview),
        ) => return None,
    };
    let lead = if refused && cloud {
        Either::Left(sentence(p, text::refused_cloud_lead(c.rejections, c.next_due)))
    } else if refused {
        Either::Left(sentence(p, text::refused_lead(c.rejections, c.next_due)))
    } else {
        Either::Right(lead)
    };
    let offer = match offer {
        Offer::Activate(label) => Some(EitherOf3::A(
            view! { <div class="buttons">{open_activation(label, Look::Primary)}</div> },
        )),
        Offer::Start => Some(EitherOf3::B(view! {
            <div class="buttons">{act(p, Call::Start, text::START.get(), Look::Primary, None, Vec::new())}</div>
        })),
        Offer::SignIn => Some(EitherOf3::C(sign_in_button(p, text::SIGN_IN_AGAIN.get()))),
        Offer::Nothing => None,
    };
    Some(view! {
        <section class=format!("card state {}", tone_class(tone)) id="state" aria-labelledby="state-title">
            <h2 id="state-title">{title}</h2>
            <p>{lead}</p>
            {(!list.is_empty())
                .then(|| {
                    view! {
                        <ul class="plain">
                            {list.iter().map(|line| view! { <li>{line.get()}</li> }).collect_view()}
                        </ul>
                    }
                })}
            {offer}
        </section>
    })
}

/// How far the running session is; empty, and silent, while there is none.
pub(crate) fn progress_card(c: &ConnectionView) -> impl IntoView + use<> {
    let progress = c.progress;
    view! {
        <div
            id="progress"
            aria-live="polite"
            data-live="progress"
            data-phase=progress.map(|progress| phase_word(progress.phase))
            data-done=progress.map(|progress| progress.done.to_string())
            data-total=progress.map(|progress| progress.total.to_string())
        >
            {live::progress(move || progress)}
        </div>
    }
}

/// As serde writes it, in the page and in the stream of events.
const fn phase_word(phase: ProgressPhase) -> &'static str {
    match phase {
        ProgressPhase::Reading => "reading",
        ProgressPhase::Comparing => "comparing",
        ProgressPhase::Writing => "writing",
    }
}

/// What was, or would be, written to each side.
pub(crate) fn counts_table(caption: &'static str, counts: &[Counts]) -> Option<impl IntoView + use<>> {
    let rows: Vec<_> = counts
        .iter()
        .flat_map(|c| [(c.kind, Side::Crm, c.crm), (c.kind, Side::Mailbox, c.mailbox)])
        .filter(|(.., ops)| !ops.is_zero())
        .collect();
    let skips = rows.iter().any(|(.., ops)| ops.skipped > 0);
    let deletes = rows.iter().any(|(.., ops)| ops.deleted > 0);
    (!rows.is_empty()).then(|| {
        view! {
            <table>
                <caption class="unseen">{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">{text::COL_WHAT.get()}</th>
                        <th scope="col">{text::COL_NEW.get()}</th>
                        <th scope="col">{text::COL_CHANGED.get()}</th>
                        {deletes.then(|| view! { <th scope="col">{text::COL_DELETED.get()}</th> })}
                        {skips.then(|| view! { <th scope="col">{text::COL_SKIPPED.get()}</th> })}
                    </tr>
                </thead>
                <tbody>
                    {rows
                        .into_iter()
                        .map(|(kind, to, ops)| {
                            view! {
                                <tr>
                                    <th scope="row">{text::direction_row(kind, to)}</th>
                                    <td>{text::number(ops.created)}</td>
                                    <td>{text::number(ops.changed)}</td>
                                    {deletes.then(|| view! { <td>{text::number(ops.deleted)}</td> })}
                                    {skips.then(|| view! { <td>{text::number(ops.skipped)}</td> })}
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        }
    })
}

/// What the brake stopped, and the two ways on.
fn brake_card(p: &PageData, brake: &BrakeView) -> impl IntoView + use<> {
    view! {
        <section class="card state attention" id="brake" aria-labelledby="brake-title">
            <h2 id="brake-title">{text::BRAKE_TITLE.get()}</h2>
            <p>{text::BRAKE_LEAD.get()}</p>
            {brake.side_empty.then(|| view! { <p><strong>{text::BRAKE_SIDE_EMPTY.get()}</strong></p> })}
            {counts_table(text::BRAKE_LEAD.get(), &brake.counts)}
            {(brake.overwritten > 0).then(|| view! { <p>{text::overwritten(brake.overwritten)}</p> })}
            <p class="hint">{text::BRAKE_GO_ON_HINT.get()}</p>
            <div class="buttons">
                {act(p, Call::Release, text::GO_ON.get(), Look::Danger, None, Vec::new())}
                {act(p, Call::Hold, text::CANCEL.get(), Look::Plain, None, Vec::new())}
            </div>
        </section>
    }
}

/// Before the first session: both accounts, and what it will do once that is known.
fn first_card(p: &PageData, c: &ConnectionView) -> Option<impl IntoView + use<>> {
    first(c).then(|| {
        let title = if c.preview.is_some() {
            text::PREVIEW_TITLE.get()
        } else {
            text::FIRST_TITLE.get()
        };
        view! {
            <section class="card state busy" id="preview" aria-labelledby="preview-title">
                <h2 id="preview-title">{title}</h2>
                {accounts(&c.crm, c.mailbox.as_ref())}
                {match &c.preview {
                    Some(preview) => Either::Left(preview_body(p, preview)),
                    None => Either::Right(view! { <p>{text::FIRST_LEAD.get()}</p> }),
                }}
            </section>
        }
    })
}

fn preview_body(p: &PageData, preview: &PreviewView) -> impl IntoView + use<> {
    let adopted: u32 = preview.counts.iter().map(|c| c.adopted).sum();
    let table = counts_table(text::PREVIEW_LEAD.get(), &preview.counts);
    let lead = if table.is_some() || adopted > 0 {
        text::PREVIEW_LEAD.get()
    } else {
        text::PREVIEW_NOTHING.get()
    };
    view! {
        <p>{lead}</p>
        {table}
        <ul class="plain">
            {(adopted > 0).then(|| view! { <li>{text::adopted(adopted)}</li> })}
            {(preview.possible_duplicates > 0)
                .then(|| view! { <li>{text::possible_duplicates(preview.possible_duplicates)}</li> })}
        </ul>
        <p id="countdown" class="hint">
            {match preview.starts_at {
                Some(at) => Either::Left(time(p, Moment::Countdown, at)),
                None => Either::Right(text::PREVIEW_WAITS.get()),
            }}
        </p>
        <div class="buttons">{act(p, Call::Release, text::START.get(), Look::Primary, None, Vec::new())}</div>
    }
}
