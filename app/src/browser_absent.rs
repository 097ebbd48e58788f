//! On the server nothing is clicked: what the components hand to the browser goes nowhere.

use leptos::ev::SubmitEvent;

use crate::call::Call;
use crate::page::Ui;

pub(crate) fn start(_ui: Ui) {}

pub(crate) fn post(_ui: Ui, _call: Call, _fields: Vec<(&'static str, String)>) {}

pub(crate) fn submit(_ui: Ui, _call: Call, _event: &SubmitEvent, _names: &[&'static str]) {}

pub(crate) fn undo(_ui: Ui, _session: String) {}

pub(crate) fn estimate(_ui: Ui, _from: String, _to: String) {}

pub(crate) fn sign_in(_ui: Ui) -> bool {
    true
}

pub(crate) fn send_code(_ui: Ui, _code: String) {}

pub(crate) fn connect_office(_ui: Ui) -> bool {
    true
}

pub(crate) fn send_office_code(_ui: Ui, _code: &str) {}

pub(crate) fn confirm_office(_ui: Ui) {}

pub(crate) fn typing_elsewhere() -> bool {
    false
}
