//! How the organisation is set up: statuses, list views, record types, permissions, and what only the Tooling API
//! knows.

use super::{Field, Kind, Needs, Object, Ops, USER, flag, id, pick, refer, system, text};

const SETS: &[&str] = &["PermissionSet"];
const GROUPS: &[&str] = &["PermissionSetGroup"];
/// Objects whose fields and rows a permission set can open.
const OPENED: &[&str] = &[
    "Account",
    "Contact",
    "Lead",
    "Event",
    "Task",
    "EmailMessage",
    "Opportunity",
    "Case",
];

/// The objects of this module.
pub(super) fn objects() -> Vec<Object> {
    vec![
        task_status(),
        task_priority(),
        list_view(),
        record_type(),
        profile(),
        permission_set(),
        field_permissions(),
        object_permissions(),
        permission_set_assignment(),
        permission_set_group(),
        permission_set_group_component(),
        user_permission_access(),
        custom_field(),
    ]
}

fn read(mut fields: Vec<Field>) -> Vec<Field> {
    fields = fields.into_iter().map(Field::read_only).collect();
    fields.extend(system());
    fields
}

fn order() -> Field {
    Field::new("SortOrder", "Sort Order", Kind::Int, 0)
}

/// What SOQL shows of a reference that may lead to several objects: `Who.Name`, `Who.Type`.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm>
pub(super) fn name() -> Object {
    let fields = vec![
        id("Name ID"),
        text("Name", "Full Name", 255).named(),
        text("LastName", "Last Name", 80),
        text("FirstName", "First Name", 40),
        text("Type", "Type", 255),
        Field::new("Email", "Email", Kind::Email, 128),
        Field::new("Phone", "Phone", Kind::Phone, 40),
        text("Title", "Title", 128),
        text("Alias", "Alias", 8),
        text("Username", "Username", 80),
        flag("IsActive", "Active"),
    ];
    Object::new("Name", "Name", "Names", "", Ops::Nothing, read(fields))
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_taskstatus.htm>
fn task_status() -> Object {
    let fields = vec![
        id("Task Status Value ID"),
        text("MasterLabel", "Master Label", 255).named(),
        text("ApiName", "API Name", 255),
        order(),
        flag("IsDefault", "Default"),
        flag("IsClosed", "Closed"),
    ];
    Object::new(
        "TaskStatus",
        "Task Status Value",
        "Task Status Values",
        "01U",
        Ops::Nothing,
        read(fields),
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_taskpriority.htm>
fn task_priority() -> Object {
    let fields = vec![
        id("Task Priority Value ID"),
        text("MasterLabel", "Master Label", 255).named(),
        text("ApiName", "API Name", 255),
        order(),
        flag("IsDefault", "Default"),
        flag("IsHighPriority", "High Priority"),
    ];
    Object::new(
        "TaskPriority",
        "Task Priority Value",
        "Task Priority Values",
        "01W",
        Ops::Nothing,
        read(fields),
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_listview.htm>
fn list_view() -> Object {
    let fields = vec![
        id("List View ID"),
        text("Name", "View Name", 40).named(),
        text("DeveloperName", "API Name", 80),
        text("SobjectType", "sObject Type", 40),
        flag("IsSoqlCompatible", "Is SOQL Compatible"),
    ];
    Object::new(
        "ListView",
        "List View",
        "List Views",
        "00B",
        Ops::Nothing,
        read(fields),
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_recordtype.htm>
fn record_type() -> Object {
    let fields = vec![
        id("Record Type ID"),
        text("Name", "Name", 80).named(),
        text("DeveloperName", "Record Type Name", 80),
        text("SobjectType", "SObject Type Name", 40),
        flag("IsActive", "Active"),
    ];
    Object::new(
        "RecordType",
        "Record Type",
        "Record Types",
        "012",
        Ops::Nothing,
        read(fields),
    )
    .needs(Needs::RecordTypes)
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_profile.htm>
fn profile() -> Object {
    let fields = vec![
        id("Profile ID"),
        text("Name", "Name", 255).named(),
        flag("PermissionsCustomizeApplication", "Customize Application"),
        flag("PermissionsApiEnabled", "API Enabled"),
    ];
    Object::new("Profile", "Profile", "Profile", "00e", Ops::Nothing, read(fields))
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionset.htm>
fn permission_set() -> Object {
    let mut fields = vec![
        id("PermissionSet ID"),
        text("Name", "Permission Set Name", 80).required().named(),
        text("Label", "Permission Set Label", 80).required(),
        text("Description", "Description", 255),
        flag("IsCustom", "Custom").read_only(),
        flag("IsOwnedByProfile", "Is Owned By Profile").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "PermissionSet",
        "Permission Set",
        "Permission Sets",
        "0PS",
        Ops::Setup,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_fieldpermissions.htm>
fn field_permissions() -> Object {
    let mut fields = vec![
        id("FieldPermissions ID"),
        refer("ParentId", "Parent ID", SETS, "Parent")
            .required()
            .create_only(),
        pick("SobjectType", "Sobject Type Name", OPENED, 40)
            .required()
            .restricted()
            .create_only(),
        text("Field", "Field Name", 255).required().create_only(),
        flag("PermissionsEdit", "Edit Field"),
        flag("PermissionsRead", "Read Field"),
    ];
    fields.extend(system());
    Object::new(
        "FieldPermissions",
        "Field Permissions",
        "Field Permissions",
        "01k",
        Ops::Setup,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_objectpermissions.htm>
fn object_permissions() -> Object {
    let mut fields = vec![
        id("ObjectPermissions ID"),
        refer("ParentId", "Parent ID", SETS, "Parent")
            .required()
            .create_only(),
        pick("SobjectType", "Sobject Type Name", OPENED, 40)
            .required()
            .restricted()
            .create_only(),
        flag("PermissionsCreate", "Create Records"),
        flag("PermissionsRead", "Read Records"),
        flag("PermissionsEdit", "Edit Records"),
        flag("PermissionsDelete", "Delete Records"),
        flag("PermissionsViewAllRecords", "Read All Records"),
        flag("PermissionsModifyAllRecords", "Edit All Records"),
    ];
    fields.extend(system());
    Object::new(
        "ObjectPermissions",
        "Object Permissions",
        "Object Permissions",
        "110",
        Ops::Setup,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetassignment.htm>
fn permission_set_assignment() -> Object {
    let mut fields = vec![
        id("PermissionSetAssignment ID"),
        // One of the two is given: a group's row gets the group's own set.
        refer("PermissionSetId", "PermissionSet ID", SETS, "PermissionSet").create_only(),
        refer(
            "PermissionSetGroupId",
            "PermissionSetGroup ID",
            GROUPS,
            "PermissionSetGroup",
        )
        .create_only(),
        refer("AssigneeId", "Assignee ID", USER, "Assignee")
            .required()
            .create_only(),
        flag("IsActive", "Is Active").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "PermissionSetAssignment",
        "Permission Set Assignment",
        "Permission Set Assignments",
        "0Pa",
        Ops::Setup,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetgroup.htm>
fn permission_set_group() -> Object {
    let mut fields = vec![
        id("Permission Set Group ID"),
        text("DeveloperName", "Permission Set Group Name", 80)
            .required()
            .named(),
        text("MasterLabel", "Permission Set Group Label", 80).required(),
    ];
    fields.extend(system());
    Object::new(
        "PermissionSetGroup",
        "Permission Set Group",
        "Permission Set Groups",
        "0PG",
        Ops::Setup,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetgroupcomponent.htm>
fn permission_set_group_component() -> Object {
    let mut fields = vec![
        id("Permission Set Group Component ID"),
        refer(
            "PermissionSetGroupId",
            "PermissionSetGroup ID",
            GROUPS,
            "PermissionSetGroup",
        )
        .required()
        .create_only(),
        refer("PermissionSetId", "PermissionSet ID", SETS, "PermissionSet")
            .required()
            .create_only(),
    ];
    fields.extend(system());
    Object::new(
        "PermissionSetGroupComponent",
        "Permission Set Group Component",
        "Permission Set Group Components",
        "0PH",
        Ops::Setup,
        fields,
    )
}

/// One row: what the user who asks may do, by profile or permission set.
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_userpermissionaccess.htm>
fn user_permission_access() -> Object {
    let fields = vec![
        id("User Permission Access ID"),
        flag("PermissionsModifyAllData", "Modify All Data"),
        flag("PermissionsViewAllData", "View All Data"),
        flag("PermissionsCustomizeApplication", "Customize Application"),
        flag("PermissionsApiEnabled", "API Enabled"),
    ];
    Object::new(
        "UserPermissionAccess",
        "User Permission Access",
        "User Permission Access",
        "",
        Ops::Nothing,
        read(fields),
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm>
fn custom_field() -> Object {
    let fields = vec![
        id("Custom Field ID"),
        text("DeveloperName", "Developer Name", 40).named(),
        text("TableEnumOrId", "Entity", 40),
        text("NamespacePrefix", "Namespace Prefix", 15),
    ];
    Object::new(
        "CustomField",
        "Custom Field",
        "Custom Fields",
        "00N",
        Ops::Nothing,
        read(fields),
    )
    .needs(Needs::Tooling)
}
