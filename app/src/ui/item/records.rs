//! A record of Salesforce as a part of a card: its key fields, and what can be done with it.

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{FieldView, FileView, ItemView, RecordDetail, RecordRef, RecordView, TimelineEntry};

use super::super::parts::{Look, act, form_token, when};
use super::{link, people};
use crate::call::Call;
use crate::page::PageData;
use crate::text::{self, item as words};

pub(super) fn record(p: &PageData, view: &ItemView, record: &RecordView) -> impl IntoView + use<> {
    let rec = &record.rec;
    let detail = view.detail.as_ref().filter(|detail| detail.rec.id == rec.id);
    let fields: Vec<_> = record.fields.iter().map(|one| field(p, rec, one)).collect();
    let line = (!record.line.is_empty()).then(|| view! { <p class="hint">{record.line.clone()}</p> });
    view! {
        <div class="record" data-key=format!("record {}", rec.id) tabindex="-1">
            <div class="line">
                <span class="badge kind-of">{words::object(&rec.object).to_owned()}</span>
                <strong>{link(rec)}</strong>
            </div>
            {line}
            <dl class="facts">{fields}</dl>
            <div class="actions">
                {log_call(p, rec)}
                {add_task(p, rec)}
                {act(
                    p,
                    Call::RecordDetail,
                    words::MORE.get(),
                    Look::Subtle,
                    Some(words::named(words::MORE.get(), &rec.name)),
                    vec![("record", rec.id.clone())],
                )}
            </div>
            <div data-key=format!("detail {}", rec.id) class="stack" data-stays="">
                {detail.map(|detail| more(p, detail))}
            </div>
        </div>
    }
}

/// The id of an element, of what may hold anything.
fn id(what: &str, rec: &RecordRef, field: &str) -> String {
    format!("{what}-{}-{field}", rec.id)
}

/// One field; changed in place where Salesforce allows it.
fn field(p: &PageData, rec: &RecordRef, field: &FieldView) -> impl IntoView + use<> {
    // Who hears the button hears the value with it.
    let name = words::edit(&field.label, &field.value);
    let value = if field.value.trim().is_empty() {
        Either::Left(view! { <span class="hint">{words::EMPTY.get()}</span> })
    } else {
        Either::Right(field.value.clone())
    };
    let value = if field.editable {
        let id = id("edit", rec, &field.api);
        Either::Left(view! {
            <details class="edit" data-shuts="">
                <summary aria-label=name>
                    <span>{value}</span>
                    <span class="pen" aria-hidden="true">"✎"</span>
                </summary>
                <form class="row" method="post" action=Call::EditRecord.path() data-edits="">
                    {form_token(p)}
                    <input type="hidden" name="record" value=rec.id.clone()/>
                    <input type="hidden" name="field" value=field.api.clone()/>
                    <input
                        id=id
                        name="value"
                        value=field.value.clone()
                        aria-label=field.label.clone()
                        autocomplete="off"
                        maxlength="255"
                    />
                    <button type="submit" class="button" aria-label=words::named(words::SAVE.get(), &field.label)>
                        {words::SAVE.get()}
                    </button>
                </form>
            </details>
        })
    } else {
        Either::Right(value)
    };
    view! {
        <div data-key=field.api.clone()>
            <dt>{field.label.clone()}</dt>
            <dd>{value}</dd>
        </div>
    }
}

/// A small form behind a word.
fn form_behind<F: IntoView + 'static>(
    p: &PageData,
    call: Call,
    label: &'static str,
    rec: &RecordRef,
    fields: F,
) -> impl IntoView + use<F> {
    view! {
        <details class="act" data-shuts="">
            <summary class="button subtle" aria-label=words::named(label, &rec.name)>
                {label}
            </summary>
            <form class="stack sunken" method="post" action=call.path() data-edits="">
                {form_token(p)}
                <input type="hidden" name="record" value=rec.id.clone()/>
                {fields}
                <div class="buttons">
                    <button type="submit" class="button primary">{words::SAVE.get()}</button>
                </div>
            </form>
        </details>
    }
}

