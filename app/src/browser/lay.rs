//! Lays a new page over the one that is shown: what is the same stays the same element, so that focus, open parts and
//! what is typed survive a change elsewhere.

use leptos::wasm_bindgen::JsCast as _;
use web_sys::{Element, Node};

use super::dom;

/// `answer`: to what the user did, so that what is marked as wrong may change too.
pub(super) fn lay(shown: &Element, new: &Element, answer: bool) {
    let focused = dom::document().active_element();
    let around = focused.as_ref().and_then(|focused| focused.parent_element());
    let around: Vec<Element> = std::iter::successors(around, |one| one.parent_element()).collect();
    element(shown, new, answer);
    let Some(focused) = focused else { return };
    if focused.is_connected() {
        // What is moved loses the focus.
        if dom::document().active_element().as_ref() != Some(&focused) {
            dom::focus(&focused);
        }
    } else {
        // What had it is gone: the next key goes on from the part that it was in, or from the top of the content.
        let left = around
            .into_iter()
            .find(|one| one.is_connected() && one.get_attribute("tabindex").is_some());
        if let Some(left) = left.or_else(|| dom::by_id("main")) {
            dom::focus(&left);
        }
    }
}

fn element(shown: &Element, new: &Element, answer: bool) {
    attributes(shown, new, answer);
    let kept = shown.has_attribute("data-live") || shown.has_attribute("data-stays") && is_silent(new);
    if !kept {
        children(shown, new, answer);
    }
}

fn is_silent(element: &Element) -> bool {
    element.child_element_count() == 0 && element.text_content().is_none_or(|text| text.trim().is_empty())
}

/// What the script has set is its own.
fn attributes(shown: &Element, new: &Element, answer: bool) {
    let is_dialog = shown.tag_name() == "DIALOG";
    let own = |name: &str| {
        matches!(name, "aria-busy" | "aria-disabled")
            || is_dialog && name == "open"
            || !answer && name == "aria-invalid"
    };
    for name in names(new) {
        let value = new.get_attribute(&name);
        if !own(&name) && value != shown.get_attribute(&name) {
            dom::set(shown, &name, &value.unwrap_or_default());
        }
    }
    for name in names(shown) {
        if !own(&name) && name != "open" && !new.has_attribute(&name) {
            let _ = shown.remove_attribute(&name);
        }
    }
}

fn names(element: &Element) -> Vec<String> {
    element
        .get_attribute_names()
        .iter()
        .filter_map(|name| name.as_string())
        .collect()
}

/// What makes a child the same one in the new page; most have only their place.
fn key(node: &Node) -> Option<String> {
    let element = node.dyn_ref::<Element>()?;
    let key = element
        .get_attribute("data-key")
        .or_else(|| Some(element.id()).filter(|id| !id.is_empty()))?;
    Some(format!("{} {key}", element.tag_name()))
}

fn nodes(parent: &Element) -> impl Iterator<Item = Node> + use<> {
    std::iter::successors(parent.first_child(), Node::next_sibling)
}

fn children(shown: &Element, new: &Element, answer: bool) {
    let mut wanted: Vec<String> = nodes(new).filter_map(|node| key(&node)).collect();
    // What is ticked was meant, also where a newer page does not offer it.
    if shown.has_attribute("data-keeps") {
        let ticked = |node: &Node| {
            let row = node.dyn_ref::<Element>();
            row.is_some_and(|row| matches!(row.query_selector(":checked"), Ok(Some(_))))
        };
        wanted.extend(nodes(shown).filter(ticked).filter_map(|node| key(&node)));
    }
    let mut at = shown.first_child();
    let mut next = new.first_child();
    while let Some(node) = next {
        next = node.next_sibling();
        // Gone in the new page: removed here, so that what comes after it need not move, which would cost it the focus.
        while let Some(old) = at
            .clone()
            .filter(|old| key(old).is_some_and(|key| !wanted.contains(&key)))
        {
            at = old.next_sibling();
            let _ = shown.remove_child(&old);
        }
        let same = match key(&node) {
            Some(key_of) => std::iter::successors(at.clone(), Node::next_sibling)
                .find(|old| key(old).as_ref() == Some(&key_of)),
            None => at
                .clone()
                .filter(|old| key(old).is_none() && old.node_name() == node.node_name()),
        };
        let Some(same) = same else {
            let _ = shown.insert_before(&node, at.as_ref());
            continue;
        };
        if at.as_ref() == Some(&same) {
            at = same.next_sibling();
        } else {
            let _ = shown.insert_before(&same, at.as_ref());
        }
        match (same.dyn_ref::<Element>(), node.dyn_ref::<Element>()) {
            (Some(old), Some(new)) => element(old, new, answer),
            _ if same.node_value() != node.node_value() => same.set_node_value(node.node_value().as_deref()),
            _ => {}
        }
    }
    while let Some(old) = at {
        at = old.next_sibling();
        if key(&old).is_none_or(|key| !wanted.contains(&key)) {
            let _ = shown.remove_child(&old);
        }
    }
}
