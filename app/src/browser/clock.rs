//! Keeps ages and count-downs true, by the server's clock.

use leptos::leptos_dom::helpers::set_interval;
use std::cell::Cell;
use std::time::Duration;
use tandem_types::Timestamp;

use super::{dialogs, dom, refresh};
use crate::text::Moment;

thread_local! {
    /// When the page that is shown arrived, in milliseconds of the browser's clock.
    static ARRIVED: Cell<f64> = const { Cell::new(0.0) };
    static TICKS: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn arrived() {
    ARRIVED.set(js_sys::Date::now());
}

pub(super) fn start() {
    set_interval(
        || {
            let ticks = TICKS.get().wrapping_add(1);
            TICKS.set(ticks);
            // A count-down moves each second, ages do not.
            tell(ticks.is_multiple_of(5));
            if ticks.is_multiple_of(5) {
                dialogs::open_by_itself();
            }
        },
        Duration::from_secs(1),
    );
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since the page was loaded fit"
)]
fn tell(all: bool) {
    let Some(page) = dom::page() else {
        return;
    };
    let elapsed = ((js_sys::Date::now() - ARRIVED.get()) / 1000.0) as i64;
    let now = Timestamp(dom::number(&page, "data-now").unwrap_or_default()).plus_seconds(elapsed);
    let selector = if all {
        "[data-moment]"
    } else {
        "[data-moment=countdown]"
    };
    for element in dom::all(&page, selector) {
        let moment = element
            .get_attribute("data-moment")
            .and_then(|word| Moment::parse(&word));
        if let (Some(moment), Some(at)) = (moment, dom::number(&element, "data-at")) {
            let said = moment.say(Timestamp::from_seconds(at), now);
            if element.text_content().as_deref() != Some(&said) {
                element.set_text_content(Some(&said));
            }
        }
    }
    // From now on the page would claim more than is known.
    if all && dom::number(&page, "data-again").is_some_and(|seconds| seconds < elapsed) {
        let _ = page.remove_attribute("data-again");
        refresh();
    }
}
