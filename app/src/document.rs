//! Whole pages that need no script and know nobody: the sign-in window's last one, and the help.

use crate::text;

/// How such a page looks.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One thing, in the middle.
    Calm,
    /// To be read.
    Wide,
}

/// A page in the language that is spoken. `head` and `body` are HTML; `title` is not.
pub(crate) fn document(title: &str, head: &str, shape: Shape, body: &str) -> String {
    let lang = text::spoken().as_str();
    let body = match shape {
        Shape::Calm => format!(
            "<main class=\"page\"><section class=\"calm\">\
             <img src=\"/tandem.svg\" alt=\"\" width=\"72\" height=\"72\">{body}</section></main>"
        ),
        Shape::Wide => format!(
            "<div class=\"page wide\"><header class=\"top\">\
             <img class=\"mark\" src=\"/tandem.svg\" alt=\"\" width=\"28\" height=\"28\">\
             <div class=\"heads\"><p><strong>{}</strong></p></div></header><main id=\"main\">{body}</main></div>",
            escape(text::PRODUCT)
        ),
    };
    format!(
        "<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">\
         <title>{} · {}</title><link rel=\"icon\" type=\"image/svg+xml\" href=\"/tandem.svg\">\
         <link rel=\"stylesheet\" href=\"/tandem.css\">{head}</head><body>{body}</body></html>",
        escape(title),
        escape(text::PRODUCT)
    )
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
