//! `/help`: how the add-in comes into Outlook. Plain HTML, for anybody.

use crate::document::{Shape, document, escape};
use crate::text::{self, Words};

/// The page, in the language that is spoken. `manifest` is the address of this deployment's manifest.
pub fn help_page(manifest: &str) -> String {
    let address = format!(
        "<section class=\"card\" aria-labelledby=\"address\"><h2 id=\"address\">{title}</h2><p>{lead}</p>\
         <div class=\"field\"><label for=\"manifest\">{label}</label>\
         <input id=\"manifest\" type=\"url\" readonly value=\"{manifest}\"></div>\
         <div class=\"buttons\"><a class=\"button primary\" href=\"/manifest.xml\" download=\"tandem.xml\">{load}</a></div>\
         </section>",
        title = say(text::HELP_ADDRESS),
        lead = say(text::HELP_ADDRESS_LEAD),
        label = say(text::HELP_ADDRESS_LABEL),
        manifest = escape(manifest),
        load = say(text::HELP_DOWNLOAD),
    );
    let command =
        format!("New-App -OrganizationApp -Url {manifest} -ProvidedTo Everyone -DefaultStateForUser Enabled");
    let body = format!(
        "<h1 class=\"page-title\">{}</h1><p>{}</p>{address}{}{}{}{}{}{}{}{}",
        say(text::HELP_TITLE),
        say(text::HELP_LEAD),
        steps("web", text::HELP_WEB, None, &text::HELP_WEB_STEPS, ""),
        steps("classic", text::HELP_CLASSIC, None, &text::HELP_CLASSIC_STEPS, ""),
        steps("mac", text::HELP_MAC, None, &text::HELP_MAC_STEPS, ""),
        steps("mobile", text::HELP_MOBILE, Some(text::HELP_MOBILE_LEAD), &[], ""),
        steps(
            "company",
            text::HELP_COMPANY,
            Some(text::HELP_COMPANY_LEAD),
            &text::HELP_COMPANY_STEPS,
            ""
        ),
        steps(
            "on-premises",
            text::HELP_PREMISES,
            Some(text::HELP_PREMISES_LEAD),
            &text::HELP_PREMISES_STEPS,
            &format!(
                "<p>{}</p><pre tabindex=\"0\"><code>{}</code></pre>",
                say(text::HELP_PREMISES_SHELL),
                escape(&command)
            ),
        ),
        steps("after", text::HELP_AFTER, None, &text::HELP_AFTER_STEPS, ""),
        steps("trouble", text::HELP_TROUBLE, None, &text::HELP_TROUBLE_LIST, ""),
    );
    document(text::HELP_TITLE.get(), "", Shape::Wide, &body)
}

fn say(words: Words) -> String {
    escape(words.get())
}

/// A card with numbered steps. A `https://` within a step becomes a link.
fn steps(id: &str, title: Words, lead: Option<Words>, steps: &[Words], after: &str) -> String {
    let lead = lead.map_or_else(String::new, |lead| format!("<p>{}</p>", say(lead)));
    let list = steps.iter().fold(String::new(), |list, step| {
        list + "<li>" + &linked(step.get()) + "</li>"
    });
    let list = if list.is_empty() {
        list
    } else {
        format!("<ol class=\"steps\">{list}</ol>")
    };
    format!(
        "<section class=\"card\" aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>{lead}{list}{after}</section>",
        say(title)
    )
}

fn linked(text: &str) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let url = word.trim_end_matches([',', '.', ':', ';', ')']);
            if url.starts_with("https://") {
                let rest = &word[url.len()..];
                let url = escape(url);
                format!("<a href=\"{url}\" target=\"_blank\" rel=\"noreferrer\">{url}</a>{rest}")
            } else {
                escape(word)
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Lang, speaking};

    #[test]
    fn the_address_of_this_deployment_is_there_to_be_copied() {
        let page = help_page("https://tandem.example.com/manifest.xml?a=\"<b>");
        assert!(page.contains("value=\"https://tandem.example.com/manifest.xml?a=&quot;&lt;b&gt;\""));
        assert!(page.contains("New-App -OrganizationApp -Url https://tandem.example.com/manifest.xml"));
        assert!(page.contains("href=\"https://aka.ms/olksideload\""));
        assert!(!page.contains("<script") && !page.contains("style="));
        let ids: Vec<&str> = page
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
    }

    #[test]
    fn it_is_there_in_german_too() {
        let [english, german] =
            [Lang::En, Lang::De].map(|lang| speaking(lang, || help_page("https://t.example/manifest.xml")));
        assert!(german.contains("<html lang=\"de\">") && english.contains("<html lang=\"en\">"));
        let items = |page: &str| page.matches("<li>").count();
        assert_eq!(items(&english), items(&german));
        assert!(items(&german) > 20);
    }
}