fn subject(id: String) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id.clone()>{words::SUBJECT.get()}</label>
            <input id=id name="subject" required maxlength="255" autocomplete="off"/>
        </div>
    }
}

fn log_call(p: &PageData, rec: &RecordRef) -> impl IntoView + use<> {
    let notes = id("call", rec, "text");
    let fields = view! {
        {subject(id("call", rec, "subject"))}
        <div class="field">
            <label for=notes.clone()>{words::NOTES.get()}</label>
            <textarea id=notes name="text" rows="3" maxlength="8000"></textarea>
        </div>
    };
    form_behind(p, Call::LogCall, words::LOG_CALL.get(), rec, fields)
}

fn add_task(p: &PageData, rec: &RecordRef) -> impl IntoView + use<> {
    let due = id("task", rec, "due");
    let fields = view! {
        {subject(id("task", rec, "subject"))}
        <div class="field">
            <label for=due.clone()>{words::DUE.get()}</label>
            <input id=due name="due" type="date"/>
        </div>
    };
    form_behind(p, Call::AddTask, words::ADD_TASK.get(), rec, fields)
}

/// What stands behind *More*.
fn more(p: &PageData, detail: &RecordDetail) -> impl IntoView + use<> {
    let none = detail.related.iter().all(|list| list.records.is_empty())
        && detail.files.is_empty()
        && detail.timeline.is_empty();
    let lists: Vec<_> = detail
        .related
        .iter()
        .map(|list| people::related(words::related(list.kind), &list.records))
        .collect();
    let files: Vec<_> = detail.files.iter().map(|one| file(p, one)).collect();
    let files = (!files.is_empty()).then(|| {
        view! {
            <div class="related">
                <h4>{words::FILES.get()}</h4>
                <ul class="records">{files}</ul>
            </div>
        }
    });
    let timeline: Vec<_> = detail.timeline.iter().map(|one| entry(p, one)).collect();
    let timeline = (!timeline.is_empty()).then(|| {
        view! {
            <div class="related">
                <h4>{words::TIMELINE.get()}</h4>
                <ul class="records">{timeline}</ul>
            </div>
        }
    });
    view! {
        {lists}
        {files}
        {timeline}
        {none.then(|| view! { <p class="hint">{words::DETAIL_NONE.get()}</p> })}
        <div class="buttons">
            <button
                type="button"
                class="button subtle scripted"
                aria-label=words::named(words::LESS.get(), &detail.rec.name)
                data-closes=""
            >
                {words::LESS.get()}
            </button>
        </div>
    }
}

fn file(p: &PageData, file: &FileView) -> impl IntoView + use<> {
    let what = if file.ending.is_empty() {
        words::size(file.size)
    } else {
        format!("{} · {}", file.ending.to_uppercase(), words::size(file.size))
    };
    let changed = file.changed.map(|at| {
        view! {
            " · "
            {when(p, at)}
        }
    });
    view! {
        <li data-key=file.rec.id.clone()>
            {link(&file.rec)}
            <span class="hint">{what} {changed}</span>
        </li>
    }
}

fn entry(p: &PageData, entry: &TimelineEntry) -> impl IntoView + use<> {
    let state = if entry.open {
        format!("{}, {}", words::activity(entry.kind), words::STILL_OPEN.get())
    } else {
        words::activity(entry.kind).to_owned()
    };
    let at = entry.at.map(|at| {
        // What is to come is not *ago*.
        let moment = if at > p.view.now {
            text::Moment::Until
        } else {
            text::Moment::Ago
        };
        view! {
            " · "
            {super::super::parts::time(p, moment, at)}
        }
    });
    view! {
        <li data-key=entry.rec.id.clone()>
            {link(&entry.rec)}
            <span class="hint">{state} {at}</span>
        </li>
    }
}
