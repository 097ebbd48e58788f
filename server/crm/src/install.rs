//! Deploys what an organisation needs for idempotent creates: the key fields, and a permission set that opens them.

use std::fmt;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tandem_sync::{Fault, FaultKind};
use tandem_types::UserId;

use crate::answer::Page;
use crate::client::{Effect, Rest, query_path};
use crate::grants::Grants;
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::Platform;
use crate::soql;

/// The permission set's API name.
const PERMISSION_SET: &str = "Tandem";
/// In characters; a key has 32.
const KEY_LENGTH: u32 = 64;
/// Where the field is made, and on which objects it then is: events and tasks have theirs together.
const PLACES: [(&str, &[&str]); 3] = [
    ("Contact", &["Contact"]),
    ("Activity", &["Event", "Task"]),
    ("EmailMessage", &["EmailMessage"]),
];

/// What [`install`] did about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is there now.
    Made(String),
    /// It was there.
    There(String),
    /// The organisation does not take it; the sync does without. With the organisation's own message.
    LeftOut { what: String, why: String },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(what) => write!(f, "made      {what}"),
            Self::There(what) => write!(f, "was there {what}"),
            Self::LeftOut { what, why } => write!(f, "left out  {what}: {why}"),
        }
    }
}

/// Why the rest was not done.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Salesforce refused one thing, in its own words.
    #[error("Salesforce refuses {what}: {why}")]
    Refused { what: String, why: String },
    #[error(transparent)]
    Failed(#[from] Fault),
}

/// Makes the key fields on contacts, activities and (where it takes one) emails, the permission set *Tandem* that opens
/// them, and gives it to the user whose grant is used. What is there already stays as it is: it can be called again.
///
/// The user needs the permissions *Customize Application* and *Manage Users*.
///
/// # Errors
/// [`InstallError::Refused`] names what was refused; what was done before stays.
pub async fn install(
    platform: &Platform,
    grants: Arc<dyn Grants>,
    user: &UserId,
) -> Result<Vec<Step>, InstallError> {
    let rest = Rest::new(platform.net.clone(), platform.config.clone(), grants);
    let base = rest.base(&platform.cache).await.map_err(Fault::from)?;
    let field = &platform.config.key_field;
    let installer = Installer {
        rest: &rest,
        base,
        field,
    };
    let mut steps = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for (place, objects) in PLACES {
        let step = installer.field(place).await?;
        if !matches!(step, Step::LeftOut { .. }) {
            open.extend(objects);
        }
        steps.push(step);
    }
    let (set, step) = installer.permission_set().await?;
    steps.push(step);
    steps.extend(installer.field_permissions(&set, &open).await?);
    steps.push(installer.assignment(&set, user).await?);
    Ok(steps)
}

struct Installer<'i> {
    rest: &'i Rest,
    base: String,
    field: &'i str,
}

/// What became of a record that was to be made.
enum Made {
    Id(String),
    There,
    Refused(Failure),
}

