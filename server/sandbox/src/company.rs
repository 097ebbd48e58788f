//! A believable company, the same for the same seed: employees, customers, and the people who work there.
//!
//! People are computed by number, so that Exchange and Salesforce can both ask for *the n-th contact of Nina* and
//! mean the same person, also beyond those that exist at the start.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// An employee: one mailbox and one Salesforce user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) given: String,
    pub(crate) surname: String,
    /// The mailbox's primary address, also the login: `nina.berg@contoso.example`.
    pub(crate) address: String,
    /// The part before the at sign, also the login behind `CONTOSO\`.
    pub(crate) alias: String,
    pub(crate) title: &'static str,
    pub(crate) exchange_password: String,
    /// The Salesforce user name; it looks like the address, as it mostly does.
    pub(crate) salesforce_username: String,
    pub(crate) salesforce_password: String,
    /// 18 characters, prefix `005`.
    pub(crate) salesforce_user_id: String,
}

impl User {
    /// Given name and surname.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given, self.surname)
    }
}

/// A customer.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// `https://www.<domain>`.
    pub(crate) website: String,
    pub(crate) domain: String,
    pub(crate) phone: String,
    pub(crate) industry: &'static str,
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) postal_code: String,
    pub(crate) country: &'static str,
    /// Index into [`Company::users`].
    pub(crate) owner_user_index: usize,
}

/// Somebody who works for a customer. Empty texts mean that it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) given: String,
    pub(crate) middle: String,
    pub(crate) surname: String,
    pub(crate) nickname: String,
    /// Unique over all people.
    pub(crate) email: String,
    pub(crate) title: String,
    pub(crate) department: String,
    pub(crate) phone: String,
    pub(crate) mobile: String,
    pub(crate) home_phone: String,
    pub(crate) other_phone: String,
    pub(crate) fax: String,
    pub(crate) assistant_name: String,
    pub(crate) assistant_phone: String,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) state: String,
    pub(crate) postal_code: String,
    pub(crate) country: String,
    /// `YYYY-MM-DD`.
    pub(crate) birthdate: String,
    pub(crate) description: String,
    /// Index into [`Company::accounts`].
    pub(crate) account_index: usize,
    /// Index into [`Company::users`]: whose customer this is.
    pub(crate) owner_user_index: usize,
}

