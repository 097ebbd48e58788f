//! Takes over the parts that the browser draws on by itself.

use leptos::mount::hydrate_from;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use std::any::Any;
use std::cell::{OnceCell, RefCell};
use tandem_types::{Progress, ProgressPhase};
use web_sys::{Element, HtmlElement};

use super::dom;
use crate::live::{self, Door, Step};
use crate::text;

/// The signals behind those parts.
#[derive(Clone, Copy)]
pub(super) struct Live {
    progress: RwSignal<Option<Progress>>,
    doors: [(RwSignal<String>, RwSignal<Step>); 2],
}

thread_local! {
    static OWNER: Owner = Owner::new();
    static LIVE: OnceCell<Live> = const { OnceCell::new() };
    /// Each taken-over part, and what holds it.
    static PARTS: RefCell<Vec<(Element, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

fn live() -> Live {
    LIVE.with(|live| {
        *live.get_or_init(|| {
            OWNER.with(|owner| {
                owner.with(|| {
                    let door = || (RwSignal::new(String::new()), RwSignal::new(Step::Idle));
                    Live {
                        progress: RwSignal::new(None),
                        doors: [door(), door()],
                    }
                })
            })
        })
    })
}

fn door_of(door: Door) -> (RwSignal<String>, RwSignal<Step>) {
    live().doors[match door {
        Door::Salesforce => 0,
        Door::Office => 1,
    }]
}

/// Where the window starts, also for the link.
pub(super) fn url(door: Door) -> String {
    door_of(door).0.get_untracked()
}

pub(super) fn set_url(door: Door, url: String) {
    let signal = door_of(door).0;
    if signal.with_untracked(|old| *old != url) {
        signal.set(url);
    }
}

pub(super) fn step(door: Door, step: Step) {
    let signal = door_of(door).1;
    if signal.get_untracked() != step {
        signal.set(step);
    }
}

/// Takes over what is new in the page, lets go what is no longer in it, and reads what the page says of the rest.
pub(super) fn hydrate() {
    PARTS.with_borrow_mut(|parts| parts.retain(|(element, _)| element.is_connected()));
    for element in dom::here("[data-live]") {
        let what = element.get_attribute("data-live").unwrap_or_default();
        let known = PARTS.with_borrow(|parts| parts.iter().any(|(part, _)| *part == element));
        if what == "progress" {
            set_progress(read(&element));
        }
        if known {
            continue;
        }
        let Ok(root) = element.clone().dyn_into::<HtmlElement>() else {
            continue;
        };
        let handle: Box<dyn Any> = if let Some(door) = Door::parse(&what) {
            let label = element.get_attribute("data-label").unwrap_or_default();
            let (url, step) = door_of(door);
            // As it was drawn, or the link would lead nowhere until the nonce is there.
            let link = element.first_element_child();
            url.set(
                link.and_then(|link| link.get_attribute("href"))
                    .unwrap_or_default(),
            );
            step.set(Step::Idle);
            Box::new(hydrate_from(root, move || {
                live::door(door, label, move || url.get(), move || step.get())
            }))
        } else {
            let progress = live().progress;
            Box::new(hydrate_from(root, move || live::progress(move || progress.get())))
        };
        PARTS.with_borrow_mut(|parts| parts.push((element, handle)));
    }
}

/// What the page says of the progress.
fn read(element: &Element) -> Option<Progress> {
    let count = |name| element.get_attribute(name)?.parse().ok();
    Some(Progress {
        phase: phase(&element.get_attribute("data-phase")?)?,
        done: count("data-done")?,
        total: count("data-total")?,
    })
}

pub(super) fn phase(word: &str) -> Option<ProgressPhase> {
    match word {
        "reading" => Some(ProgressPhase::Reading),
        "comparing" => Some(ProgressPhase::Comparing),
        "writing" => Some(ProgressPhase::Writing),
        _ => None,
    }
}

fn set_progress(progress: Option<Progress>) {
    let signal = live().progress;
    if signal.get_untracked() != progress {
        signal.set(progress);
    }
}

/// A step of a running session: newer than the page.
pub(super) fn progressed(progress: Progress) {
    set_progress(Some(progress));
    if let Some(status) = dom::by_id("status").filter(|status| status.has_attribute("data-follows")) {
        status.set_text_content(Some(&text::progress_line(progress)));
        status.set_class_name("status busy");
        // The card speaks.
        dom::set(&status, "aria-live", "off");
    }
}
