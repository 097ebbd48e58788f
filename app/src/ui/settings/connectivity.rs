use leptos::prelude::*;
use tandem_types::ConnectionView;

use super::setup::{mail_server_card, salesforce_card};
use crate::page::PageData;

/// Both accounts.
pub(super) fn cards(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    view! {
        {p.view.viewer.as_ref().map(salesforce_card)}
        {mail_server_card(p, c)}
    }
}
