//! On the server nothing is clicked: what the components hand to the browser goes nowhere.

use crate::call::Call;
use crate::page::Ui;

pub(crate) fn start(_ui: Ui) {}

pub(crate) fn post(_ui: Ui, _call: Call, _fields: Vec<(&'static str, String)>) {}

pub(crate) fn sign_in(_ui: Ui) -> bool {
    true
}

pub(crate) fn send_code(_ui: Ui, _code: String) {}

pub(crate) fn typing_elsewhere() -> bool {
    false
}
