//! Time zones as Exchange knows them: Windows names, and zones that a client invents with its own rules.
//!
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/time-zones-and-ews-in-exchange>

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::Fail;
use super::xml::{Element, escape, tag, wrap};

/// Windows name, IANA name, what Windows shows.
const ZONES: &[(&str, &str, &str)] = &[
    (
        "Dateline Standard Time",
        "Etc/GMT+12",
        "(UTC-12:00) International Date Line West",
    ),
    (
        "UTC-11",
        "Etc/GMT+11",
        "(UTC-11:00) Coordinated Universal Time-11",
    ),
    ("Hawaiian Standard Time", "Pacific/Honolulu", "(UTC-10:00) Hawaii"),
    (
        "Marquesas Standard Time",
        "Pacific/Marquesas",
        "(UTC-09:30) Marquesas Islands",
    ),
    ("Alaskan Standard Time", "America/Anchorage", "(UTC-09:00) Alaska"),
    (
        "Pacific Standard Time",
        "America/Los_Angeles",
        "(UTC-08:00) Pacific Time (US & Canada)",
    ),
    (
        "US Mountain Standard Time",
        "America/Phoenix",
        "(UTC-07:00) Arizona",
    ),
    (
        "Mountain Standard Time",
        "America/Denver",
        "(UTC-07:00) Mountain Time (US & Canada)",
    ),
    (
        "Central America Standard Time",
        "America/Guatemala",
        "(UTC-06:00) Central America",
    ),
    (
        "Central Standard Time",
        "America/Chicago",
        "(UTC-06:00) Central Time (US & Canada)",
    ),
    (
        "Central Standard Time (Mexico)",
        "America/Mexico_City",
        "(UTC-06:00) Guadalajara, Mexico City, Monterrey",
    ),
    (
        "SA Pacific Standard Time",
        "America/Bogota",
        "(UTC-05:00) Bogota, Lima, Quito, Rio Branco",
    ),
    (
        "Eastern Standard Time",
        "America/New_York",
        "(UTC-05:00) Eastern Time (US & Canada)",
    ),
    (
        "US Eastern Standard Time",
        "America/Indiana/Indianapolis",
        "(UTC-05:00) Indiana (East)",
    ),
    (
        "Venezuela Standard Time",
        "America/Caracas",
        "(UTC-04:00) Caracas",
    ),
    (
        "Atlantic Standard Time",
        "America/Halifax",
        "(UTC-04:00) Atlantic Time (Canada)",
    ),
    (
        "Pacific SA Standard Time",
        "America/Santiago",
        "(UTC-04:00) Santiago",
    ),
    (
        "Newfoundland Standard Time",
        "America/St_Johns",
        "(UTC-03:30) Newfoundland",
    ),
    (
        "E. South America Standard Time",
        "America/Sao_Paulo",
        "(UTC-03:00) Brasilia",
    ),
    (
        "Argentina Standard Time",
        "America/Argentina/Buenos_Aires",
        "(UTC-03:00) City of Buenos Aires",
    ),
    ("Azores Standard Time", "Atlantic/Azores", "(UTC-01:00) Azores"),
    ("UTC", "Etc/UTC", "(UTC) Coordinated Universal Time"),
    (
        "GMT Standard Time",
        "Europe/London",
        "(UTC+00:00) Dublin, Edinburgh, Lisbon, London",
    ),
    (
        "Greenwich Standard Time",
        "Atlantic/Reykjavik",
        "(UTC+00:00) Monrovia, Reykjavik",
    ),
    (
        "W. Europe Standard Time",
        "Europe/Berlin",
        "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
    ),
    (
        "Central Europe Standard Time",
        "Europe/Budapest",
        "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague",
    ),
    (
        "Romance Standard Time",
        "Europe/Paris",
        "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris",
    ),
    (
        "Central European Standard Time",
        "Europe/Warsaw",
        "(UTC+01:00) Sarajevo, Skopje, Warsaw, Zagreb",
    ),
    (
        "W. Central Africa Standard Time",
        "Africa/Lagos",
        "(UTC+01:00) West Central Africa",
    ),
    (
        "GTB Standard Time",
        "Europe/Bucharest",
        "(UTC+02:00) Athens, Bucharest",
    ),
    ("Egypt Standard Time", "Africa/Cairo", "(UTC+02:00) Cairo"),
    (
        "FLE Standard Time",
        "Europe/Kyiv",
        "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius",
    ),
    ("Israel Standard Time", "Asia/Jerusalem", "(UTC+02:00) Jerusalem"),
    (
        "South Africa Standard Time",
        "Africa/Johannesburg",
        "(UTC+02:00) Harare, Pretoria",
    ),
    ("Turkey Standard Time", "Europe/Istanbul", "(UTC+03:00) Istanbul"),
    (
        "Russian Standard Time",
        "Europe/Moscow",
        "(UTC+03:00) Moscow, St. Petersburg",
    ),
    ("Arab Standard Time", "Asia/Riyadh", "(UTC+03:00) Kuwait, Riyadh"),
    ("E. Africa Standard Time", "Africa/Nairobi", "(UTC+03:00) Nairobi"),
    ("Iran Standard Time", "Asia/Tehran", "(UTC+03:30) Tehran"),
    (
        "Arabian Standard Time",
        "Asia/Dubai",
        "(UTC+04:00) Abu Dhabi, Muscat",
    ),
    ("Afghanistan Standard Time", "Asia/Kabul", "(UTC+04:30) Kabul"),
    (
        "Pakistan Standard Time",
        "Asia/Karachi",
        "(UTC+05:00) Islamabad, Karachi",
    ),
    (
        "India Standard Time",
        "Asia/Kolkata",
        "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi",
    ),
    ("Nepal Standard Time", "Asia/Kathmandu", "(UTC+05:45) Kathmandu"),
    ("Bangladesh Standard Time", "Asia/Dhaka", "(UTC+06:00) Dhaka"),
    (
        "SE Asia Standard Time",
        "Asia/Bangkok",
        "(UTC+07:00) Bangkok, Hanoi, Jakarta",
    ),
    (
        "China Standard Time",
        "Asia/Shanghai",
        "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi",
    ),
    (
        "Singapore Standard Time",
        "Asia/Singapore",
        "(UTC+08:00) Kuala Lumpur, Singapore",
    ),
    (
        "Tokyo Standard Time",
        "Asia/Tokyo",
        "(UTC+09:00) Osaka, Sapporo, Tokyo",
    ),
    ("Korea Standard Time", "Asia/Seoul", "(UTC+09:00) Seoul"),
    (
        "Cen. Australia Standard Time",
        "Australia/Adelaide",
        "(UTC+09:30) Adelaide",
    ),
    (
        "AUS Eastern Standard Time",
        "Australia/Sydney",
        "(UTC+10:00) Canberra, Melbourne, Sydney",
    ),
    (
        "E. Australia Standard Time",
        "Australia/Brisbane",
        "(UTC+10:00) Brisbane",
    ),
    (
        "Lord Howe Standard Time",
        "Australia/Lord_Howe",
        "(UTC+10:30) Lord Howe Island",
    ),
    (
        "New Zealand Standard Time",
        "Pacific/Auckland",
        "(UTC+12:00) Auckland, Wellington",
    ),
    (
        "Chatham Islands Standard Time",
        "Pacific/Chatham",
        "(UTC+12:45) Chatham Islands",
    ),
    (
        "Tonga Standard Time",
        "Pacific/Tongatapu",
        "(UTC+13:00) Nuku'alofa",
    ),
    ("Samoa Standard Time", "Pacific/Apia", "(UTC+13:00) Samoa"),
    (
        "Line Islands Standard Time",
        "Pacific/Kiritimati",
        "(UTC+14:00) Kiritimati Island",
    ),
];

