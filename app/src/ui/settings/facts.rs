use leptos::prelude::*;
use tandem_types::ConnectionView;

use crate::page::PageData;
use crate::text::{self, Moment};
use crate::ui::parts::{time, when};

pub(super) fn facts(rows: Vec<(&'static str, String)>) -> impl IntoView {
    view! {
        <dl class="facts">
            {rows
                .into_iter()
                .map(|(name, value)| {
                    view! {
                        <div>
                            <dt>{name}</dt>
                            <dd>{value}</dd>
                        </div>
                    }
                })
                .collect_view()}
        </dl>
    }
}

/// The last accepted session, and the next that is due.
pub(super) fn last_accepted(p: &PageData, c: &ConnectionView) -> impl IntoView + use<> {
    let success = c.last_success;
    let due = c.next_due;
    view! {
        <dl class="facts">
            <div>
                <dt>{text::LAST_ACCEPTED.get()}</dt>
                <dd>
                    {match success {
                        Some(at) => leptos::either::Either::Left(when(p, at)),
                        None => leptos::either::Either::Right(text::NEVER.get()),
                    }}
                </dd>
            </div>
            {due
                .map(|due| {
                    view! {
                        <div>
                            <dt>{text::NEXT_SYNC.get()}</dt>
                            <dd>{time(p, Moment::Until, due)}</dd>
                        </div>
                    }
                })}
        </dl>
    }
}
