use leptos::prelude::*;
use tandem_types::{ConnectionView, Direction, ItemKind, MappingRow};

use super::fields::guarded_card;
use crate::page::SettingsPage;
use crate::text::settings as words;

/// Field by field: what is what on the other side, with an example.
pub(super) fn cards(c: &ConnectionView, s: &SettingsPage) -> impl IntoView + use<> {
    let rows = s.mapping.clone().unwrap_or_default();
    let guarded: Vec<(&'static str, String)> = [
        (words::STATUS_WORDS.get(), &c.settings.task_status),
        (words::PRIORITY_WORDS.get(), &c.settings.task_priority),
    ]
    .into_iter()
    .filter(|(_, table)| !table.is_empty())
    .map(|(name, table)| {
        let pairs: Vec<String> = table
            .iter()
            .map(|(here, there)| format!("{here} → {there}"))
            .collect();
        (name, pairs.join(", "))
    })
    .collect();
    view! {
        <p class="hint">{words::MAPPING_LEAD.get()}</p>
        {ItemKind::ALL
            .into_iter()
            .map(|kind| table(kind, c.settings.direction(kind), &rows))
            .collect_view()}
        {(!guarded.is_empty()).then(|| guarded_card(guarded))}
    }
}

fn table(kind: ItemKind, direction: Direction, rows: &[MappingRow]) -> Option<impl IntoView + use<>> {
    let of_kind: Vec<_> = rows
        .iter()
        .filter(|row| row.kind == kind)
        .map(|row| {
            let (name, example) = words::field(&row.field).unwrap_or((row.field.as_str(), ""));
            view! {
                <tr>
                    <th scope="row">{name.to_owned()}</th>
                    <td>{row.there.clone()}</td>
                    <td>{example.to_owned()}</td>
                </tr>
            }
        })
        .collect();
    (!of_kind.is_empty()).then(|| {
        let id = format!("mapping-{}", kind.as_str());
        let title = format!("{id}-title");
        let named = title.clone();
        view! {
            <section class="card" id=id aria-labelledby=named>
                <h2 id=title>{words::kinds(kind)}</h2>
                <p class="hint">{words::direction(direction)}</p>
                <table class="pairs three">
                    <thead>
                        <tr>
                            <th scope="col">{words::IN_OUTLOOK.get()}</th>
                            <th scope="col">{words::IN_SALESFORCE.get()}</th>
                            <th scope="col">{words::EXAMPLE.get()}</th>
                        </tr>
                    </thead>
                    <tbody>{of_kind}</tbody>
                </table>
            </section>
        }
    })
}
