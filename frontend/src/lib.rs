//! The browser's entry: one bundle for the pane and the settings, and only `hydrate()`.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the script that the server writes into each page.
#[wasm_bindgen]
pub fn hydrate() {
    tandem_app::hydrate();
}
