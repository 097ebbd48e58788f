//! What a mail's signature says of who wrote it: to prefill a form that the user looks through, never to write by itself.

/// What was found; empty where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) title: String,
    pub(crate) phone: String,
    pub(crate) company: String,
}

/// Lines of a signature at most.
const LINES: usize = 14;
/// Longer lines are sentences.
const LINE_CHARS: usize = 80;

const TITLES: &[&str] = &[
    "account",
    "analyst",
    "architect",
    "assistant",
    "associate",
    "berater",
    "beraterin",
    "buyer",
    "ceo",
    "cfo",
    "chair",
    "chief",
    "cio",
    "consultant",
    "controller",
    "coo",
    "coordinator",
    "counsel",
    "cto",
    "designer",
    "developer",
    "director",
    "direktor",
    "direktorin",
    "einkauf",
    "einkäufer",
    "einkäuferin",
    "engineer",
    "entwickler",
    "entwicklerin",
    "executive",
    "founder",
    "geschäftsführer",
    "geschäftsführerin",
    "geschäftsführung",
    "gründer",
    "gründerin",
    "head",
    "ingenieur",
    "ingenieurin",
    "inhaber",
    "inhaberin",
    "lead",
    "leiter",
    "leiterin",
    "leitung",
    "manager",
    "managerin",
    "marketing",
    "officer",
    "owner",
    "partner",
    "partnerin",
    "president",
    "principal",
    "prokurist",
    "prokuristin",
    "purchasing",
    "referent",
    "referentin",
    "representative",
    "sales",
    "sekretariat",
    "specialist",
    "teamleiter",
    "teamleiterin",
    "vertrieb",
    "vorstand",
    "vp",
];

const COMPANIES: &[&str] = &[
    "ab",
    "ag",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "eg",
    "ev",
    "gbr",
    "gmbh",
    "group",
    "gruppe",
    "holding",
    "inc",
    "kg",
    "kgaa",
    "limited",
    "llc",
    "llp",
    "ltd",
    "mbh",
    "nv",
    "ohg",
    "oy",
    "plc",
    "pty",
    "sa",
    "sarl",
    "sas",
    "se",
    "spa",
    "srl",
    "ug",
];

const GREETINGS: &[&str] = &[
    "all the best",
    "beste grüße",
    "best",
    "best regards",
    "best wishes",
    "cheers",
    "freundliche grüße",
    "grüße",
    "herzliche grüße",
    "kind regards",
    "kindest regards",
    "lg",
    "liebe grüße",
    "many thanks",
    "mfg",
    "mit besten grüßen",
    "mit freundlichem gruß",
    "mit freundlichen grüßen",
    "regards",
    "sincerely",
    "thank you",
    "thanks",
    "vg",
    "viele grüße",
    "warm regards",
    "yours sincerely",
];

/// Of an earlier mail that is quoted below.
const QUOTES: &[&str] = &[
    "-----original",
    "________",
    "am ",
    "begin forwarded",
    "from:",
    "gesendet:",
    "on ",
    "sent:",
    "von:",
    "-----ursprüngliche",
];

