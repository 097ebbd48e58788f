//! `Task`: reading and writing.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/task>

use super::get_item::key_path;
use super::item::{Head, distinguished, field, flag};
use crate::map::CATEGORY;
use crate::task::{DUE_ID, Task};
use crate::xml::{Reader, Xml, XmlError};

pub(super) fn properties(xml: &mut Xml) {
    for uri in [
        "item:ParentFolderId",
        "item:ItemClass",
        "item:Subject",
        "item:Sensitivity",
        "item:Body",
        "item:Categories",
        "item:Importance",
        "item:DateTimeCreated",
        "item:ReminderDueBy",
        "item:ReminderIsSet",
        "item:LastModifiedTime",
    ] {
        field(xml, uri);
    }
    own_properties(xml);
    key_path(xml);
}

pub(super) fn own_properties(xml: &mut Xml) {
    for uri in [
        "task:CompleteDate",
        "task:DueDate",
        "task:IsComplete",
        "task:IsRecurring",
        "task:Status",
    ] {
        field(xml, uri);
    }
    distinguished(xml, "Task", DUE_ID, "SystemTime");
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Task, XmlError> {
    let mut task = Task::default();
    let mut head = Head::default();
    reader.each(|reader, child| {
        if head.read(reader, child)? {
            return Ok(());
        }
        match child.name.as_str() {
            "Importance" => task.importance = reader.text()?,
            "ReminderDueBy" => task.remind_at = reader.text()?,
            "ReminderIsSet" => task.reminder_set = flag(&reader.text()?),
            "CompleteDate" => task.completed = reader.text()?,
            "DueDate" => task.due = reader.text()?,
            "IsComplete" => task.complete = flag(&reader.text()?),
            "IsRecurring" => task.recurring = flag(&reader.text()?),
            "Status" => task.status = reader.text()?,
            _ => {}
        }
        Ok(())
    })?;
    head.check()?;
    task.head = head;
    Ok(task)
}

/// A task to be made.
pub(crate) struct NewTask<'a> {
    pub(crate) key: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) body: Option<&'a str>,
    /// As EWS writes them.
    pub(crate) importance: &'static str,
    pub(crate) remind_at: Option<&'a str>,
    pub(crate) due: Option<String>,
    pub(crate) status: &'static str,
}

pub(super) fn new_task(xml: &mut Xml, task: &NewTask<'_>) {
    xml.element("t:Task", &[], |xml| {
        if let Some(subject) = task.subject {
            xml.text("t:Subject", &[], subject);
        }
        if let Some(body) = task.body {
            xml.text("t:Body", &[("BodyType", "Text")], body);
        }
        xml.element("t:Categories", &[], |xml| xml.text("t:String", &[], CATEGORY));
        xml.text("t:Importance", &[], task.importance);
        if let Some(at) = task.remind_at {
            xml.text("t:ReminderDueBy", &[], at);
        }
        xml.text(
            "t:ReminderIsSet",
            &[],
            super::calendar::truth(task.remind_at.is_some()),
        );
        super::write_items::extended(xml, key_path, task.key);
        if let Some(due) = &task.due {
            xml.text("t:DueDate", &[], due);
        }
        xml.text("t:Status", &[], task.status);
    });
}
