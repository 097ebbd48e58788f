//! The login pages: plain forms that work without script, and what reads them.

/// Decoded pairs of a form or a query; the first of a name counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// For text and attributes of HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A page of `service`; title and content are HTML.
pub(crate) fn page(service: &str, title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} | {service} sandbox</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:16px/1.5 system-ui,sans-serif;background:#f4f6f9;color:#16325c}}\
         main{{max-width:22rem;margin:3rem auto;padding:1.5rem;background:#fff;border-radius:4px}}\
         label,input,button{{display:block;width:100%;box-sizing:border-box}}\
         input[type=checkbox]{{display:inline;width:auto;margin-right:.5rem}}\
         input,button{{padding:.6rem;margin:.25rem 0 1rem;font:inherit;border:1px solid #8a94a6;border-radius:4px}}\
         button{{background:#0b5cab;border-color:#0b5cab;color:#fff}}\
         button.quiet{{background:#fff;color:#0b5cab}}#error{{color:#a61a14}}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>\n"
    )
}
