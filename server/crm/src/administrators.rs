//! Whether the user administers the organisation.

use serde_json::Value;
use tandem_sync::Fault;

use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::soql;

/// One that has expired is no longer active, and still there.
const ASSIGNED: &str = "SELECT Id FROM PermissionSetAssignment WHERE IsActive = true AND";

impl Salesforce {
    /// Whether the user may *Modify All Data*, by whatever profile or permission set, or has the permission set of this
    /// API name: assigned to the user, or to a permission set group that holds it. One API call.
    ///
    /// The first is asked of `UserPermissionAccess`, which tells every user's own effective permissions (since 41.0):
    /// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_userpermissionaccess.htm>
    ///
    /// The others of the assignments, where a group's row has the group and a permission set of the group's own, whose name
    /// is another:
    /// <https://developer.salesforce.com/docs/platform/object-reference/references/standard-objects/object-permissionsetassignment.html>
    ///
    /// # Errors
    /// Salesforce did not answer, or refused: nothing is known then.
    pub async fn administers(&self, permission_set: &str) -> Result<bool, Fault> {
        self.ask_administers(permission_set)
            .await
            .map_err(|failure| failure.fault)
    }

    async fn ask_administers(&self, permission_set: &str) -> Result<bool, Failure> {
        let base = self.base().await?;
        let (me, set) = (soql::quote(self.me()), soql::quote(permission_set));
        let queries = [
            (
                false,
                "SELECT PermissionsModifyAllData FROM UserPermissionAccess LIMIT 1".to_owned(),
            ),
            (
                false,
                format!("{ASSIGNED} AssigneeId = {me} AND PermissionSet.Name = {set} LIMIT 1"),
            ),
            (
                false,
                format!(
                    "{ASSIGNED} AssigneeId = {me} AND PermissionSetGroupId IN (SELECT PermissionSetGroupId FROM \
                     PermissionSetGroupComponent WHERE PermissionSet.Name = {set}) LIMIT 1"
                ),
            ),
        ];
        let mut administers = false;
        for (n, answer) in self.rest.queries(&base, &queries).await?.into_iter().enumerate() {
            let rows = match answer {
                Ok(rows) => rows,
                // What this user may not see gives no right.
                Err(failure) if failure.is_about_fields() => continue,
                Err(failure) => return Err(failure),
            };
            administers |= match n {
                0 => rows.iter().any(|row| {
                    row.get("PermissionsModifyAllData")
                        .and_then(Value::as_bool)
                        .unwrap_or(false)
                }),
                _ => !rows.is_empty(),
            };
        }
        Ok(administers)
    }
}
