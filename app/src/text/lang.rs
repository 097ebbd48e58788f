//! Which language is spoken: of the request on the server, of the page in the browser.

use std::cell::Cell;

/// A language that every text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    #[default]
    En,
    De,
}

thread_local! {
    static SPOKEN: Cell<Lang> = const { Cell::new(Lang::En) };
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The word in the page's `lang`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language of a tag such as `de-AT` ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)); `None`: none of ours.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|lang| lang.as_str().eq_ignore_ascii_case(primary))
    }

    /// What fits best of an [`Accept-Language`](https://www.rfc-editor.org/rfc/rfc9110#field.accept-language); English
    /// if nothing does.
    pub fn accepted(header: &str) -> Self {
        let mut best = (Self::En, 0.0);
        for range in header.split(',') {
            let mut parts = range.split(';');
            let Some(lang) = parts.next().and_then(Self::parse) else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            if weight > best.1 {
                best = (lang, weight);
            }
        }
        best.0
    }

    /// The language that Office shows itself in, from what it adds to the address of an add-in:
    /// `_host_Info=Outlook$Web$16.01$de-DE$$$$0`.
    pub fn of_host_info(info: &str) -> Option<Self> {
        info.split(['$', '|']).nth(3).and_then(Self::parse)
    }
}

/// The language of the texts that this thread asks for.
pub fn spoken() -> Lang {
    SPOKEN.get()
}

/// From now on, on this thread: for a browser, whose page has one language.
#[cfg(feature = "hydrate")]
pub(crate) fn speak(lang: Lang) {
    SPOKEN.set(lang);
}

/// What `f` says is in this language. `f` must not await: another task would speak on.
pub fn speaking<T>(lang: Lang, f: impl FnOnce() -> T) -> T {
    struct Back(Lang);
    impl Drop for Back {
        fn drop(&mut self) {
            SPOKEN.set(self.0);
        }
    }
    let _back = Back(SPOKEN.replace(lang));
    f()
}

/// One text in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    en: &'static str,
    de: &'static str,
}

impl Words {
    pub const fn new(en: &'static str, de: &'static str) -> Self {
        Self { en, de }
    }

    /// In the language that is spoken.
    pub fn get(self) -> &'static str {
        say(self.en, self.de)
    }
}

/// The one that is spoken.
pub fn say(en: &'static str, de: &'static str) -> &'static str {
    match spoken() {
        Lang::En => en,
        Lang::De => de,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_its_language() {
        for (tag, lang) in [
            ("de", Some(Lang::De)),
            ("de-AT", Some(Lang::De)),
            ("DE_ch", Some(Lang::De)),
            ("en-GB", Some(Lang::En)),
            ("fr", None),
            ("den", None),
            ("", None),
        ] {
            assert_eq!(Lang::parse(tag), lang, "{tag}");
        }
    }

    #[test]
    fn the_best_that_is_accepted_is_spoken() {
        for (header, lang) in [
            ("de-DE,de;q=0.9,en;q=0.8", Lang::De),
            ("fr, en;q=0.5, de;q=0.4", Lang::En),
            ("fr;q=1, de;q=0.1", Lang::De),
            ("de;q=0, en;q=0.1", Lang::En),
            ("de;q=nonsense", Lang::En),
            ("", Lang::En),
            ("*", Lang::En),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }

    #[test]
    fn office_says_its_language_in_the_address() {
        assert_eq!(
            Lang::of_host_info("Outlook$Web$16.01$de-DE$a$b$$0"),
            Some(Lang::De)
        );
        assert_eq!(Lang::of_host_info("Outlook|Win32|16.02|en-US"), Some(Lang::En));
        assert_eq!(Lang::of_host_info("Outlook$Web"), None);
    }

    #[test]
    fn what_is_spoken_ends_with_what_was_to_be_said() {
        assert_eq!(Words::new("yes", "ja").get(), "yes");
        speaking(Lang::De, || assert_eq!(Words::new("yes", "ja").get(), "ja"));
        assert_eq!(spoken(), Lang::En);
    }
}
