//! A seed's world and its days, drawn before anything happens: what failed can be told again, and shortened.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::faults::{Op, Trouble, Woe};
use crate::users::Act;
use crate::world::Config;

/// One thing that happens. Each carries its own dice, so that leaving others out changes nothing of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    User {
        act: Act,
        dice: u64,
    },
    Trouble {
        conn: usize,
        trouble: Trouble,
    },
    /// A session begins, and goes so many turns far.
    Session {
        conn: usize,
        turns: u32,
        dice: u64,
    },
    /// Sessions of both connections at once, turn by turn.
    Both {
        dice: u64,
    },
    /// What is under way goes on.
    Resume {
        turns: u32,
        dice: u64,
    },
    /// The process dies.
    Crash,
    Minutes(i64),
    /// The clock is set, by seconds.
    Jump(i64),
    Settings {
        conn: usize,
        overrides: Value,
    },
    /// Somebody chooses a cure of an issue.
    Cure {
        conn: usize,
        dice: u64,
    },
    /// Somebody orders in the pane that the open item be saved, with links of his choice, or taken out again.
    Order {
        conn: usize,
        dice: u64,
    },
    /// Somebody takes back a session.
    Undo {
        conn: usize,
        dice: u64,
    },
    /// Somebody pauses, or goes on.
    Pause {
        conn: usize,
    },
    Backfill {
        conn: usize,
    },
    /// Another connection of the organisation deletes so much.
    Others {
        deletes: u32,
    },
}

/// All that a seed stands for.
#[derive(Clone, Debug)]
pub struct Story {
    pub seed: u64,
    pub config: Config,
    pub overrides: [Value; 2],
    pub steps: Vec<Step>,
}

/// Which kinds take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    pub events: bool,
    pub tasks: bool,
    pub emails: bool,
}

impl Cast {
    pub const ALL: Self = Self {
        events: true,
        tasks: true,
        emails: true,
    };
}

const POLICIES: [&str; 4] = ["newest", "mailbox", "crm", "ask"];

fn overrides(dice: &mut Dice, cast: Cast) -> Value {
    let direction = |dice: &mut Dice| match dice.below(10) {
        0 => "to_crm",
        1 => "to_mailbox",
        2 if dice.percent(50) => "off",
        _ => "two_way",
    };
    let off_or = |on: bool, dice: &mut Dice| if on { direction(dice) } else { "off" };
    let mut value = json!({
        "contacts": direction(dice),
        "contact_scope": if dice.percent(80) { "mine" } else { "all_visible" },
        "contact_conflicts": *dice.pick(&POLICIES),
        "contact_deleted_in_mailbox": *dice.pick(&["ask", "ask", "recreate", "delete_own"]),
        "events": off_or(cast.events, dice),
        "event_conflicts": *dice.pick(&POLICIES),
        "event_days_back": *dice.pick(&[7, 14, 30]),
        "event_days_ahead": *dice.pick(&[30, 60]),
        "save_meetings": dice.percent(85),
        "save_appointments": dice.percent(20),
        "keep_history": dice.percent(70),
        "send_invitations": dice.percent(15),
        "tasks": off_or(cast.tasks, dice),
        "task_conflicts": *dice.pick(&POLICIES),
        "task_deleted_in_mailbox": *dice.pick(&["ask", "ask", "recreate", "delete_own"]),
        "emails": if cast.emails && dice.percent(92) { "to_crm" } else { "off" },
        "save_emails": dice.percent(85),
        "save_threads": dice.percent(70),
        "blocklist": ["blocked.example"],
    });
    if dice.percent(30) {
        value["brake"] = json!({ "count": 5, "percent": 20, "hard": 40 });
    }
    if dice.percent(30) {
        value["email_folders"] = json!(["Inbox/Chosen"]);
    }
    value
}