/// A zone of an item: by name, or with rules of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `t:Periods` and what follows, as it came; empty for a zone that is known by name.
    definition: String,
    tz: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    pub(crate) fn utc() -> Self {
        Self {
            id: "UTC".to_owned(),
            name: "(UTC) Coordinated Universal Time".to_owned(),
            definition: String::new(),
            tz: TimeZone::UTC,
        }
    }

    /// The zone of that Windows or IANA name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (id, iana, shown) = ZONES
            .iter()
            .find(|(id, iana, _)| id.eq_ignore_ascii_case(name) || iana.eq_ignore_ascii_case(name))?;
        Some(Self {
            id: (*id).to_owned(),
            name: (*shown).to_owned(),
            definition: String::new(),
            tz: TimeZone::get(iana).ok()?,
        })
    }

    /// A zone that some client wrote and nobody knows: its times are taken as UTC.
    pub(crate) fn nowhere(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            ..Self::utc()
        }
    }

    /// A zone with these POSIX rules (`XST-1XDT,M3.5.0,M10.5.0/3`), as Exchange invents one for an iCalendar file.
    pub(crate) fn invented(id: &str, rules: &str) -> Result<Self, String> {
        let tz = TimeZone::posix(rules).map_err(|e| e.to_string())?;
        Ok(Self {
            id: id.to_owned(),
            name: "Customized Time Zone".to_owned(),
            definition: definition(&tz, id),
            tz,
        })
    }

    /// Reads `t:StartTimeZone`, `t:EndTimeZone` or `t:TimeZoneDefinition`.
    pub(crate) fn parse(element: &Element) -> Result<Self, Fail> {
        let bad = || Fail::new("ErrorTimeZone", "The specified time zone isn't valid.");
        let id = element.attr("Id").unwrap_or_default();
        if element.children.is_empty() {
            return Self::named(id).ok_or_else(bad);
        }
        let mut definition = String::new();
        for child in &element.children {
            write_back(&mut definition, child);
        }
        Ok(Self {
            id: id.to_owned(),
            name: element.attr("Name").unwrap_or(id).to_owned(),
            definition,
            tz: TimeZone::posix(&posix(element).ok_or_else(bad)?).map_err(|_| bad())?,
        })
    }

    /// Writes it under that element's name.
    pub(crate) fn write(&self, out: &mut String, name: &str) {
        wrap(
            out,
            name,
            &[("Id", &self.id), ("Name", &self.name)],
            &self.definition,
        );
    }

    /// The wall clock at that moment (microseconds since 1970).
    pub(crate) fn wall(&self, micros: i64) -> DateTime {
        let stamp = Timestamp::from_microsecond(micros).unwrap_or_default();
        self.tz.to_datetime(stamp)
    }

    /// The moment of a wall clock: in a gap the time after it, in a fold the first one.
    pub(crate) fn moment(&self, wall: DateTime) -> i64 {
        self.tz
            .to_ambiguous_zoned(wall)
            .compatible()
            .map_or(0, |z| z.timestamp().as_microsecond())
    }
}

