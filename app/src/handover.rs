//! The last page of the sign-in window: plain HTML with one script, no framework.

use crate::document::{Shape, document, escape};
use crate::shell::OfficeScript;
use crate::text::{self, SignInFailure};

/// What a window's code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// A session of the pane.
    Salesforce,
    /// A mailbox of Office 365.
    Office,
}

impl Handover {
    /// As the message names it.
    const fn word(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::Office => "office",
        }
    }
}

/// The page that hands the one-time `code` to the pane, by `handover.js`.
///
/// `digits` is the 6-digit code to type where no message can arrive; it is shown only then, and without script. `nonce`
/// is that of the response's CSP. In Outlook `office` is the address of office.js.
pub fn handover_page(
    what: Handover,
    code: &str,
    digits: &str,
    nonce: &str,
    office: Option<&OfficeScript>,
) -> String {
    let nonce = escape(nonce);
    let office = office.map_or_else(String::new, |OfficeScript(url)| {
        format!(
            "<script src=\"/office-guard.js\" nonce=\"{nonce}\"></script>\
             <script src=\"{}\" nonce=\"{nonce}\"></script>",
            escape(url)
        )
    });
    let head = format!(
        "<meta name=\"tandem-code\" content=\"{}\"><meta name=\"tandem-for\" content=\"{}\">{office}\
         <script src=\"/handover.js\" nonce=\"{nonce}\" defer></script>",
        escape(code),
        what.word()
    );
    let typed = format!(
        "<p>{}</p><p class=\"digits\"><strong>{}</strong></p>",
        escape(text::HANDOVER_CODE.get()),
        escape(digits)
    );
    let body = format!(
        "<h1>{}</h1><p>{}</p><div id=\"typed\" hidden>{typed}</div><noscript>{typed}</noscript>",
        escape(text::HANDOVER_TITLE.get()),
        escape(text::HANDOVER_LEAD.get()),
    );
    document(text::HANDOVER_TITLE.get(), &head, Shape::Calm, &body)
}

/// The page that says why there is nothing to hand over.
pub fn handover_failed_page(failure: SignInFailure) -> String {
    let body = format!(
        "<h1>{}</h1><p role=\"alert\">{}</p>",
        escape(text::HANDOVER_FAILED.get()),
        escape(text::sign_in_failure(failure))
    );
    document(text::HANDOVER_FAILED.get(), "", Shape::Calm, &body)
}

/// The page that says something of its own, which may name somebody.
pub fn handover_said_page(said: &str) -> String {
    let body = format!(
        "<h1>{}</h1><p role=\"alert\">{}</p><p><a href=\"/setup\">{}</a></p>",
        escape(text::PRODUCT),
        escape(said),
        escape(text::SETUP_TITLE.get())
    );
    document(text::PRODUCT, "", Shape::Calm, &body)
}

/// The page that says that an administrator has to agree, with the link for that.
pub fn consent_page(url: &str) -> String {
    let body = format!(
        "<h1>{}</h1><p role=\"alert\">{}</p><p><a class=\"button\" rel=\"noreferrer\" href=\"{}\">{}</a></p><p>{}</p>",
        escape(text::HANDOVER_FAILED.get()),
        escape(text::CONSENT_NEEDED.get()),
        escape(url),
        escape(text::CONSENT_LINK.get()),
        escape(text::CONSENT_HINT.get())
    );
    document(text::HANDOVER_FAILED.get(), "", Shape::Calm, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_in_can_leave_its_place() {
        let page = handover_page(Handover::Office, "\"><script>", "<b>", "n\"o", None);
        assert!(page.contains("content=\"&quot;&gt;&lt;script&gt;\""));
        assert!(page.contains("<strong>&lt;b&gt;</strong>"));
        let consent = consent_page("https://login.example/x?a=1&b=\"><script>");
        assert!(consent.contains("href=\"https://login.example/x?a=1&amp;b=&quot;&gt;&lt;script&gt;\""));
        assert!(!handover_said_page("<b>").contains("<b>"));
        assert!(page.contains("nonce=\"n&quot;o\""));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("style="));
    }

    #[test]
    fn the_code_to_type_is_hidden_until_the_script_knows_that_no_message_arrives() {
        let page = handover_page(
            Handover::Salesforce,
            "c0de",
            "123456",
            "n",
            Some(&OfficeScript("https://cdn.invalid/office.js".into())),
        );
        assert!(page.contains("<div id=\"typed\" hidden>"));
        assert!(
            page.contains("<noscript><p>"),
            "without script it is all there is"
        );
        assert!(page.contains("name=\"tandem-for\" content=\"salesforce\""));
        assert!(page.contains("src=\"https://cdn.invalid/office.js\""));
        assert!(page.find("office-guard.js").unwrap() < page.find("office.js\"").unwrap());
    }

    #[test]
    fn the_window_speaks_its_readers_language() {
        let page = || handover_page(Handover::Salesforce, "c0de", "123456", "n", None);
        assert!(page().contains("<html lang=\"en\">"));
        let german = text::speaking(text::Lang::De, page);
        assert!(german.contains("<html lang=\"de\">") && german.contains("Angemeldet"));
        let failed = text::speaking(text::Lang::De, || handover_failed_page(SignInFailure::Expired));
        assert!(failed.contains("Nicht angemeldet") && failed.contains("beginnen Sie von vorn"));
    }

    #[test]
    fn each_failure_has_its_own_words() {
        let all = [
            SignInFailure::Cancelled,
            SignInFailure::OrgNotAllowed,
            SignInFailure::ApiNotAllowed,
            SignInFailure::Expired,
            SignInFailure::Unavailable,
            SignInFailure::MicrosoftOff,
            SignInFailure::MicrosoftCancelled,
            SignInFailure::MicrosoftRefused,
            SignInFailure::MicrosoftUnavailable,
            SignInFailure::MicrosoftAgain,
            SignInFailure::ConditionalAccess,
            SignInFailure::TenantNotAllowed,
            SignInFailure::NotInTheCloud,
        ];
        let pages: std::collections::HashSet<String> = all.into_iter().map(handover_failed_page).collect();
        assert_eq!(pages.len(), all.len());
        assert!(
            pages
                .iter()
                .all(|page| page.contains("role=\"alert\"") && !page.contains("<script"))
        );
    }
}
