//! Tasks.

use serde_json::json;

use crate::support::{ALL, Bench, NINA, changes, quoted, set, state};

const DELETE: &str = "DeleteType=\"MoveToDeletedItems\" AffectedTaskOccurrences=\"AllOccurrences\"";

#[tokio::test]
async fn a_task_from_create_to_done() {
    let bench = Bench::new().await;
    let id = bench
        .create(
            "",
            "<t:Task><t:Subject>Call back</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType=\"Text\">a\nb</t:Body>\
<t:Categories><t:String>Salesforce</t:String></t:Categories><t:Importance>High</t:Importance>\
<t:ReminderDueBy>2026-03-10T08:00:00Z</t:ReminderDueBy><t:ReminderIsSet>true</t:ReminderIsSet>\
<t:DueDate>2026-03-10T23:30:00Z</t:DueDate><t:StartDate>2026-03-09T00:00:00Z</t:StartDate></t:Task>",
        )
        .await
        .ok()
        .id();
    let before = bench.sync("tasks", "").await;
    let read = bench.get(&id.0, ALL).await.ok();
    for part in [
        "<t:DueDate>2026-03-10T00:00:00Z</t:DueDate>",
        "<t:ReminderDueBy>2026-03-10T08:00:00Z</t:ReminderDueBy>",
        "<t:Status>NotStarted</t:Status>",
        "<t:PercentComplete>0</t:PercentComplete>",
        "<t:IsComplete>false</t:IsComplete>",
        "<t:Importance>High</t:Importance>",
        "<t:Owner>Nina Berg</t:Owner>",
        "<t:Body BodyType=\"Text\">a&#xD;\nb</t:Body>",
    ] {
        read.has(part);
    }
    let half = bench
        .update(
            "",
            &id,
            &set(
                "task:PercentComplete",
                "Task",
                "<t:PercentComplete>40</t:PercentComplete>",
            ),
        )
        .await
        .ok();
    bench.get(&id.0, ALL).await.has("<t:Status>InProgress</t:Status>");
    let done = bench
        .update(
            "",
            &half.id(),
            &set("task:Status", "Task", "<t:Status>Completed</t:Status>"),
        )
        .await
        .ok();
    let read = bench.get(&id.0, ALL).await.ok();
    read.has("<t:PercentComplete>100</t:PercentComplete>");
    read.has("<t:IsComplete>true</t:IsComplete>");
    read.has("<t:CompleteDate>");
    let open = bench
        .update(
            "",
            &done.id(),
            &set("task:Status", "Task", "<t:Status>WaitingOnOthers</t:Status>"),
        )
        .await
        .ok();
    bench.get(&id.0, ALL).await.lacks("<t:CompleteDate>");
    assert_eq!(changes(&bench.sync("tasks", &state(&before)).await), (0, 1, 0, 0));
    for (updates, code) in [
        (
            set(
                "task:PercentComplete",
                "Task",
                "<t:PercentComplete>101</t:PercentComplete>",
            ),
            "ErrorInvalidPercentCompleteValue",
        ),
        (
            set("task:IsComplete", "Task", "<t:IsComplete>true</t:IsComplete>"),
            "ErrorInvalidPropertySet",
        ),
        (
            set("task:Status", "Task", "<t:PercentComplete>1</t:PercentComplete>"),
            "ErrorUpdatePropertyMismatch",
        ),
    ] {
        assert_eq!(bench.update("", &open.id(), &updates).await.code(), code);
    }
    assert_eq!(
        bench.delete("DeleteType=\"HardDelete\"", &id.0).await.code(),
        "ErrorAffectedTaskOccurrencesRequired"
    );
    bench.delete(DELETE, &id.0).await.ok();
    assert_eq!(changes(&bench.sync("tasks", &state(&before)).await), (0, 0, 1, 0));
    let misplaced = bench
        .ews("<m:CreateItem><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"contacts\"/></m:SavedItemFolderId><m:Items><t:Task><t:Subject>x</t:Subject></t:Task></m:Items></m:CreateItem>")
        .await;
    assert_eq!(misplaced.code(), "ErrorCannotCreateTaskInNonTaskFolder");
}

#[tokio::test]
async fn a_recurring_task_comes_again() {
    let bench = Bench::new().await;
    let made = bench
        .nina(
            "POST",
            "tasks",
            json!({"subject": "Report", "due": "2026-03-02", "start": "2026-02-28",
            "recurrence": {"pattern": "weekly", "days": ["Monday"], "count": 2}}),
        )
        .await;
    let id = bench.sync("tasks", "").await.id();
    let read = bench.get(&id.0, ALL).await.ok();
    read.has("<t:IsRecurring>true</t:IsRecurring>");
    read.has("<t:NumberOfOccurrences>2</t:NumberOfOccurrences>");
    let complete = set("task:Status", "Task", "<t:Status>Completed</t:Status>");
    let next = bench.update("", &id, &complete).await.ok();
    assert_eq!(next.id().0, id.0, "the series keeps its id");
    let all = bench.list(NINA.0, "tasks").await;
    assert_eq!(all.len(), 2);
    let series = all.iter().find(|t| t["id"] == id.0).unwrap();
    assert_eq!(
        (&series["due"], &series["start"], &series["complete"]),
        (&json!("2026-03-09"), &json!("2026-03-07"), &json!(false))
    );
    let done = all.iter().find(|t| t["id"] != id.0).unwrap();
    assert_eq!(
        (&done["due"], &done["complete"], &done["recurrence"]),
        (&json!("2026-03-02"), &json!(true), &json!(null))
    );
    // The second was the last.
    bench
        .nina(
            "PATCH",
            &format!("tasks/{}", quoted(&made["id"])),
            json!({"status": "Completed"}),
        )
        .await;
    let all = bench.list(NINA.0, "tasks").await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|t| t["complete"] == true));
    let again = bench
        .nina("POST", "tasks", json!({"subject": "Water", "due": "2026-03-02", "recurrence": {"pattern": "regenerating", "interval": 3, "every": "day"}}))
        .await;
    let path = format!("tasks/{}", quoted(&again["id"]));
    let next = bench
        .nina(
            "PATCH",
            &path,
            json!({"status": "Completed", "completed": "2026-03-10"}),
        )
        .await;
    assert_eq!(next["due"], "2026-03-13");
    for bad in [
        json!({"status": "Lazy"}),
        json!({"percent_complete": 200}),
        json!({"due": "soon"}),
        json!({"start_time": 1}),
    ] {
        assert_eq!(bench.refused("PATCH", &path, bad).await, 400);
    }
}