fn write_back(out: &mut String, element: &Element) {
    let mut inner = escape(element.text.trim());
    for child in &element.children {
        write_back(&mut inner, child);
    }
    let attrs: Vec<(&str, &str)> = element
        .attrs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    wrap(out, &format!("t:{}", element.name), &attrs, &inner);
}

/// Seconds of an `xs:duration` without days: `-PT8H`, `PT5H30M0S`.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total = 0.0_f64;
    let mut number = String::new();
    for c in rest.strip_prefix("PT")?.chars() {
        match c {
            '0'..='9' | '.' => number.push(c),
            _ => {
                let unit = match c {
                    'H' => 3600.0,
                    'M' => 60.0,
                    'S' => 1.0,
                    _ => return None,
                };
                total += number.parse::<f64>().ok()? * unit;
                number.clear();
            }
        }
    }
    if !number.is_empty() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a zone's offset is a small number of seconds"
    )]
    Some(sign * total.round() as i64)
}

fn clock(seconds: i64) -> String {
    let (sign, s) = (if seconds < 0 { "-" } else { "" }, seconds.abs());
    format!("{sign}{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// The rules that hold last, in POSIX's words. Rules of earlier years are not looked at.
fn posix(zone: &Element) -> Option<String> {
    let periods = zone.list("Periods");
    let bias = |id: &str| {
        let period = periods.iter().find(|p| p.attr("Id") == Some(id))?;
        seconds(period.attr("Bias").unwrap_or_default())
    };
    let target = |t: &Element| {
        t.child("To").map(|to| {
            (
                to.attr("Kind").unwrap_or_default().to_owned(),
                to.text.trim().to_owned(),
            )
        })
    };
    let last = zone.list("Transitions").last().and_then(target);
    let group = match &last {
        Some((kind, id)) if kind == "Group" => zone
            .list("TransitionsGroups")
            .iter()
            .find(|g| g.attr("Id") == Some(id)),
        Some((_, id)) => return Some(format!("XST{}", clock(bias(id)?))),
        None => zone.list("TransitionsGroups").last(),
    };
    let Some(group) = group else {
        let only = periods.first()?;
        return Some(format!("XST{}", clock(seconds(only.attr("Bias")?)?)));
    };
    let mut rules: Vec<(i64, String)> = Vec::new();
    for transition in &group.children {
        let (_, period) = target(transition)?;
        let bias = bias(&period)?;
        let number = |name: &str| {
            transition
                .child_text(name)
                .and_then(|t| t.trim().parse::<i64>().ok())
        };
        let at = clock(seconds(transition.child_text("TimeOffset").unwrap_or("PT0S"))?);
        let rule = match transition.name.as_str() {
            "RecurringDayTransition" => {
                let day = weekday_number(transition.child_text("DayOfWeek")?.trim())?;
                let week = match number("Occurrence")? {
                    -1 | 5 => 5,
                    n @ 1..=4 => n,
                    _ => return None,
                };
                format!("M{}.{week}.{day}/{at}", number("Month")?)
            }
            "RecurringDateTransition" => {
                let month = i8::try_from(number("Month")?).ok()?;
                let day = i8::try_from(number("Day")?).ok()?;
                // Days of the year without the 29th of February.
                format!("J{}/{at}", Date::new(2025, month, day).ok()?.day_of_year())
            }
            _ => String::new(),
        };
        rules.push((bias, rule));
    }
    match &rules[..] {
        [] => None,
        [(bias, _)] => Some(format!("XST{}", clock(*bias))),
        [(a, to_a), (b, to_b), ..] => {
            // A bias is what is added to get UTC: the smaller one is summer.
            let (standard, daylight) = if a >= b {
                ((a, to_a), (b, to_b))
            } else {
                ((b, to_b), (a, to_a))
            };
            Some(format!(
                "XST{}XDT{},{},{}",
                clock(*standard.0),
                clock(*daylight.0),
                daylight.1,
                standard.1
            ))
        }
    }
}

fn weekday_number(name: &str) -> Option<i8> {
    super::recur::WEEKDAYS
        .iter()
        .position(|d| *d == name)
        .and_then(|n| i8::try_from(n).ok())
}

fn bias_of(offset: Offset) -> String {
    let minutes = -offset.seconds() / 60;
    let sign = if minutes < 0 { "-" } else { "" };
    let minutes = minutes.abs();
    match (minutes / 60, minutes % 60) {
        (h, 0) => format!("{sign}PT{h}H"),
        (h, m) => format!("{sign}PT{h}H{m}M"),
    }
}

/// One yearly change of the clock: the offset after it, and the wall clock a millisecond before it: where a rule counts
/// Saturdays and the clock turns as they end, the weekday must be theirs.
struct Turn {
    offset: Offset,
    daylight: bool,
    wall: DateTime,
    /// The fourth, say, in each of the years looked at; else the last.
    week: i8,
}

fn turns(tz: &TimeZone) -> Vec<Turn> {
    let year = |y: i16| {
        let start = Date::constant(y, 1, 1).to_datetime(Time::midnight());
        let from = start
            .to_zoned(TimeZone::UTC)
            .map_or(Timestamp::UNIX_EPOCH, |z| z.timestamp());
        let until = from + (366 * 24).hours();
        tz.following(from)
            .take_while(|t| t.timestamp() < until)
            .take(2)
            .map(|t| {
                let before = tz.to_offset(t.timestamp() - 1.second());
                (
                    t.offset(),
                    t.dst().is_dst(),
                    before.to_datetime(t.timestamp() - 1.millisecond()),
                )
            })
            .collect::<Vec<_>>()
    };
    let years: Vec<Vec<_>> = (2026..2034).map(year).collect();
    years[0]
        .iter()
        .enumerate()
        .map(|(n, (offset, daylight, wall))| {
            let week = |w: &DateTime| (w.day() - 1) / 7 + 1;
            let same = years
                .iter()
                .all(|y| y.get(n).is_some_and(|(_, _, w)| week(w) == week(wall)));
            Turn {
                offset: *offset,
                daylight: *daylight,
                wall: *wall,
                week: if same && week(wall) < 5 { week(wall) } else { -1 },
            }
        })
        .collect()
}

/// `t:Periods`, `t:TransitionsGroups` and `t:Transitions` of a zone, as it is from now on.
fn definition(tz: &TimeZone, id: &str) -> String {
    let found = turns(tz);
    let name = |daylight: bool| if daylight { "Daylight" } else { "Standard" };
    let period_id = |daylight: bool| format!("trule:{id}/2026-{}", name(daylight));
    let mut periods = String::new();
    let mut group = String::new();
    if let [first, second] = &found[..] {
        for turn in [first, second] {
            let attrs = [
                ("Bias", bias_of(turn.offset)),
                ("Name", name(turn.daylight).to_owned()),
                ("Id", period_id(turn.daylight)),
            ];
            let attrs: Vec<(&str, &str)> = attrs.iter().map(|(n, v)| (*n, v.as_str())).collect();
            wrap(&mut periods, "t:Period", &attrs, "");
            let mut rule = String::new();
            wrap(
                &mut rule,
                "t:To",
                &[("Kind", "Period")],
                &escape(&period_id(turn.daylight)),
            );
            // A millisecond before the turn, so that midnight belongs to the day that ends.
            let next = turn.wall.saturating_add(1.millisecond());
            let offset = match (next.hour(), next.minute()) {
                (0, 0) => "PT23H59M59.999S".to_owned(),
                (hour, 0) => format!("PT{hour}H"),
                (hour, minute) => format!("PT{hour}H{minute}M"),
            };
            tag(&mut rule, "t:TimeOffset", &offset);
            tag(&mut rule, "t:Month", &turn.wall.month().to_string());
            tag(
                &mut rule,
                "t:DayOfWeek",
                super::recur::weekday_name(turn.wall.weekday()),
            );
            tag(&mut rule, "t:Occurrence", &turn.week.to_string());
            wrap(&mut group, "t:RecurringDayTransition", &[], &rule);
        }
    } else {
        let offset = tz.to_offset(Timestamp::from_second(1_800_000_000).unwrap_or_default());
        let id = period_id(false);
        let attrs = [
            ("Bias", bias_of(offset)),
            ("Name", "Standard".to_owned()),
            ("Id", id.clone()),
        ];
        let attrs: Vec<(&str, &str)> = attrs.iter().map(|(n, v)| (*n, v.as_str())).collect();
        wrap(&mut periods, "t:Period", &attrs, "");
        let mut to = String::new();
        wrap(&mut to, "t:To", &[("Kind", "Period")], &escape(&id));
        wrap(&mut group, "t:Transition", &[], &to);
    }
    let mut groups = String::new();
    wrap(&mut groups, "t:TransitionsGroup", &[("Id", "0")], &group);
    let mut out = String::new();
    wrap(&mut out, "t:Periods", &[], &periods);
    wrap(&mut out, "t:TransitionsGroups", &[], &groups);
    out.push_str("<t:Transitions><t:Transition><t:To Kind=\"Group\">0</t:To></t:Transition></t:Transitions>");
    out
}

/// The zones that GetServerTimeZones tells.
pub(crate) fn list(asked: &[&str], full: bool) -> String {
    let mut out = String::new();
    for (id, iana, shown) in ZONES
        .iter()
        .filter(|(id, _, _)| asked.is_empty() || asked.contains(id))
    {
        let inner = match TimeZone::get(iana) {
            Ok(tz) if full => definition(&tz, id),
            _ => String::new(),
        };
        wrap(
            &mut out,
            "t:TimeZoneDefinition",
            &[("Id", id), ("Name", shown)],
            &inner,
        );
    }
    out
}

/// Sunday is 0, as in POSIX.
pub(crate) fn from_sunday(day: Weekday) -> i8 {
    day.to_sunday_zero_offset()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::xml::{TYPES, parse};

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn every_name_is_a_zone_of_the_database() {
        for (id, iana, _) in ZONES {
            assert!(
                Zone::named(id).is_some() && Zone::named(iana).is_some(),
                "{id} {iana}"
            );
        }
        assert!(Zone::named("Middle Earth Standard Time").is_none());
    }

    #[test]
    fn a_written_definition_reads_back_to_the_same_clock() {
        for id in [
            "W. Europe Standard Time",
            "Eastern Standard Time",
            "Lord Howe Standard Time",
            "New Zealand Standard Time",
            "India Standard Time",
            "Pacific SA Standard Time",
        ] {
            let known = Zone::named(id).unwrap();
            let text = format!(
                "<t:StartTimeZone xmlns:t='{TYPES}' Id='tzone://Microsoft/Custom'>{}</t:StartTimeZone>",
                definition(&known.tz, id)
            );
            let own = Zone::parse(&parse(text.as_bytes()).unwrap()).unwrap();
            // Each week of three years, a few hours apart.
            for n in 0..160 {
                let micros = at("2026-01-01T00:30:00Z") + n * 7 * 86_400_000_000 + n * 3_600_000_000;
                assert_eq!(own.wall(micros), known.wall(micros), "{id} {n}");
            }
        }
    }

    #[test]
    fn gaps_and_folds() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let wall = |t: &str| berlin.moment(t.parse().unwrap());
        assert_eq!(wall("2026-03-29T02:30:00"), at("2026-03-29T01:30:00Z"));
        assert_eq!(wall("2026-10-25T02:30:00"), at("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn hostile_definitions_are_refused() {
        for bad in [
            "<z Id='Nowhere'/>",
            "<z Id='x'><Periods/></z>",
            "<z Id='x'><Periods><Period Bias='eight' Id='a'/></Periods></z>",
            "<z Id='x'><Periods><Period Bias='PT1H' Id='a'/></Periods><Transitions><Transition><To Kind='Period'>b</To></Transition></Transitions></z>",
        ] {
            assert!(Zone::parse(&parse(bad.as_bytes()).unwrap()).is_err(), "{bad}");
        }
    }
}
