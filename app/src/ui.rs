//! The components. Each is plain HTML that works as far as it can without script.

mod activation;
mod backfill;
mod cards;
mod deactivation;
mod header;
mod issues;
mod office;
mod parts;
mod sessions;
mod settings;
mod sign_in;

pub(crate) use activation::activation_dialog;
pub(crate) use deactivation::deactivation_dialog;
pub(crate) use header::header;
pub(crate) use parts::refused;

use leptos::either::{Either, EitherOf3};
use leptos::prelude::*;

use crate::page::{Page, Ui};

/// What stands under the header: the page, or the sign-in.
pub(crate) fn body(ui: Ui) -> impl IntoView {
    let signed_in = Memo::new(move |_| ui.signed_in());
    move || {
        if signed_in.get() {
            Either::Left(match ui.page {
                Page::Pane => EitherOf3::A(cards::pane_cards(ui)),
                Page::Setup => EitherOf3::B(settings::setup_cards(ui)),
                Page::Settings => EitherOf3::C(settings::settings_cards(ui)),
            })
        } else {
            Either::Right(sign_in::sign_in_page(ui))
        }
    }
}