/// Reads the end of a mail's text. `name`: what the address is called; it wins over what is found. `address`: of who wrote
/// it.
pub(crate) fn read(text: &str, name: &str, address: &str) -> Signature {
    let (first_name, last_name) = names(name, address);
    let mut found = Signature {
        first_name,
        last_name,
        ..Signature::default()
    };
    for line in block(text, &found) {
        if found.phone.is_empty()
            && let Some(phone) = phone(&line)
        {
            found.phone = phone;
            continue;
        }
        if line.contains('@') || line.contains("://") || line.to_lowercase().contains("www.") {
            continue;
        }
        let own_name =
            !found.last_name.is_empty() && has_words(&line, &[&found.first_name, &found.last_name]);
        // `Ada Lind | Head of Purchasing | Northwind GmbH`
        for part in line.split(['|', '·', '•', '–']).map(str::trim) {
            let is_name = own_name
                && has_words(part, &[&found.first_name, &found.last_name])
                && part.split(' ').count() <= 4;
            if is_name && !part.contains(',') {
                continue;
            }
            let part = match part.split_once(',') {
                Some((name, rest)) if own_name && has_words(name, &[&found.last_name]) => rest.trim(),
                _ => part,
            };
            let words: Vec<String> = part
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
            let is_company = any(COMPANIES) && words.len() > 1;
            if found.company.is_empty() && is_company {
                part.clone_into(&mut found.company);
            } else if found.title.is_empty() && any(TITLES) && !is_company {
                part.trim_end_matches(',').clone_into(&mut found.title);
            }
        }
    }
    found
}

/// First and last name, from `Ada Lind`, `Lind, Ada`, or the address: `ada.lind@…`.
fn names(name: &str, address: &str) -> (String, String) {
    let name = name.trim().trim_matches(['"', '\'']);
    let name = name.split_once(" (").map_or(name, |(name, _)| name).trim();
    if !name.is_empty() && !name.contains('@') {
        if let Some((last, first)) = name.split_once(',') {
            return (first.trim().to_owned(), last.trim().to_owned());
        }
        return match name.rsplit_once(' ') {
            Some((first, last)) => (first.trim().to_owned(), last.to_owned()),
            None => (String::new(), name.to_owned()),
        };
    }
    let local = address.split('@').next().unwrap_or_default();
    let parts: Vec<String> = local
        .split(['.', '_', '-', '+'])
        .filter(|part| part.chars().all(char::is_alphabetic) && !part.is_empty())
        .map(capitalised)
        .collect();
    match &parts[..] {
        [first, .., last] => (first.clone(), last.clone()),
        [last] => (String::new(), last.clone()),
        [] => (String::new(), String::new()),
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + &chars.as_str().to_lowercase()
}

fn has_words(line: &str, words: &[&str]) -> bool {
    let line = line.to_lowercase();
    words
        .iter()
        .all(|word| word.is_empty() || line.contains(&word.to_lowercase()))
}

/// The lines of the signature: what stands below the greeting, the dashes or the name, before anything that is quoted.
fn block(text: &str, who: &Signature) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let quoted = |line: &&str| {
        let lower = line.to_lowercase();
        line.starts_with('>')
            || QUOTES.iter().any(|quote| {
                lower.starts_with(quote) && (!matches!(*quote, "am " | "on ") || lower.ends_with(':'))
            })
    };
    let own: Vec<&str> = lines.into_iter().take_while(|line| !quoted(line)).collect();
    let begins = |line: &str| {
        let plain = line.trim_end_matches([',', '.', '!']).to_lowercase();
        line == "--" || GREETINGS.contains(&plain.as_str())
    };
    let is_name = |line: &str| {
        !who.last_name.is_empty()
            && line.chars().count() <= LINE_CHARS
            && has_words(line, &[&who.first_name, &who.last_name])
    };
    let start = own
        .iter()
        .rposition(|line| begins(line))
        .map(|at| at + 1)
        .or_else(|| own.iter().rposition(|line| is_name(line)));
    let Some(start) = start else {
        return Vec::new();
    };
    own[start..]
        .iter()
        .filter(|line| !line.is_empty() && line.chars().count() <= LINE_CHARS)
        .take(LINES)
        .map(|line| (*line).to_owned())
        .collect()
}