/// Everybody.
#[derive(Debug, Clone)]
pub(crate) struct Company {
    pub(crate) seed: u64,
    pub(crate) domain: String,
    pub(crate) users: Vec<User>,
    pub(crate) accounts: Vec<Account>,
    /// Those who are Salesforce contacts at the start, by owner, then by number.
    pub(crate) people: Vec<Person>,
    /// The Salesforce organisation, 18 characters, prefix `00D`.
    pub(crate) org_id: String,
    /// The OAuth client that is registered there.
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// Salesforce contacts of each employee who has a name, but the first.
const OTHERS: usize = 80;
const ACCOUNTS: usize = 40;

const STAFF: [(&str, &str, &str, &str, &str, &str); 4] = [
    (
        "Nina",
        "Berg",
        "nina.berg",
        "Sales Manager",
        "Bergkristall-42",
        "Sonnenaufgang-7!",
    ),
    (
        "Tomás",
        "O'Hara",
        "tomas.ohara",
        "Account Executive",
        "Grün: Tee 9",
        "Feuer&Wasser=11",
    ),
    (
        "Zoë",
        "Müller",
        "zoe.mueller",
        "Account Executive",
        "Maulwurf+Igel%20",
        "Karamell#5",
    ),
    (
        "Li",
        "Wei",
        "li.wei",
        "Key Account Manager",
        "Bambus_wald.88",
        "Drachen?boot/3",
    ),
];

/// Native spelling and what its address is made of; the latter are unique in each list.
type Names = &'static [(&'static str, &'static str)];

const WEST_GIVEN: Names = &[
    ("Anna", "anna"),
    ("Jürgen", "juergen"),
    ("Zoe\u{308}", "zoe"),
    ("José", "jose"),
    ("Mary-Jane", "mary-jane"),
    ("Øyvind", "oeyvind"),
    ("François", "francois"),
    ("Łukasz", "lukasz"),
    ("Siobhán", "siobhan"),
    ("Jean-Pierre", "jean-pierre"),
    ("Małgorzata", "malgorzata"),
    ("Björn", "bjoern"),
    ("Şebnem", "sebnem"),
    ("Dvořák", "dvorak"),
    ("Inês", "ines"),
    ("Håkan", "hakan"),
    ("Chloé", "chloe"),
    ("Thomas", "thomas"),
    ("Margaret", "margaret"),
    ("Ole", "ole"),
    ("Giuseppe", "giuseppe"),
    ("Ása", "asa"),
    ("Noël", "noel"),
    ("Katherine", "katherine"),
    ("Bob", "bob"),
];
const WEST_SURNAME: Names = &[
    ("Müller", "mueller"),
    ("O'Brien", "obrien"),
    ("García-Márquez", "garcia-marquez"),
    ("Nguye\u{302}\u{303}n", "nguyen"),
    ("Weiß", "weiss"),
    ("D’Angelo", "dangelo"),
    ("Sørensen", "soerensen"),
    ("Kowalczyk", "kowalczyk"),
    ("van den Berg", "vandenberg"),
    ("Smith", "smith"),
    ("Lefèvre", "lefevre"),
    ("Åström", "astroem"),
    ("Þórsdóttir", "thorsdottir"),
    ("Özdemir", "oezdemir"),
    ("Novák", "novak"),
    ("Silva e Sousa", "silvaesousa"),
    ("MacDonald", "macdonald"),
    ("Ionescu", "ionescu"),
    ("Szabó", "szabo"),
    ("de la Cruz", "delacruz"),
    ("Becker", "becker"),
    ("Johnson Jr.", "johnsonjr"),
    ("Rossi", "rossi"),
    ("Jansen", "jansen"),
    ("Schmidt-Rottluff", "schmidt-rottluff"),
    ("Ng", "ng"),
    ("Brown", "brown"),
    ("Çelik", "celik"),
    ("Virtanen", "virtanen"),
    ("Dubois", "dubois"),
    ("Taylor", "taylor"),
];
const EAST_GIVEN: Names = &[
    ("花子", "hanako"),
    ("太郎", "taro"),
    ("小明", "xiaoming"),
    ("美玲", "meiling"),
    ("민준", "minjun"),
    ("서연", "seoyeon"),
    ("𠮷彦", "yoshihiko"),
];
const EAST_SURNAME: Names = &[
    ("山田", "yamada"),
    ("髙橋", "takahashi"),
    ("王", "wang"),
    ("歐陽", "ouyang"),
    ("김", "kim"),
    ("박", "park"),
    ("渡邉", "watanabe"),
    ("陳", "chen"),
    ("이", "yi"),
];
const OTHER_GIVEN: Names = &[
    ("محمد", "mohammed"),
    ("ليلى", "layla"),
    ("Ольга", "olga"),
    ("Дмитрий", "dmitri"),
    ("Ελένη", "eleni"),
    ("נועה", "noa"),
    ("अनिल", "anil"),
];
const OTHER_SURNAME: Names = &[
    ("الحسيني", "alhusseini"),
    ("بن سعيد", "binsaid"),
    ("Чайковская", "tschaikowskaja"),
    ("Щербаков", "schtscherbakow"),
    ("Παπαδόπουλος", "papadopoulos"),
    ("כהן", "cohen"),
    ("शर्मा", "sharma"),
    ("Ђорђевић", "djordjevic"),
];
/// Which of the three lists the i-th of ten people comes from: most come from the first.
const CULTURES: [(Names, Names); 3] = [
    (WEST_GIVEN, WEST_SURNAME),
    (EAST_GIVEN, EAST_SURNAME),
    (OTHER_GIVEN, OTHER_SURNAME),
];
const PATTERN: [usize; 10] = [0, 0, 1, 0, 0, 2, 0, 0, 0, 0];

const TITLES: &[&str] = &[
    "Head of Purchasing",
    "CEO",
    "Buyer",
    "Geschäftsführerin",
    "IT Manager",
    "Directeur général",
    "Sales Director",
    "VP Operations, EMEA",
    "Assistant to the Board",
    "Ingénieur",
    "Plant Manager",
    "CFO",
    "R&D Lead",
    "部長",
    "",
];
const DEPARTMENTS: &[&str] = &[
    "Purchasing",
    "Einkauf",
    "IT",
    "R&D <Labs>",
    "Finance",
    "Sales",
    "",
    "",
];
const COMPANY_A: &[&str] = &[
    "Nordwind",
    "Alpen",
    "Blue Harbor",
    "Café del Mar",
    "Grüner",
    "Sakura",
    "Fabrikam",
    "Étoile",
    "Kowalski",
    "Adventure",
];
const COMPANY_B: &[&str] = &[
    "Logistik GmbH",
    "Works",
    "& Sons Ltd.",
    "Industries S.A.",
    "Bau AG",
    "Foods",
    "Systems, Inc.",
];
const INDUSTRIES: &[&str] = &[
    "Manufacturing",
    "Retail",
    "Consulting",
    "Food & Beverage",
    "Technology",
    "Shipping",
];
/// City, state, country, first digits of the postal code, street.
const PLACES: &[(&str, &str, &str, &str, &str)] = &[
    ("München", "Bayern", "Germany", "803", "Leopoldstraße"),
    ("Zürich", "ZH", "Switzerland", "80", "Bahnhofstrasse"),
    ("San Francisco", "CA", "United States", "941", "Market Street"),
    ("Paris", "", "France", "750", "Rue de l'Église"),
    ("København", "", "Denmark", "21", "Nørrebrogade"),
    ("東京都", "千代田区", "Japan", "100", "丸の内"),
    ("Kraków", "Małopolskie", "Poland", "300", "ul. Świętego Jana"),
    ("São Paulo", "SP", "Brazil", "010", "Avenida Paulista"),
];
const NICKNAMES: &[&str] = &[
    "",
    "",
    "",
    "",
    "Sunny \u{2600}\u{fe0f}",
    "",
    "🚀",
    "Bobby",
    "",
    "👩‍🚀 Ace",
    "",
];
const NOTES: &[&str] = &[
    "",
    "",
    "Met at the trade fair.",
    "Prefers calls after 4 pm.\nSpeaks German & Polish.",
    "Do not send brochures <no paper>.",
    "Kennt \"Herrn Weiß\" noch aus Köln.",
    "",
];

impl Company {
    /// Builds it. `contacts` is how many Salesforce contacts the first employee owns; `agents` work there besides those
    /// who have names, and own so many each.
    pub(crate) fn new(seed: u64, domain: &str, contacts: usize, (agents, of_agent): (usize, usize)) -> Self {
        let mut users: Vec<User> = STAFF
            .iter()
            .enumerate()
            .map(
                |(n, &(given, surname, alias, title, exchange, salesforce))| User {
                    given: given.to_owned(),
                    surname: surname.to_owned(),
                    address: format!("{alias}@{domain}"),
                    alias: alias.to_owned(),
                    title,
                    exchange_password: exchange.to_owned(),
                    salesforce_username: format!("{alias}@{domain}"),
                    salesforce_password: salesforce.to_owned(),
                    salesforce_user_id: salesforce_id("005", seed, n + 1),
                },
            )
            .collect();
        users.extend((1..=agents).map(|n| agent(seed, domain, n)));
        let accounts = (0..ACCOUNTS).map(|n| account(seed, n)).collect();
        let mut company = Self {
            seed,
            domain: domain.to_owned(),
            users,
            accounts,
            people: Vec::new(),
            org_id: salesforce_id("00D", seed, 1),
            client_id: format!("3MVG9sandbox{:016x}", rng(seed, "client id", &[]).next_u64()),
            client_secret: format!("{:016X}", rng(seed, "client secret", &[]).next_u64()),
        };
        for owner in 0..company.users.len() {
            let count = match owner {
                0 => contacts,
                _ if owner < STAFF.len() => OTHERS,
                _ => of_agent,
            };
            let mut theirs = (0..count).map(|n| company.contact_of(owner, n)).collect();
            company.people.append(&mut theirs);
        }
        company
    }

