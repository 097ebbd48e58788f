//! Signs of another tool that syncs the same user.

use tandem_sync::model::Rival;

use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::{soql, times};

/// `EmailMessage.Source` of rows that Einstein Activity Capture has made.
pub(crate) const CAPTURED: &str = "EinsteinActivityCapture";
/// What is older says nothing of today.
const LOOK_BACK_SECONDS: i64 = 30 * 24 * 3600;

impl Salesforce {
    /// Only what the API shows: rows that Einstein Activity Capture made, and its permission set. Lightning Sync leaves
    /// nothing behind that a client can tell from a user's own work but its permission.
    pub(crate) async fn find_rivals(&self) -> Result<Vec<Rival>, Failure> {
        let described = self.described().await?;
        let me = soql::quote(self.me());
        let mut queries = vec![(
            false,
            format!(
                "SELECT Id,PermissionSet.Name FROM PermissionSetAssignment WHERE AssigneeId = {me} AND \
                 (PermissionSet.Name LIKE '%EinsteinActivityCapture%' OR PermissionSet.Name LIKE '%LightningSync%')"
            ),
        )];
        if described.has_source {
            let since = times::literal(self.clock.now().plus_seconds(-LOOK_BACK_SECONDS));
            queries.push((
                false,
                format!(
                    "SELECT Id FROM EmailMessage WHERE Source = {} AND CreatedDate >= {since} LIMIT 1",
                    soql::quote(CAPTURED)
                ),
            ));
        }
        let base = self.base().await?;
        let mut found: Vec<Rival> = Vec::new();
        for (n, answer) in self.rest.queries(&base, &queries).await?.into_iter().enumerate() {
            let rows = match answer {
                Ok(rows) => rows,
                // What this user may not see gives nothing away.
                Err(failure) if failure.is_about_fields() => continue,
                Err(failure) => return Err(failure),
            };
            for row in rows {
                let set = row
                    .get("PermissionSet")
                    .and_then(|set| set.get("Name"))
                    .and_then(serde_json::Value::as_str);
                let (name, sign) = match set {
                    Some(set) if set.contains("LightningSync") => {
                        ("Lightning Sync", format!("the permission set {set}"))
                    }
                    Some(set) => ("Einstein Activity Capture", format!("the permission set {set}")),
                    None if n > 0 => (
                        "Einstein Activity Capture",
                        "emails that it saved in the last 30 days".to_owned(),
                    ),
                    None => continue,
                };
                if found.iter().all(|rival| rival.name != name) {
                    found.push(Rival {
                        name: name.to_owned(),
                        sign,
                    });
                }
            }
        }
        Ok(found)
    }
}
