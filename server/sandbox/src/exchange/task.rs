//! What only tasks have: the state that follows from three fields at once, and coming again when done.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/task>

use jiff::civil::{Date, Time};

use super::content::{Around, Content, Ctx};
use super::props::{date_time, write_time};
use super::zones::Zone;

/// Tasks have days, not times: midnight UTC of the day that was meant.
pub(crate) fn day_of(micros: i64, zone: &Zone) -> i64 {
    let date = zone.wall(micros).date();
    Zone::utc().moment(date.to_datetime(Time::midnight()))
}

impl Content {
    fn is_complete(&self) -> bool {
        self.text("Status") == "Completed"
    }

    /// Status, percentage and date of completion say the same thing; the one that changed decides.
    pub(crate) fn settle_task(&mut self, before: &Self, ctx: Ctx<'_>) {
        let changed = |name: &str| self.texts.get(name) != before.texts.get(name);
        let percent = self.text("PercentComplete").parse::<f64>().unwrap_or(0.0);
        let status = if changed("Status") {
            match self.text("Status") {
                "" => "NotStarted",
                status => status,
            }
        } else if changed("PercentComplete") {
            if percent >= 100.0 {
                "Completed"
            } else if percent > 0.0 {
                "InProgress"
            } else {
                "NotStarted"
            }
        } else if changed("CompleteDate") && self.texts.contains_key("CompleteDate") {
            "Completed"
        } else {
            match self.text("Status") {
                "" => "NotStarted",
                status => status,
            }
        };
        let status = super::content::static_of(super::props::TASK_STATUSES, status).unwrap_or("NotStarted");
        if status == "Completed" {
            self.texts.insert("PercentComplete", "100".to_owned());
            let today = write_time(day_of(ctx.now, ctx.zone));
            self.texts.entry("CompleteDate").or_insert(today);
        } else {
            self.texts.remove("CompleteDate");
            if status == "NotStarted" || percent >= 100.0 {
                self.texts.insert("PercentComplete", "0".to_owned());
            }
        }
        self.texts.insert("Status", status.to_owned());
    }

    /// Where a recurring task was just completed: the completed copy; `self` becomes the next one, if there is one.
    pub(crate) fn come_again(&mut self, before: &Self) -> Option<Self> {
        let recurrence = self.recurrence.clone()?;
        if !self.is_complete() || before.is_complete() {
            return None;
        }
        let utc = Zone::utc();
        let day = |name: &str| -> Option<Date> {
            self.texts
                .get(name)
                .and_then(|t| date_time(t))
                .map(|micros| utc.wall(micros).date())
        };
        let due = day("DueDate").unwrap_or(recurrence.start);
        let next = recurrence.next(due, day("CompleteDate").unwrap_or(due));
        let mut done = self.clone();
        done.recurrence = None;
        let Some(next) = next else {
            // The last one: the series itself is done.
            self.recurrence = None;
            return None;
        };
        let ahead = day("StartDate").map(|start| due.duration_since(start));
        let write = |date: Date| write_time(utc.moment(date.to_datetime(Time::midnight())));
        self.texts.insert("DueDate", write(next));
        if let Some(ahead) = ahead
            && let Ok(start) = next.checked_sub(ahead)
        {
            self.texts.insert("StartDate", write(start));
        }
        self.texts.insert("Status", "NotStarted".to_owned());
        self.texts.insert("PercentComplete", "0".to_owned());
        self.texts.remove("CompleteDate");
        if let Some(reminder) = self.texts.get("ReminderDueBy").and_then(|t| date_time(t)) {
            let later = utc.moment(next.to_datetime(Time::midnight()))
                - utc.moment(due.to_datetime(Time::midnight()));
            self.texts.insert("ReminderDueBy", write_time(reminder + later));
            self.texts.insert("ReminderIsSet", "true".to_owned());
        }
        done.texts.insert("ReminderIsSet", "false".to_owned());
        Some(done)
    }

    pub(crate) fn simple_task(&self, name: &str, around: &Around<'_>) -> Option<String> {
        let or = |default: &str| Some(self.texts.get(name).map_or(default, String::as_str).to_owned());
        match name {
            "Status" => or("NotStarted"),
            "PercentComplete" | "ChangeCount" => or("0"),
            "IsComplete" => Some(self.is_complete().to_string()),
            "IsRecurring" => Some(self.recurrence.is_some().to_string()),
            "IsTeamTask" => or("false"),
            "DelegationState" => or("NoMatch"),
            "IsAssignmentEditable" => or("1"),
            "Owner" => Some(around.me.name.clone()),
            "StatusDescription" => Some(
                match self.text("Status") {
                    "InProgress" => "In Progress",
                    "Completed" => "Completed",
                    "WaitingOnOthers" => "Waiting on someone else",
                    "Deferred" => "Deferred",
                    _ => "Not Started",
                }
                .to_owned(),
            ),
            _ => None,
        }
    }
}