    /// The domain's first label in capitals, as in `CONTOSO\nina.berg`.
    pub(crate) fn netbios(&self) -> String {
        self.domain.split('.').next().unwrap_or_default().to_uppercase()
    }

    /// Salesforce contact number `n` (from 0) of employee `owner`; any number exists.
    pub(crate) fn contact_of(&self, owner: usize, n: usize) -> Person {
        self.person(owner, owner, n)
    }

    /// Somebody whom only the mailbox of `owner` knows.
    pub(crate) fn acquaintance_of(&self, owner: usize, n: usize) -> Person {
        self.person(self.users.len() + owner, owner, n)
    }

    fn person(&self, slot: usize, owner: usize, n: usize) -> Person {
        let mut rng = rng(self.seed, "person", &[slot, n]);
        // Numbers of all slots interleave, so that no two people share a name before the lists are used up.
        let number = n * self.users.len() * 2 + slot;
        let (tens, rest) = (number / PATTERN.len(), number % PATTERN.len());
        let culture = PATTERN[rest];
        let per_ten = PATTERN.iter().filter(|c| **c == culture).count();
        let rank = PATTERN[..rest].iter().filter(|c| **c == culture).count();
        let (givens, surnames) = CULTURES[culture];
        let pairs = givens.len() * surnames.len();
        let position = tens * per_ten + rank;
        let start = usize::try_from(self.seed % 997).unwrap_or_default();
        // 7919 is a prime larger than any of the lists: a walk over all pairs.
        let pair = (position % pairs * 7919 + start) % pairs;
        let (given, given_latin) = givens[pair % givens.len()];
        let (surname, surname_latin) = surnames[pair / givens.len()];
        let account_index = below(&mut rng, self.accounts.len());
        let account = &self.accounts[account_index];
        let again = match position / pairs {
            0 => String::new(),
            round => (round + 1).to_string(),
        };
        let mut text = |list: &[&'static str]| -> String { (*pick(&mut rng, list)).to_owned() };
        let (title, department, nickname, description) =
            (text(TITLES), text(DEPARTMENTS), text(NICKNAMES), text(NOTES));
        let mut phone = |one_in: usize, prefix: &str| {
            let digits = format!("{prefix} {:07}", 1_000_000 + below(&mut rng, 9_000_000));
            if below(&mut rng, one_in) == 0 {
                digits
            } else {
                String::new()
            }
        };
        let (direct, mobile, home_phone) = (phone(1, "+49 89"), phone(2, "+49 171"), phone(5, "+1 (415)"));
        let (other_phone, fax, assistant_phone) =
            (phone(9, "+41 44"), phone(6, "+49 89"), phone(8, "+48 12"));
        let birthdate = if below(&mut rng, 4) == 0 {
            format!(
                "{}-{:02}-{:02}",
                1950 + below(&mut rng, 50),
                1 + below(&mut rng, 12),
                1 + below(&mut rng, 28)
            )
        } else {
            String::new()
        };
        Person {
            given: given.to_owned(),
            middle: if below(&mut rng, 12) == 0 {
                "J.".to_owned()
            } else {
                String::new()
            },
            surname: surname.to_owned(),
            nickname,
            email: format!("{given_latin}.{surname_latin}{again}@{}", account.domain),
            title,
            department,
            phone: direct,
            mobile,
            home_phone,
            other_phone,
            fax,
            assistant_name: if assistant_phone.is_empty() {
                String::new()
            } else {
                "Frau Schön".to_owned()
            },
            assistant_phone,
            street: account.street.clone(),
            city: account.city.to_owned(),
            state: account.state.to_owned(),
            postal_code: account.postal_code.clone(),
            country: account.country.to_owned(),
            birthdate,
            description,
            account_index,
            owner_user_index: owner,
        }
    }
}

/// A Salesforce id of 18 characters: prefix, instance, number in base 62, and the check of its capitals.
pub(crate) fn salesforce_id(prefix: &str, seed: u64, number: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let pod = rng(seed, "pod", &[]).next_u64();
    let mut id: Vec<u8> = prefix.bytes().take(3).collect();
    for shift in [8, 16] {
        id.push(DIGITS[usize::from(pod.to_be_bytes()[shift / 8]) % 62]);
    }
    id.push(b'0');
    let mut digits = [b'0'; 9];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    id.extend(digits);
    let check: Vec<u8> = id
        .chunks(5)
        .map(|five| {
            let bits = five
                .iter()
                .enumerate()
                .filter(|(_, c)| c.is_ascii_uppercase())
                .map(|(i, _)| 1_usize << i);
            CHECK[bits.sum::<usize>()]
        })
        .collect();
    id.extend(check);
    id.into_iter().map(char::from).collect()
}

fn account(seed: u64, n: usize) -> Account {
    let mut rng = rng(seed, "account", &[n]);
    let (a, b) = (
        COMPANY_A[n % COMPANY_A.len()],
        COMPANY_B[n / COMPANY_A.len() % COMPANY_B.len()],
    );
    let name = format!("{a} {b}");
    let latin: String = name
        .chars()
        .filter_map(|c| match c.to_lowercase().next()? {
            'é' => Some('e'),
            'ü' => Some('u'),
            ' ' => Some('-'),
            c if c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        })
        .collect();
    let domain = format!("{}.example", latin.trim_matches('-').replace("--", "-"));
    let (city, state, country, postal, street) = *pick(&mut rng, PLACES);
    Account {
        name,
        website: format!("https://www.{domain}"),
        domain,
        phone: format!("+49 89 {:06}", below(&mut rng, 1_000_000)),
        industry: INDUSTRIES[below(&mut rng, INDUSTRIES.len())],
        street: format!("{street} {}", 1 + below(&mut rng, 120)),
        city,
        state,
        postal_code: format!("{postal}{:02}", below(&mut rng, 100)),
        country,
        owner_user_index: below(&mut rng, STAFF.len()),
    }
}

/// One of many who do the same work.
fn agent(seed: u64, domain: &str, n: usize) -> User {
    let alias = format!("agent.{n:04}");
    User {
        given: "Agent".to_owned(),
        surname: format!("{n:04}"),
        address: format!("{alias}@{domain}"),
        title: "Sales Agent",
        exchange_password: format!("Postfach-{n:04}!"),
        salesforce_username: format!("{alias}@{domain}"),
        salesforce_password: format!("Anmeldung-{n:04}!"),
        salesforce_user_id: salesforce_id("005", seed, STAFF.len() + n),
        alias,
    }
}

/// A generator of its own for one thing, so that adding a thing changes no other.
pub(crate) fn rng(seed: u64, what: &str, numbers: &[usize]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(what.as_bytes());
    for n in numbers {
        hash.update(n.to_be_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// A number from 0 to `n - 1`; 0 if there is none.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    let n = u64::try_from(n.max(1)).unwrap_or(1);
    usize::try_from(rng.next_u64() % n).unwrap_or_default()
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, list: &'a [T]) -> &'a T {
    &list[below(rng, list.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let (a, b, c) = (
            Company::new(7, "x.example", 60, (2, 80)),
            Company::new(7, "x.example", 60, (2, 80)),
            Company::new(8, "x.example", 60, (2, 80)),
        );
        assert_eq!(a.people, b.people);
        assert_ne!(a.people, c.people);
        assert_eq!(a.people[5], a.contact_of(0, 5));
    }

    #[test]
    fn addresses_are_unique_and_plain() {
        let company = Company::new(1, "contoso.example", 2000, (0, 0));
        let mut seen = HashSet::new();
        let strangers = (0..4)
            .flat_map(|o| (0..500).map(move |n| (o, n)))
            .map(|(o, n)| company.acquaintance_of(o, n));
        for person in company.people.iter().cloned().chain(strangers) {
            assert!(
                person.email.is_ascii() && !person.email.contains(' '),
                "{}",
                person.email
            );
            assert!(seen.insert(person.email.clone()), "{} twice", person.email);
        }
        let domains: HashSet<_> = company.accounts.iter().map(|a| &a.domain).collect();
        assert_eq!(domains.len(), company.accounts.len());
    }
}
