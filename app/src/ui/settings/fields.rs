//! The settings' forms: a field with its words, what the organisation has, and what was wrong with it.

use leptos::prelude::*;
use tandem_types::{ApiError, ConnectionView, InvalidField, SettingKey, SettingsView};

use crate::call::Call;
use crate::page::{PageData, SettingsPage};
use crate::place::Part;
use crate::text::settings as words;
use crate::ui::parts::{Look, form_token};

/// What fields are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) p: &'a PageData,
    pub(super) c: &'a ConnectionView,
    /// Absent where it could not be had: then nothing can be changed.
    pub(super) s: &'a SettingsView,
}

impl<'a> Form<'a> {
    pub(super) fn of(p: &'a PageData, c: &'a ConnectionView, s: &'a SettingsPage) -> Option<Self> {
        s.settings.as_ref().map(|s| Self { p, c, s })
    }

    fn chosen(self, key: SettingKey) -> bool {
        self.s.chosen.contains(&key)
    }

    fn wrong(self, key: SettingKey) -> bool {
        self.p.refused == Some(ApiError::Invalid(InvalidField::Setting(key)))
    }

    /// What the organisation has, where the user has something else; and what was wrong.
    fn notes(self, key: SettingKey, hint: Option<&'static str>, inherited: String) -> Notes {
        let id = id(key);
        let hint = hint.map(|hint| (format!("{id}-hint"), hint.to_owned()));
        let differs = self
            .chosen(key)
            .then(|| (format!("{id}-org"), words::inherited(&inherited)));
        let wrong = self
            .wrong(key)
            .then(|| (format!("{id}-wrong"), words::wrong(key).to_owned()));
        Notes { hint, differs, wrong }
    }

    /// One of several.
    pub(super) fn choice(
        self,
        key: SettingKey,
        label: &'static str,
        options: Vec<(&'static str, &'static str)>,
        now: &'static str,
        inherited: &'static str,
    ) -> impl IntoView + use<> {
        let said = options.iter().find(|(word, _)| *word == inherited);
        let notes = self.notes(key, None, said.map_or(inherited, |(_, said)| *said).to_owned());
        let described = notes.ids();
        let invalid = notes.invalid();
        view! {
            <div class="field">
                <label for=id(key)>{label}</label>
                <select id=id(key) name=name(key) aria-describedby=described aria-invalid=invalid>
                    {options
                        .into_iter()
                        .map(|(word, said)| {
                            view! { <option value=word selected=word == now>{said}</option> }
                        })
                        .collect_view()}
                </select>
                {notes.view()}
            </div>
        }
    }

    pub(super) fn number(
        self,
        key: SettingKey,
        label: &'static str,
        hint: Option<&'static str>,
        (least, most): (u32, u32),
        now: u64,
        inherited: u64,
    ) -> impl IntoView + use<> {
        let notes = self.notes(key, hint, inherited.to_string());
        view! {
            <div class="field">
                <label for=id(key)>{label}</label>
                <input
                    id=id(key)
                    name=name(key)
                    type="number"
                    inputmode="numeric"
                    min=least
                    max=most
                    value=now.to_string()
                    required
                    aria-describedby=notes.ids()
                    aria-invalid=notes.invalid()
                />
                {notes.view()}
            </div>
        }
    }

    /// A tick box; its key stands in the form's `boxes` too.
    pub(super) fn tick(
        self,
        key: SettingKey,
        label: &'static str,
        now: bool,
        inherited: bool,
    ) -> impl IntoView + use<> {
        let notes = self.notes(key, None, words::switch(inherited).to_owned());
        view! {
            <div class="field">
                <label class="kind">
                    <input
                        id=id(key)
                        name=name(key)
                        type="checkbox"
                        value="on"
                        checked=now
                        aria-describedby=notes.ids()
                        aria-invalid=notes.invalid()
                    />
                    <span>{label}</span>
                </label>
                {notes.view()}
            </div>
        }
    }

    /// One line of text.
    pub(super) fn text(
        self,
        key: SettingKey,
        label: &'static str,
        hint: &'static str,
        now: String,
        inherited: String,
    ) -> impl IntoView + use<> {
        let notes = self.notes(key, Some(hint), inherited);
        view! {
            <div class="field">
                <label for=id(key)>{label}</label>
                <input
                    id=id(key)
                    name=name(key)
                    value=now
                    maxlength="1024"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    aria-describedby=notes.ids()
                    aria-invalid=notes.invalid()
                />
                {notes.view()}
            </div>
        }
    }

