//! What the server draws. Each part is plain HTML that works as far as it can without script; the browser's script finds
//! its way by `id`s and these attributes:
//!
//! | attribute | meaning |
//! |---|---|
//! | `data-key` | rows of a list: the same row after a change |
//! | `data-live` | drawn on by the browser; a newer page only changes its attributes |
//! | `data-stays` | kept through a change that says nothing here |
//! | `data-at`, `data-moment` | a point in time (seconds since 1970), and how it is told |
//! | `data-opens`, `data-closes` | opens the dialog of this id; closes the dialog around it, or empties what stays |
//! | `data-doing` | what a button says while its call is under way |
//! | `data-code` | a form whose code ends a sign-in: of `salesforce` or `office` |
//! | `data-loads` | a form that is sent by itself once it is shown |
//! | `data-edits` | a form that holds what must not be lost |
//! | `data-keeps` | a list whose ticked rows stay, also where a newer page has them no more |
//! | `data-shuts` | closes when a form in it was done |
//! | `data-text` | a form that Outlook's text of the item is sent along with |
//! | `data-marks`, `data-unmarked` | a form before which Outlook gives the open item our category, or takes it off (`addAsync`, `removeAsync`); what is said if it cannot |
//! | `data-decides` | what is to become of what was typed: `save`, `discard`, or `show` the open item |
//! | `data-awaits` | an answer that fills it is under way |

mod activation;
mod backfill;
mod cards;
mod deactivation;
mod header;
mod issues;
mod item;
mod office;
mod parts;
mod sessions;
mod settings;
mod sign_in;

pub(crate) use activation::activation_dialog;
pub(crate) use deactivation::deactivation_dialog;
pub(crate) use header::header;
pub(crate) use item::{changed_dialog, item_panel};
pub(crate) use parts::refused;

use leptos::either::{Either, EitherOf3};
use leptos::prelude::*;

use crate::page::{Page, PageData};

/// What stands under the header: the page, or the sign-in.
pub(crate) fn body(p: &PageData) -> impl IntoView + use<> {
    match p.connection() {
        Some(c) => Either::Left(match p.page {
            Page::Pane => EitherOf3::A(cards::pane_cards(p, c)),
            Page::Setup => EitherOf3::B(settings::setup_cards(p, c)),
            Page::Settings => EitherOf3::C(settings::settings_cards(p, c)),
        }),
        None => Either::Right(sign_in::sign_in_page(p)),
    }
}
