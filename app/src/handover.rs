//! The last page of the sign-in window: plain HTML with one script, no framework.

use crate::shell::OfficeScript;
use crate::text::{self, SignInFailure};

/// The page that hands the one-time `code` to the pane, by `handover.js`.
///
/// `digits` is the 6-digit code to type where no message can arrive; it is shown only then. `nonce` is that of the
/// response's CSP. In Outlook `office` is the address of office.js.
pub fn handover_page(code: &str, digits: &str, nonce: &str, office: Option<&OfficeScript>) -> String {
    let nonce = escape(nonce);
    let office = office.map_or_else(String::new, |OfficeScript(url)| {
        format!(
            "<script src=\"/office-guard.js\" nonce=\"{nonce}\"></script>\
             <script src=\"{}\" nonce=\"{nonce}\"></script>",
            escape(url)
        )
    });
    let head = format!(
        "<meta name=\"tandem-code\" content=\"{}\">{office}\
         <script src=\"/handover.js\" nonce=\"{nonce}\" defer></script>",
        escape(code)
    );
    let body = format!(
        "<h1>{}</h1><p>{}</p><div id=\"typed\" hidden><p>{}</p><p class=\"digits\"><strong>{}</strong></p></div>",
        escape(text::HANDOVER_TITLE),
        escape(text::HANDOVER_LEAD),
        escape(text::HANDOVER_CODE),
        escape(digits)
    );
    document(text::HANDOVER_TITLE, &head, &body)
}

/// The page that says why there is nothing to hand over.
pub fn handover_failed_page(failure: SignInFailure) -> String {
    let body = format!(
        "<h1>{}</h1><p role=\"alert\">{}</p>",
        escape(text::HANDOVER_FAILED),
        escape(text::sign_in_failure(failure))
    );
    document(text::HANDOVER_FAILED, "", &body)
}

fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">\
         <title>{} · {}</title><link rel=\"icon\" type=\"image/svg+xml\" href=\"/tandem.svg\">\
         <link rel=\"stylesheet\" href=\"/tandem.css\">{head}</head>\
         <body><main class=\"page\"><section class=\"calm\">\
         <img src=\"/tandem.svg\" alt=\"\" width=\"72\" height=\"72\">{body}</section></main></body></html>",
        escape(title),
        escape(text::PRODUCT)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_in_can_leave_its_place() {
        let page = handover_page("\"><script>", "<b>", "n\"o", None);
        assert!(page.contains("content=\"&quot;&gt;&lt;script&gt;\""));
        assert!(page.contains("<strong>&lt;b&gt;</strong>"));
        assert!(page.contains("nonce=\"n&quot;o\""));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("style="));
    }

    #[test]
    fn the_code_to_type_is_hidden_until_the_script_knows_that_no_message_arrives() {
        let page = handover_page(
            "c0de",
            "123456",
            "n",
            Some(&OfficeScript("https://cdn.invalid/office.js".into())),
        );
        assert!(page.contains("<div id=\"typed\" hidden>"));
        assert!(page.contains("src=\"https://cdn.invalid/office.js\""));
        assert!(page.find("office-guard.js").unwrap() < page.find("office.js\"").unwrap());
    }

    #[test]
    fn each_failure_has_its_own_words() {
        let all = [
            SignInFailure::Cancelled,
            SignInFailure::OrgNotAllowed,
            SignInFailure::ApiNotAllowed,
            SignInFailure::Expired,
            SignInFailure::Unavailable,
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
