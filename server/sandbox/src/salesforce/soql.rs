//! The part of SOQL that is played: one object, parents, `USING SCOPE`, `WHERE` with semi-joins, `ORDER BY`, `LIMIT`, `OFFSET`, `COUNT()`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm>.
//! Everything else is `MALFORMED_QUERY`, with a text that names it.

use super::error::ApiError;
use super::value::{read_date, read_stamp};
use jiff::civil::Date;

/// A field with the relationships that lead to it, as written, and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) parts: Vec<String>,
    /// Character position in the query, from 0.
    pub(crate) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    /// `COUNT()`: only `totalSize` is answered.
    Count,
    Fields(Vec<Path>),
}

/// A character of a text and whether a backslash stood before it, which `LIKE` must know.
pub(crate) type Chars = Vec<(char, bool)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Text(Chars),
    Bool(bool),
    Number(f64),
    Date(Date),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Literal {
    pub(crate) fn plain(chars: &Chars) -> String {
        chars.iter().map(|(c, _)| *c).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    In,
    NotIn,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test {
        path: Path,
        op: Op,
        values: Vec<Literal>,
    },
    /// `Id IN (SELECT ContactId FROM …)`, and `NOT IN`.
    Semi {
        path: Path,
        negated: bool,
        query: Box<Soql>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) path: Path,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// A query as written: names are not resolved yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Soql {
    pub(crate) select: Select,
    pub(crate) from: String,
    /// `USING SCOPE mine`: rows of the user only.
    pub(crate) mine: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// Characters of a query.
const LONGEST: usize = 100_000;
/// Parentheses and `NOT`s inside each other.
const DEEPEST: usize = 50;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(Chars),
    /// A number, date or time, as written.
    Value(String),
    Symbol(&'static str),
}

fn malformed(message: impl Into<String>) -> ApiError {
    let message = message.into();
    tracing::warn!(message, "SOQL refused");
    ApiError::call(400, "MALFORMED_QUERY", message)
}

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Soql, ApiError> {
    if text.chars().count() > LONGEST {
        return Err(ApiError::call(
            400,
            "QUERY_TOO_COMPLICATED",
            "SOQL statements cannot be longer than 100000 characters.",
        ));
    }
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        depth: 0,
    };
    let query = parser.query()?;
    match parser.tokens.get(parser.next) {
        None => Ok(query),
        Some((token, _)) => Err(malformed(unexpected(token))),
    }
}

fn unexpected(token: &Token) -> String {
    let name = match token {
        Token::Word(word) | Token::Value(word) => word.clone(),
        Token::Text(chars) => format!("'{}'", Literal::plain(chars)),
        Token::Symbol(symbol) => (*symbol).to_owned(),
    };
    let clause = ["GROUP", "HAVING", "WITH", "FOR", "UPDATE", "ALL", "TYPEOF"];
    if clause.iter().any(|c| name.eq_ignore_ascii_case(c)) {
        format!("unexpected token: '{name}' (the sandbox does not play this clause)")
    } else {
        format!("unexpected token: '{name}'")
    }
}

fn lex(text: &str) -> Result<Vec<(Token, usize)>, ApiError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    while let Some(&c) = chars.get(i) {
        let at = i;
        if c.is_whitespace() {
            i += 1;
            continue;
        }
        if c.is_ascii_alphabetic() {
            while chars
                .get(i)
                .is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
            {
                i += 1;
            }
            tokens.push((Token::Word(chars[at..i].iter().collect()), at));
        } else if c.is_ascii_digit()
            || (matches!(c, '-' | '+') && chars.get(i + 1).is_some_and(char::is_ascii_digit))
        {
            i += 1;
            while chars
                .get(i)
                .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '+' | '-'))
            {
                i += 1;
            }
            tokens.push((Token::Value(chars[at..i].iter().collect()), at));
        } else if c == '\'' {
            let (token, end) = lex_text(&chars, i + 1)?;
            tokens.push((token, at));
            i = end;
        } else {
            let two: String = chars[i..(i + 2).min(chars.len())].iter().collect();
            let symbol = match two.as_str() {
                "<=" => "<=",
                ">=" => ">=",
                "!=" | "<>" => "!=",
                _ => match c {
                    '=' => "=",
                    '<' => "<",
                    '>' => ">",
                    '(' => "(",
                    ')' => ")",
                    ',' => ",",
                    '.' => ".",
                    _ => return Err(malformed(format!("line 1:{i} unexpected character '{c}'"))),
                },
            };
            i += symbol.len();
            tokens.push((Token::Symbol(symbol), at));
        }
    }
    Ok(tokens)
}