    /// Several lines of text, one entry in each.
    pub(super) fn lines(
        self,
        key: SettingKey,
        label: &'static str,
        hint: &'static str,
        now: &[String],
        inherited: String,
    ) -> impl IntoView + use<> {
        let notes = self.notes(key, Some(hint), inherited);
        let rows = now.len().clamp(3, 12).to_string();
        // A first line break of a text area is not its content.
        let now = format!("\n{}", now.join("\n"));
        view! {
            <div class="field">
                <label for=id(key)>{label}</label>
                <textarea
                    id=id(key)
                    name=name(key)
                    rows=rows
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    aria-describedby=notes.ids()
                    aria-invalid=notes.invalid()
                >
                    {now}
                </textarea>
                {notes.view()}
            </div>
        }
    }

    /// A form around fields, and the way back to what the organisation has. `keys`: all of its fields; `boxes`: those of
    /// them that are tick boxes.
    pub(super) fn form(
        self,
        part: Part,
        keys: &[SettingKey],
        boxes: &[SettingKey],
        fields: impl IntoView + 'static,
    ) -> AnyView {
        let joined = |keys: &[SettingKey]| {
            let words: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
            words.join(" ")
        };
        let reset = keys.iter().any(|key| self.chosen(*key)).then(|| {
            view! {
                <form class="reset" method="post" action=Call::ResetSettings.path()>
                    {form_token(self.p)}
                    <input type="hidden" name="part" value=part.as_str()/>
                    <input type="hidden" name="keys" value=joined(keys)/>
                    <button type="submit" class=Look::Subtle.class()>
                        {words::RESET.get()}
                    </button>
                </form>
            }
        });
        view! {
            // Once something else is stored it is another form: what was typed into this one is over.
            <form
                class="choose settings-form"
                method="post"
                action=Call::SaveSettings.path()
                data-key=self.digest()
            >
                {form_token(self.p)}
                <input type="hidden" name="part" value=part.as_str()/>
                <input type="hidden" name="boxes" value=joined(boxes)/>
                {fields}
                <div class="buttons">
                    <button type="submit" class=Look::Primary.class() data-doing=words::SAVING.get()>
                        {words::SAVE.get()}
                    </button>
                </div>
            </form>
            {reset}
        }
        .into_any()
    }

    /// Of all that a form shows as stored: FNV-1a.
    fn digest(self) -> String {
        let stored = serde_json::to_string(&(&self.c.settings, self.s)).unwrap_or_default();
        let hash = stored.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

fn id(key: SettingKey) -> String {
    format!("set-{}", key.as_str().replace(['.', '_'], "-"))
}

fn name(key: SettingKey) -> String {
    format!("set[{}]", key.as_str())
}

/// What stands under a field: an id and words, each.
struct Notes {
    hint: Option<(String, String)>,
    differs: Option<(String, String)>,
    wrong: Option<(String, String)>,
}

impl Notes {
    fn ids(&self) -> Option<String> {
        let ids: Vec<_> = [&self.hint, &self.differs, &self.wrong]
            .into_iter()
            .flatten()
            .map(|(id, _)| id.as_str())
            .collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn invalid(&self) -> Option<&'static str> {
        self.wrong.as_ref().map(|_| "true")
    }

    fn view(self) -> impl IntoView {
        let note = |class: &'static str, note: Option<(String, String)>| {
            note.map(|(id, said)| view! { <span class=class id=id>{said}</span> })
        };
        view! {
            {note("hint", self.hint)}
            {note("hint differs", self.differs)}
            {note("wrong", self.wrong)}
        }
    }
}

/// What only the administrator changes, and why.
pub(super) fn guarded_card(rows: Vec<(&'static str, String)>) -> impl IntoView {
    view! {
        <section class="card" id="guarded" aria-labelledby="guarded-title">
            <h2 id="guarded-title">{words::LOCKED_TITLE.get()}</h2>
            <p class="hint">{words::LOCKED_WHY.get()}</p>
            {super::facts::facts(rows)}
        </section>
    }
}