impl Story {
    pub fn new(seed: u64, cast: Cast) -> Self {
        let dice = &mut Dice::new(seed);
        let chance = |dice: &mut Dice, percent: usize, most: usize| {
            if dice.percent(percent) {
                1 + dice.below(most)
            } else {
                0
            }
        };
        let config = Config {
            crm_keys: dice.percent(60),
            rewrites: dice.percent(50),
            blind: dice.percent(15),
            emails: dice.percent(88),
            people_max: if dice.percent(50) { 1 } else { 50 },
            few_words: dice.percent(30),
            cloud: crate::cloud::draw(seed),
            page: *dice.pick(&[2, 5, 20, 100]),
            batch: *dice.pick(&[1, 3, 10, 50]),
            limit_items: *dice.pick(&[5, 20, 100_000, 100_000]),
            limit_writes: *dice.pick(&[12, 30, 100_000, 100_000]),
            full_percent: chance(dice, 30, 20),
            partial_percent: chance(dice, 25, 10),
            shuffle: dice.percent(70),
            late: dice.percent(30),
            unproved_percent: chance(dice, 25, 30),
        };
        let both = [overrides(dice, cast), overrides(dice, cast)];
        let trouble = chance(dice, 75, 40);
        let crash = chance(dice, 60, 20);
        let mut steps = Vec::new();
        let user = |dice: &mut Dice, steps: &mut Vec<Step>| {
            let act = loop {
                let act = Act::ALL[dice.weighted(Act::WEIGHTS)];
                if fits(act, cast) {
                    break act;
                }
            };
            steps.push(Step::User {
                act,
                dice: dice.roll(),
            });
        };
        for _ in 0..dice.between(70, 100) {
            user(dice, &mut steps);
        }
        let rounds = dice.between(22, 30);
        for _ in 0..rounds {
            for _ in 0..dice.between(9, 14) {
                user(dice, &mut steps);
            }
            for conn in 0..2 {
                while dice.percent(trouble) {
                    steps.push(Step::Trouble {
                        conn,
                        trouble: draw_trouble(dice),
                    });
                }
            }
            for _ in 0..dice.between(1, 2) {
                if dice.percent(30) {
                    steps.push(Step::Both { dice: dice.roll() });
                } else {
                    let conn = dice.below(2);
                    let turns = if dice.percent(crash + 8) {
                        u32::try_from(dice.below(40)).unwrap_or(0)
                    } else {
                        u32::MAX
                    };
                    steps.push(Step::Session {
                        conn,
                        turns,
                        dice: dice.roll(),
                    });
                }
            }
            if dice.percent(crash) {
                steps.push(Step::Crash);
            }
            if dice.percent(15) {
                steps.push(Step::Resume {
                    turns: u32::try_from(dice.below(60)).unwrap_or(0),
                    dice: dice.roll(),
                });
            }
            match dice.below(24) {
                0 => steps.push(Step::Jump(dice.between(-7_200, 7_200))),
                1 | 2 => steps.push(Step::Settings {
                    conn: dice.below(2),
                    overrides: overrides(dice, cast),
                }),
                3..=6 => steps.push(Step::Cure {
                    conn: dice.below(2),
                    dice: dice.roll(),
                }),
                7 => steps.push(Step::Undo {
                    conn: dice.below(2),
                    dice: dice.roll(),
                }),
                8 => steps.push(Step::Pause { conn: dice.below(2) }),
                9 => steps.push(Step::Backfill { conn: dice.below(2) }),
                10 => steps.push(Step::Others {
                    deletes: *dice.pick(&[400, 700, 1_000]),
                }),
                _ => {}
            }
            steps.push(Step::Minutes(
                *dice.pick(&[1, 5, 5, 20, 20, 20, 35, 35, 35, 120, 120, 700, 4_320]),
            ));
        }
        seldom(seed, cast, &mut steps);
        Self {
            seed,
            config,
            overrides: both,
            steps,
        }
    }
}

/// What happens in some worlds only, drawn by itself and put between the rest: all others are as they always were.
fn seldom(seed: u64, cast: Cast, steps: &mut Vec<Step>) {
    let dice = &mut Dice::new(seed ^ 0xbb67_ae85_84ca_a73b);
    if !dice.percent(30) {
        return;
    }
    for _ in 0..dice.between(2, 8) {
        let at = steps.len() / 4 + dice.below(steps.len() * 3 / 4);
        let act = match dice.below(5) {
            0 => Some(Act::MergeUnmarked),
            1 => Some(Act::UnsyncWaitingMail),
            _ => None,
        };
        let (conn, roll) = (dice.below(2), dice.roll());
        match act {
            Some(act) if fits(act, cast) => steps.insert(at, Step::User { act, dice: roll }),
            Some(_) => {}
            None => steps.insert(at, Step::Order { conn, dice: roll }),
        }
    }
}

fn fits(act: Act, cast: Cast) -> bool {
    let name = act.as_str();
    let event = name.contains("Event")
        || name.contains("Meeting")
        || name.contains("Appointment")
        || matches!(act, Act::AddInvitation | Act::AddSeries | Act::InviteThere);
    let mail = name.contains("Mail");
    (cast.events || !event) && (cast.tasks || !name.contains("Task")) && (cast.emails || !mail)
}

fn draw_trouble(dice: &mut Dice) -> Trouble {
    let woe = *dice.pick(&[
        Woe::Transient,
        Woe::Transient,
        Woe::Busy(7),
        Woe::Limited(11),
        Woe::WholeOrg(13),
        Woe::Rejected,
        Woe::SignInEnded,
        Woe::CursorExpired,
        Woe::CursorExpired,
        Woe::Lost { effect: true },
        Woe::Lost { effect: true },
        Woe::Lost { effect: false },
        Woe::LostHalf,
        Woe::LostHalf,
        Woe::Meddle,
        Woe::Meddle,
        Woe::Meddle,
        Woe::Locked,
        Woe::Store,
    ]);
    let side = match woe {
        Woe::Store => None,
        Woe::WholeOrg(_) => Some(tandem_types::Side::Crm),
        _ => Some(*dice.pick(&tandem_types::Side::BOTH)),
    };
    let op = match woe {
        Woe::CursorExpired => Some(Op::Changes),
        Woe::Meddle => Some(*dice.pick(&[Op::Write, Op::Write, Op::Read, Op::LastLook, Op::LastLook])),
        Woe::Lost { .. } | Woe::LostHalf | Woe::Locked => Some(Op::Write),
        Woe::Store => Some(*dice.pick(&[Op::Commit, Op::Commit, Op::Links])),
        _ => None,
    };
    Trouble {
        side,
        op,
        after: u32::try_from(dice.below(if matches!(op, Some(Op::Write | Op::LastLook)) {
            3
        } else {
            8
        }))
        .unwrap_or(0),
        woe,
    }
}
