use url::Url;

/// The URL for a log: no user, no password, no query, no fragment. A marker shows where something was left out.
pub fn redact_url(url: &Url) -> String {
    let mut shown = url.clone();
    // Both setters fail only on URLs that cannot have a user at all.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    let cut = shown.query().is_some();
    shown.set_query(None);
    let mut text = String::from(shown);
    if cut {
        text.push_str("?..");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_left() {
        let url = Url::parse("https://nina:geheim@mail.contoso.example:444/EWS/x?token=abc#frag").unwrap();
        assert_eq!(redact_url(&url), "https://mail.contoso.example:444/EWS/x?..");
        let data = Url::parse("data:text/plain,secret?x=secret").unwrap();
        assert!(!redact_url(&data).contains("x=secret"));
    }
}