impl Installer<'_> {
    async fn query(&self, tooling: bool, soql: &str) -> Result<Vec<Row>, Failure> {
        let tooling = if tooling { "tooling/" } else { "" };
        let path = format!("{}/{tooling}{}", self.base, query_path(false, soql));
        let answer = self.rest.get(&path).await?;
        let mut page = Page::parse(answer.body).ok_or_else(|| Failure::malformed("not a query's page"))?;
        let mut rows = page.rows;
        while let Some(next) = page.next {
            page = self.rest.next_page(&next).await?;
            rows.append(&mut page.rows);
        }
        Ok(rows)
    }

    async fn make(&self, path: &str, body: &Value) -> Result<Made, Fault> {
        let path = format!("{}/{path}", self.base);
        match self
            .rest
            .call(Method::POST, &path, Some(body), Effect::Writes)
            .await
        {
            Ok(answer) => {
                let id = answer.body.get("id").and_then(Value::as_str);
                Ok(Made::Id(id.unwrap_or_default().to_owned()))
            }
            Err(failure) => match failure.code.as_str() {
                "DUPLICATE_DEVELOPER_NAME" | "DUPLICATE_VALUE" => Ok(Made::There),
                "" => Err(failure.fault),
                _ if matches!(
                    failure.fault.kind,
                    FaultKind::SignInEnded | FaultKind::RateLimited { .. } | FaultKind::Transient { .. }
                ) =>
                {
                    Err(failure.fault)
                }
                _ => Ok(Made::Refused(failure)),
            },
        }
    }

    /// <https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm>
    async fn field(&self, place: &str) -> Result<Step, InstallError> {
        let what = format!("field {place}.{}", self.field);
        let name = self.field.trim_end_matches("__c");
        let soql = format!(
            "SELECT Id FROM CustomField WHERE DeveloperName = {} AND TableEnumOrId = {}",
            soql::quote(name),
            soql::quote(place)
        );
        match self.query(true, &soql).await {
            Ok(rows) if !rows.is_empty() => return Ok(Step::There(what)),
            Ok(_) => {}
            Err(failure) => return Err(refused("a look at its fields", failure)),
        }
        let body = json!({
            "FullName": format!("{place}.{}", self.field),
            "Metadata": {
                "label": "Tandem Key",
                "description": "Pairs the record with its Outlook item. Set by Tandem; do not edit.",
                "type": "Text",
                "length": KEY_LENGTH,
                "required": false,
                "externalId": true,
                "unique": true,
                "caseSensitive": true,
            },
        });
        match self.make("tooling/sobjects/CustomField", &body).await? {
            Made::Id(_) => Ok(Step::Made(what)),
            Made::There => Ok(Step::There(what)),
            // Not every organisation lets emails have fields of their own.
            Made::Refused(failure) if place == "EmailMessage" => Ok(Step::LeftOut {
                what,
                why: said(&failure),
            }),
            Made::Refused(failure) => Err(refused(&what, failure)),
        }
    }

    async fn permission_set(&self) -> Result<(String, Step), InstallError> {
        let what = format!("permission set {PERMISSION_SET}");
        let soql = format!(
            "SELECT Id FROM PermissionSet WHERE Name = {}",
            soql::quote(PERMISSION_SET)
        );
        if let Some(id) = self.first_id(&soql, &what).await? {
            return Ok((id, Step::There(what)));
        }
        let body = json!({
            "Name": PERMISSION_SET, "Label": PERMISSION_SET,
            "Description": "Opens the fields by which Tandem pairs records with Outlook items.",
        });
        match self.make("sobjects/PermissionSet", &body).await? {
            Made::Id(id) => Ok((id, Step::Made(what))),
            // Somebody else was faster.
            Made::There => match self.first_id(&soql, &what).await? {
                Some(id) => Ok((id, Step::There(what))),
                None => Err(InstallError::Refused {
                    what,
                    why: "it is there and cannot be seen".to_owned(),
                }),
            },
            Made::Refused(failure) => Err(refused(&what, failure)),
        }
    }

    async fn first_id(&self, soql: &str, what: &str) -> Result<Option<String>, InstallError> {
        let rows = self.query(false, soql).await.map_err(|f| refused(what, f))?;
        Ok(rows.first().and_then(|row| map::reference(row, "Id")))
    }

    async fn field_permissions(&self, set: &str, objects: &[&str]) -> Result<Vec<Step>, InstallError> {
        let soql = format!(
            "SELECT Field,PermissionsEdit FROM FieldPermissions WHERE ParentId = {}",
            soql::quote(set)
        );
        let rows = self
            .query(false, &soql)
            .await
            .map_err(|f| refused("a look at the permission set", f))?;
        let mut steps = Vec::new();
        for object in objects {
            let field = format!("{object}.{}", self.field);
            let what = format!("permission to read and edit {field}");
            let open = rows.iter().any(|row| {
                map::text(row, "Field") == Some(field.as_str())
                    && map::flag(row, "PermissionsEdit") == Some(true)
            });
            if open {
                steps.push(Step::There(what));
                continue;
            }
            let body = json!({
                "ParentId": set, "SobjectType": object, "Field": field,
                "PermissionsRead": true, "PermissionsEdit": true,
            });
            steps.push(match self.make("sobjects/FieldPermissions", &body).await? {
                Made::Id(_) => Step::Made(what),
                Made::There => Step::There(what),
                Made::Refused(failure) => return Err(refused(&what, failure)),
            });
        }
        Ok(steps)
    }

    async fn assignment(&self, set: &str, user: &UserId) -> Result<Step, InstallError> {
        let what = format!("permission set {PERMISSION_SET} for user {user}");
        let soql = format!(
            "SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = {} AND AssigneeId = {}",
            soql::quote(set),
            soql::quote(user.as_str())
        );
        if self.first_id(&soql, &what).await?.is_some() {
            return Ok(Step::There(what));
        }
        let body = json!({"PermissionSetId": set, "AssigneeId": user.as_str()});
        match self.make("sobjects/PermissionSetAssignment", &body).await? {
            Made::Id(_) => Ok(Step::Made(what)),
            Made::There => Ok(Step::There(what)),
            Made::Refused(failure) => Err(refused(&what, failure)),
        }
    }
}

/// In Salesforce's own words: they are for the administrator.
fn said(failure: &Failure) -> String {
    failure.errors.first().map_or_else(
        || failure.fault.detail().to_owned(),
        |error| format!("{} ({})", error.message, error.safe_code()),
    )
}

fn refused(what: &str, failure: Failure) -> InstallError {
    if failure.errors.is_empty()
        || matches!(
            failure.fault.kind,
            FaultKind::SignInEnded | FaultKind::RateLimited { .. }
        )
    {
        return InstallError::Failed(failure.fault);
    }
    InstallError::Refused {
        what: what.to_owned(),
        why: said(&failure),
    }
}