/// A telephone number with at least seven digits, as it stands there.
fn phone(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    if lower.contains("fax") && !lower.contains("tel") {
        return None;
    }
    let is_part =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '-' | '/' | '.' | '\u{a0}' | '–');
    let mut best: Option<String> = None;
    for run in line.split(|c| !is_part(c)) {
        let number = run.trim_matches(|c: char| !c.is_ascii_digit() && c != '+' && c != '(');
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let dated = number.matches('.').count() >= 2 && digits <= 8;
        let begins = number.starts_with(['+', '0', '('])
            || lower.contains("tel")
            || lower.contains("phone")
            || digits >= 10;
        if (7..=18).contains(&digits) && begins && !dated && best.is_none() {
            best = Some(number.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str, name: &str, address: &str) -> [String; 5] {
        let found = read(text, name, address);
        [
            found.first_name,
            found.last_name,
            found.title,
            found.phone,
            found.company,
        ]
    }

    #[test]
    fn signatures_as_people_write_them() {
        for (text, expected) in [
            (
                "Hi Nina,\n\nhere is the offer.\n\nBest regards,\nAda Lind\nHead of Purchasing\nNorthwind Traders Ltd\n\
                 Phone: +49 30 5550100\nFax: +49 30 5550199\nwww.northwind.example",
                ["Head of Purchasing", "+49 30 5550100", "Northwind Traders Ltd"],
            ),
            (
                "Guten Tag,\n\nbis Freitag.\n\nMit freundlichen Grüßen\n\nAda Lind\nLeiterin Einkauf\n\nNordwind GmbH & Co. KG\n\
                 Tel. (030) 555 01-00\nada@nordwind.example",
                ["Leiterin Einkauf", "(030) 555 01-00", "Nordwind GmbH & Co. KG"],
            ),
            (
                "ok!\n\n-- \nAda Lind | Senior Buyer | Fabrikam Inc.\nm 0151 2345678",
                ["Senior Buyer", "0151 2345678", "Fabrikam Inc."],
            ),
            (
                "See you.\nThanks\nAda Lind, CFO\n\nFrom: Bo Ek\nBo Ek\nDirector\nFabrikam Inc\n+1 555 0100 999",
                ["CFO", "", ""],
            ),
            ("Just a line about 2026-01-02 and 12345678.", ["", "", ""]),
            ("", ["", "", ""]),
        ] {
            let [first, last, title, phone, company] = signature(text, "Ada Lind", "ada@northwind.example");
            assert_eq!((first.as_str(), last.as_str()), ("Ada", "Lind"));
            assert_eq!(
                [title.as_str(), phone.as_str(), company.as_str()],
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_what_the_address_is_called_or_says() {
        for (name, address, expected) in [
            ("Ada Lind", "x@y.example", ("Ada", "Lind")),
            ("Lind, Ada", "x@y.example", ("Ada", "Lind")),
            ("Ada Maria Lind (Northwind)", "x@y.example", ("Ada Maria", "Lind")),
            ("\"Ada\"", "x@y.example", ("", "Ada")),
            ("ada.lind@y.example", "ada.lind@y.example", ("Ada", "Lind")),
            ("", "ÖMER.yilmaz@y.example", ("Ömer", "Yilmaz")),
            ("", "info24@y.example", ("", "")),
            ("", "sales@y.example", ("", "Sales")),
            ("", "", ("", "")),
        ] {
            let (first, last) = names(name, address);
            assert_eq!((first.as_str(), last.as_str()), expected, "{name} {address}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_not_dialled() {
        for (line, number) in [
            ("Tel: +49 (30) 5550-100", Some("+49 (30) 5550-100")),
            ("T 030/5550100 · M 0151 2345678", Some("030/5550100")),
            ("Fax: +49 30 5550199", None),
            ("12345 Berlin", None),
            ("24.12.2026", None),
            ("HRB 123456", None),
            ("", None),
        ] {
            assert_eq!(phone(line).as_deref(), number, "{line}");
        }
    }

    #[test]
    fn whatever_somebody_sends_is_read_in_a_moment() {
        let long = "Best regards\n".repeat(500) + &"+".repeat(2_000) + &"|,".repeat(2_000);
        read(&long, &"x ".repeat(500), "a@b");
    }
}