/// Reads up to and including the closing quote; returns the position after it.
fn lex_text(chars: &[char], mut i: usize) -> Result<(Token, usize), ApiError> {
    let mut out = Chars::new();
    loop {
        let Some(&c) = chars.get(i) else {
            return Err(malformed("line 1: the text is not closed: expecting '\\''"));
        };
        i += 1;
        match c {
            '\'' => return Ok((Token::Text(out), i)),
            '\\' => {
                let escaped = chars.get(i).copied();
                i += 1;
                let plain = match escaped {
                    Some('n' | 'N') => '\n',
                    Some('r' | 'R') => '\r',
                    Some('t' | 'T') => '\t',
                    Some('b' | 'B') => '\u{8}',
                    Some('f' | 'F') => '\u{c}',
                    Some(same @ ('"' | '\'' | '\\' | '_' | '%')) => same,
                    Some('u' | 'U') => {
                        let hex: String = chars.iter().skip(i).take(4).collect();
                        let code = (hex.len() == 4)
                            .then(|| u32::from_str_radix(&hex, 16).ok())
                            .flatten();
                        i += 4;
                        code.and_then(char::from_u32)
                            .ok_or_else(|| malformed(format!("Illegal unicode escape '\\u{hex}'")))?
                    }
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(malformed(format!(
                            "Invalid string literal: illegal escape '\\{other}'"
                        )));
                    }
                };
                out.push((plain, true));
            }
            c => out.push((c, false)),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(t, _)| t)
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.next + ahead), Some((Token::Word(w), _)) if w.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.next += usize::from(is);
        is
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.next += usize::from(is);
        is
    }

    fn fail<T>(&self, wanted: &str) -> Result<T, ApiError> {
        Err(malformed(match self.peek() {
            Some(token) => unexpected(token),
            None => format!("unexpected end of query, expecting {wanted}"),
        }))
    }

    fn expect_word(&mut self, word: &str) -> Result<(), ApiError> {
        if self.take_word(word) {
            Ok(())
        } else {
            self.fail(&format!("'{word}'"))
        }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), ApiError> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            self.fail(&format!("'{symbol}'"))
        }
    }

    fn name(&mut self) -> Result<String, ApiError> {
        match self.peek() {
            Some(Token::Word(word)) if !is_keyword(word) => {
                let word = word.clone();
                self.next += 1;
                Ok(word)
            }
            _ => self.fail("a name"),
        }
    }

    fn path(&mut self) -> Result<Path, ApiError> {
        let at = self.tokens.get(self.next).map_or(0, |(_, at)| *at);
        let mut parts = vec![self.name()?];
        while self.take_symbol(".") {
            parts.push(self.name()?);
        }
        if parts.len() > 6 {
            return Err(malformed("a relationship path cannot be longer than 5"));
        }
        Ok(Path { parts, at })
    }

    fn query(&mut self) -> Result<Soql, ApiError> {
        self.expect_word("SELECT")?;
        let select = self.select()?;
        self.expect_word("FROM")?;
        let from = self.name()?;
        let mine = self.scope()?;
        let filter = if self.take_word("WHERE") {
            Some(self.expression()?)
        } else {
            None
        };
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            self.expect_word("BY")?;
            loop {
                order.push(self.order()?);
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        let limit = if self.take_word("LIMIT") {
            Some(self.count()?)
        } else {
            None
        };
        let offset = if self.take_word("OFFSET") {
            self.count()?
        } else {
            0
        };
        if offset > 2000 {
            return Err(ApiError::call(
                400,
                "NUMBER_OUTSIDE_VALID_RANGE",
                "Maximum SOQL offset allowed is 2000",
            ));
        }
        Ok(Soql {
            select,
            from,
            mine,
            filter,
            order,
            limit,
            offset,
        })
    }

    /// `USING SCOPE mine` or `everything`.
    fn scope(&mut self) -> Result<bool, ApiError> {
        if !self.take_word("USING") {
            return Ok(false);
        }
        self.expect_word("SCOPE")?;
        let scope = self.name()?;
        match scope.to_lowercase().as_str() {
            "mine" => Ok(true),
            "everything" => Ok(false),
            _ => Err(malformed(format!("scope {scope} is not played by the sandbox"))),
        }
    }

    fn select(&mut self) -> Result<Select, ApiError> {
        if self.is_word("COUNT") && matches!(self.tokens.get(self.next + 1), Some((Token::Symbol("("), _))) {
            self.next += 2;
            if !self.take_symbol(")") {
                return Err(malformed(
                    "COUNT(field): aggregates other than COUNT() are not played by the sandbox",
                ));
            }
            return Ok(Select::Count);
        }
        let mut fields: Vec<Path> = Vec::new();
        loop {
            if self.take_symbol("(") {
                return Err(malformed("child queries in SELECT are not played by the sandbox"));
            }
            let path = self.path()?;
            if self.take_symbol("(") {
                let name = path.parts.join(".");
                return Err(malformed(format!(
                    "function {name}() is not played by the sandbox"
                )));
            }
            let same = |f: &Path| f.parts.join(".").eq_ignore_ascii_case(&path.parts.join("."));
            if fields.iter().any(same) {
                return Err(malformed(format!(
                    "duplicate field selected: {}",
                    path.parts.join(".")
                )));
            }
            fields.push(path);
            if !self.take_symbol(",") {
                return Ok(Select::Fields(fields));
            }
        }
    }

    fn order(&mut self) -> Result<Order, ApiError> {
        let path = self.path()?;
        let descending = self.take_word("DESC") || {
            self.take_word("ASC");
            false
        };
        let mut nulls_last = false;
        if self.take_word("NULLS") {
            nulls_last = self.take_word("LAST");
            if !nulls_last {
                self.expect_word("FIRST")?;
            }
        }
        Ok(Order {
            path,
            descending,
            nulls_last,
        })
    }

    fn count(&mut self) -> Result<usize, ApiError> {
        match self.peek() {
            Some(Token::Value(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
                let number = text
                    .parse()
                    .map_err(|_| malformed(format!("the number {text} is too large")))?;
                self.next += 1;
                Ok(number)
            }
            _ => self.fail("a number"),
        }
    }

    /// A chain of one connective: SOQL wants parentheses where AND and OR meet.
    fn expression(&mut self) -> Result<Expr, ApiError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(malformed("the filter is nested too deeply"));
        }
        let mut terms = vec![self.term()?];
        let mut connective: Option<bool> = None;
        loop {
            let and = self.is_word("AND");
            if !and && !self.is_word("OR") {
                break;
            }
            if connective.is_some_and(|first| first != and) {
                return self.fail("parentheses");
            }
            connective = Some(and);
            self.next += 1;
            terms.push(self.term()?);
        }
        self.depth -= 1;
        match connective {
            Some(true) => Ok(Expr::And(terms)),
            Some(false) => Ok(Expr::Or(terms)),
            None => Ok(terms.swap_remove(0)),
        }
    }

    fn term(&mut self) -> Result<Expr, ApiError> {
        if self.take_word("NOT") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(malformed("the filter is nested too deeply"));
            }
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.take_symbol("(") {
            let inner = self.expression()?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if self.take_symbol("(") {
            let name = path.parts.join(".");
            return Err(malformed(format!(
                "function {name}() is not played by the sandbox"
            )));
        }
        let op = match self.peek() {
            Some(Token::Symbol("=")) => Op::Eq,
            Some(Token::Symbol("!=")) => Op::Ne,
            Some(Token::Symbol("<")) => Op::Lt,
            Some(Token::Symbol("<=")) => Op::Le,
            Some(Token::Symbol(">")) => Op::Gt,
            Some(Token::Symbol(">=")) => Op::Ge,
            _ if self.is_word("LIKE") => Op::Like,
            _ if self.is_word("IN") => Op::In,
            _ if self.is_word("NOT") && self.is_word_at(1, "IN") => {
                self.next += 1;
                Op::NotIn
            }
            _ => return self.fail("an operator"),
        };
        self.next += 1;
        let mut values = Vec::new();
        if matches!(op, Op::In | Op::NotIn) {
            self.expect_symbol("(")?;
            if self.is_word("SELECT") {
                let query = Box::new(self.query()?);
                self.expect_symbol(")")?;
                let negated = op == Op::NotIn;
                return Ok(Expr::Semi { path, negated, query });
            }
            loop {
                values.push(self.literal()?);
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.expect_symbol(")")?;
        } else {
            values.push(self.literal()?);
        }
        Ok(Expr::Test { path, op, values })
    }

    fn literal(&mut self) -> Result<Literal, ApiError> {
        let literal = match self.peek() {
            Some(Token::Text(chars)) => Literal::Text(chars.clone()),
            Some(Token::Value(text)) => value(text)?,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Literal::Null,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Literal::Bool(true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Literal::Bool(false),
            _ => return self.fail("a value"),
        };
        self.next += 1;
        Ok(literal)
    }
}

fn value(text: &str) -> Result<Literal, ApiError> {
    if let Some(date) = read_date(text) {
        return Ok(Literal::Date(date));
    }
    if let Some(ms) = read_stamp(text) {
        return Ok(Literal::Time(ms));
    }
    let numeric = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    match text.parse() {
        Ok(number) if numeric => Ok(Literal::Number(number)),
        _ => Err(malformed(format!("unexpected token: '{text}'"))),
    }
}

fn is_keyword(word: &str) -> bool {
    [
        "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "NULL", "TRUE",
        "FALSE",
    ]
    .iter()
    .any(|k| k.eq_ignore_ascii_case(word))
}

/// `%` and `_` as wildcards unless escaped, without regard to case.
pub(crate) fn is_like(text: &str, pattern: &Chars) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let lowered: Chars = pattern
        .iter()
        .flat_map(|(c, escaped)| c.to_lowercase().map(move |l| (l, *escaped)))
        .collect();
    // Where in the text the pattern read so far can end.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for (c, escaped) in lowered {
        match (c, escaped) {
            ('%', false) => {
                if let Some(first) = ends.iter().position(|e| *e) {
                    ends[first..].fill(true);
                }
            }
            (c, escaped) => {
                for at in (0..text.len()).rev() {
                    ends[at + 1] = ends[at] && ((c == '_' && !escaped) || text[at] == c);
                }
                ends[0] = false;
            }
        }
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Chars {
        match lex(text).unwrap().remove(0).0 {
            Token::Text(chars) => chars,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn like_knows_wildcards_and_their_escapes() {
        for (text, like, is) in [
            ("Müller", "'mü%'", true),
            ("Müller", "'%LLER'", true),
            ("Müller", "'M_ller'", true),
            ("Müller", "'M_er'", false),
            ("100%", "'100\\%'", true),
            ("1000", "'100\\%'", false),
            ("a_b", "'a\\_b'", true),
            ("axb", "'a\\_b'", false),
            ("", "'%'", true),
            ("", "'_'", false),
            ("abcabc", "'%abc'", true),
            ("O'Brien", "'o\\'b%'", true),
        ] {
            assert_eq!(is_like(text, &pattern(like)), is, "{text} LIKE {like}");
        }
    }

    #[test]
    fn a_whole_query_is_read() {
        let soql = parse(
            "select Id, Account.Name from Contact where (Email = 'a\\'b' or Phone != null) and not LastName like 'x%' \
             and SystemModstamp >= 2026-11-22T18:00:00.000+0000 order by SystemModstamp desc nulls last, Id limit 5 offset 2",
        )
        .unwrap();
        assert_eq!(soql.from, "Contact");
        assert_eq!((soql.limit, soql.offset), (Some(5), 2));
        assert!(soql.order[0].descending && soql.order[0].nulls_last && !soql.order[1].descending);
        let Some(Expr::And(terms)) = soql.filter else {
            panic!("no AND")
        };
        assert_eq!(terms.len(), 3);
        assert!(matches!(&terms[2], Expr::Test { op: Op::Ge, values, .. }
            if values == &[Literal::Time(1_795_370_400_000)]));
    }

    #[test]
    fn what_is_not_played_is_refused() {
        for bad in [
            "",
            "SELECT",
            "SELECT FROM Contact",
            "SELECT Id",
            "SELECT Id FROM Contact WHERE",
            "SELECT Id FROM Contact WHERE Email = 'x",
            "SELECT Id FROM Contact WHERE Email = 'a\\qb'",
            "SELECT Id FROM Contact WHERE Email = x",
            "SELECT Id FROM Contact WHERE Email == 'x'",
            "SELECT Id FROM Contact WHERE a = 1 AND b = 2 OR c = 3",
            "SELECT Id FROM Contact WHERE (a = 1",
            "SELECT Id FROM Contact WHERE a IN ()",
            "SELECT Id FROM Contact WHERE a IN (SELECT Id FROM Account",
            "SELECT Id FROM Contact WHERE a IN (SELECT Id FROM Account, 'x')",
            "SELECT Id FROM Contact USING SCOPE team",
            "SELECT Id FROM Contact USING mine",
            "SELECT Id FROM Contact WHERE a INCLUDES ('x')",
            "SELECT Id FROM Contact WHERE CreatedDate = TODAY",
            "SELECT Id FROM Contact WHERE CALENDAR_YEAR(CreatedDate) = 2026",
            "SELECT Id, Id FROM Contact",
            "SELECT Id, (SELECT Id FROM Cases) FROM Contact",
            "SELECT FIELDS(ALL) FROM Contact LIMIT 200",
            "SELECT COUNT(Id) FROM Contact",
            "SELECT Id FROM Contact c",
            "SELECT Id FROM Contact GROUP BY Id",
            "SELECT Id FROM Contact WITH SECURITY_ENFORCED",
            "SELECT Id FROM Contact FOR UPDATE",
            "SELECT Id FROM Contact LIMIT x",
            "SELECT Id FROM Contact LIMIT -1",
            "SELECT Id FROM Contact OFFSET 5 LIMIT 1",
            "SELECT Id FROM Contact; DELETE",
            "SELECT Id FROM Contact WHERE a = 2026-13-01",
            "SELECT Id FROM Contact WHERE Email = :x",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!((error.code, error.status), ("MALFORMED_QUERY", 400), "{bad}");
        }
        let deep = format!(
            "SELECT Id FROM Contact WHERE {}a = 1{}",
            "(".repeat(5000),
            ")".repeat(5000)
        );
        assert_eq!(parse(&deep).unwrap_err().code, "MALFORMED_QUERY");
        let nots = format!("SELECT Id FROM Contact WHERE {} a = 1", "NOT ".repeat(5000));
        assert_eq!(parse(&nots).unwrap_err().code, "MALFORMED_QUERY");
        assert_eq!(
            parse("SELECT Id FROM Contact OFFSET 2001").unwrap_err().code,
            "NUMBER_OUTSIDE_VALID_RANGE"
        );
    }
}
