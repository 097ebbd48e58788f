//! `describe`: the objects and fields as one user may see them.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm>

use serde_json::{Value, json};

use super::access::Access;
use super::rows::Rows;
use super::schema::{DEMANDED, Field, Kind, Object};

/// `/sobjects`: all objects in short.
pub(crate) fn global(access: Access<'_>, base: &str) -> Value {
    let objects: Vec<Value> = access
        .schema
        .objects
        .iter()
        .filter(|o| access.has(o.needs))
        .map(|o| brief(access, o, base))
        .collect();
    json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects })
}

/// What the global list says of an object.
pub(crate) fn brief(access: Access<'_>, object: &Object, base: &str) -> Value {
    let root = format!("{base}/sobjects/{}", object.name);
    json!({
        "activateable": false,
        "associateEntityType": null,
        "associateParentEntity": null,
        "createable": access.creates(object),
        "custom": false,
        "customSetting": false,
        "deepCloneable": false,
        "deletable": object.is_writable(),
        "deprecatedAndHidden": false,
        "feedEnabled": object.is_writable(),
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.prefix,
        "label": object.label,
        "labelPlural": object.plural,
        "layoutable": object.is_writable(),
        "mergeable": object.is_mergeable(),
        "mruEnabled": object.is_writable(),
        "name": object.name,
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": object.is_writable(),
        "triggerable": object.is_writable(),
        "undeletable": object.is_undeletable(),
        "updateable": object.is_updatable(),
        "urls": {
            "sobject": root,
            "describe": format!("{root}/describe"),
            "rowTemplate": format!("{root}/{{ID}}"),
        },
    })
}

/// `/sobjects/{X}/describe`.
pub(crate) fn whole(access: Access<'_>, rows: &Rows, object: &Object, base: &str) -> Value {
    let record_types: Vec<Value> = rows
        .all("RecordType")
        .filter(|r| access.knobs.record_types && r.get("SobjectType").as_text() == Some(object.name))
        .map(|r| {
            let name = r.get("DeveloperName").as_text().unwrap_or_default();
            json!({
                "active": true,
                "available": name != "Restricted" || access.user.admin,
                "defaultRecordTypeMapping": name == "Standard",
                "developerName": name,
                "master": false,
                "name": r.get("Name").to_json(),
                "recordTypeId": r.id.as_str(),
                "urls": { "layout": format!("{base}/sobjects/{}/describe/layouts/{}", object.name, r.id) },
            })
        })
        .collect();
    let mut out = brief(access, object, base);
    let fields: Vec<Value> = object
        .fields
        .iter()
        .filter(|f| access.sees(object, f))
        .map(|f| field(access, object, f))
        .collect();
    let children: Vec<Value> = access
        .schema
        .objects
        .iter()
        .filter(|child| access.has(child.needs))
        .flat_map(|child| child.fields.iter().map(move |f| (child, f)))
        .filter(|(child, f)| {
            access.sees(child, f) && matches!(f.kind, Kind::Reference(to, _) if to.contains(&object.name))
        })
        .map(|(child, f)| {
            json!({
                "cascadeDelete": (child.name == "Contact" && f.name == "AccountId")
                    || (child.is_activity() && matches!(f.name, "WhoId" | "WhatId")),
                "childSObject": child.name,
                "deprecatedAndHidden": false,
                "field": f.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child_name(child, f),
                "restrictedDelete": false,
            })
        })
        .collect();
    if let Value::Object(out) = &mut out {
        out.insert("actionOverrides".into(), json!([]));
        out.insert("childRelationships".into(), json!(children));
        out.insert("compactLayoutable".into(), json!(object.is_writable()));
        out.insert("fields".into(), json!(fields));
        out.insert("listviewable".into(), Value::Null);
        out.insert("lookupLayoutable".into(), Value::Null);
        out.insert("namedLayoutInfos".into(), json!([]));
        out.insert("networkScopeFieldName".into(), Value::Null);
        out.insert("recordTypeInfos".into(), json!(record_types));
        out.insert("searchLayoutable".into(), json!(object.is_writable()));
        out.insert("sobjectDescribeOption".into(), json!("FULL"));
        out.insert(
            "supportedScopes".into(),
            json!([
                { "label": "All", "name": "everything" },
                { "label": "Mine", "name": "mine" },
            ]),
        );
    }
    out
}

/// The name by which a parent's child query would know its rows.
fn child_name(child: &Object, field: &Field) -> Option<&'static str> {
    match (child.name, field.name) {
        (
            _,
            "WhoId" | "WhatId" | "AccountId" | "ContactId" | "OpportunityId" | "EventId" | "TaskId"
            | "EmailMessageId",
        ) => Some(child.plural),
        _ => None,
    }
    .filter(|name| !name.contains(' '))
}

fn field(access: Access<'_>, object: &Object, f: &Field) -> Value {
    let (targets, relation) = match f.kind {
        Kind::Reference(targets, relation) => (targets, Some(relation)),
        _ => (&[][..], None),
    };
    let (choices, restricted) = access.choices(object, f);
    let writes = access.writes(object, f);
    let picklist: Vec<Value> = match f.kind {
        Kind::Picklist(_) => choices
            .iter()
            .map(|c| {
                json!({
                    "active": true,
                    "defaultValue": c.default,
                    "label": c.value,
                    "validFor": null,
                    "value": c.value,
                })
            })
            .collect(),
        _ => Vec::new(),
    };
    let polymorphic = targets.len() > 1;
    let create = f.create && writes && access.creates(object);
    let soap = match f.kind {
        Kind::Id | Kind::Reference(..) => "tns:ID",
        Kind::Bool => "xsd:boolean",
        Kind::Date => "xsd:date",
        Kind::Time => "xsd:dateTime",
        Kind::Double => "xsd:double",
        Kind::Int => "xsd:int",
        Kind::Blob => "xsd:base64Binary",
        Kind::Junction(_) => "urn:JunctionIdListNames",
        Kind::Address(_) => "urn:address",
        _ => "xsd:string",
    };
    let is_long = f.kind == Kind::Long;
    let is_double = f.kind == Kind::Double;
    let extra = match f.kind {
        Kind::Long | Kind::Area => Some("plaintextarea"),
        Kind::Text if object.is_person() && f.compound == Some("Name") => Some("personname"),
        _ => None,
    };
    let sortable = f.is_filterable();
    // In pairs: the macro for whole objects recurses too deeply for so many keys.
    let pairs = [
        ("aggregatable", json!(sortable && f.kind != Kind::Bool)),
        ("aiPredictionField", json!(false)),
        ("autoNumber", json!(false)),
        (
            "byteLength",
            json!(
                f.length
                    * if matches!(f.kind, Kind::Id | Kind::Reference(..)) {
                        1
                    } else {
                        3
                    }
            ),
        ),
        ("calculated", json!(false)),
        ("calculatedFormula", json!(null)),
        ("cascadeDelete", json!(false)),
        ("caseSensitive", json!(f.external && access.is_exact(object, f))),
        ("compoundFieldName", json!(f.compound)),
        ("controllerName", json!(null)),
        ("createable", json!(create)),
        ("custom", json!(f.is_custom())),
        ("defaultValue", json!((f.kind == Kind::Bool).then_some(false))),
        ("defaultValueFormula", json!(null)),
        ("defaultedOnCreate", json!(f.defaulted)),
        ("dependentPicklist", json!(false)),
        ("deprecatedAndHidden", json!(false)),
        ("digits", json!(if f.kind == Kind::Int { 8 } else { 0 })),
        ("displayLocationInDecimal", json!(is_double)),
        ("encrypted", json!(false)),
        ("externalId", json!(f.external)),
        ("extraTypeInfo", json!(extra)),
        ("filterable", json!(f.is_filterable())),
        ("filteredLookupInfo", json!(null)),
        ("formulaTreatNullNumberAsZero", json!(false)),
        (
            "groupable",
            json!(sortable && !matches!(f.kind, Kind::Time | Kind::Double)),
        ),
        ("highScaleNumber", json!(false)),
        ("htmlFormatted", json!(false)),
        ("idLookup", json!(f.lookup)),
        ("inlineHelpText", json!(null)),
        ("label", json!(f.label)),
        ("length", json!(f.length)),
        ("mask", json!(null)),
        ("maskType", json!(null)),
        ("name", json!(f.name)),
        ("nameField", json!(f.names)),
        ("namePointing", json!(polymorphic)),
        ("nillable", json!(f.nillable && f.name != DEMANDED)),
        ("permissionable", json!(f.create && f.nillable)),
        ("picklistValues", json!(picklist)),
        ("polymorphicForeignKey", json!(polymorphic)),
        ("precision", json!(if is_double { 18 } else { 0 })),
        ("queryByDistance", json!(matches!(f.kind, Kind::Address(_)))),
        ("referenceTargetField", json!(null)),
        ("referenceTo", json!(targets)),
        ("relationshipName", json!(relation)),
        ("relationshipOrder", json!(null)),
        ("restrictedDelete", json!(false)),
        (
            "restrictedPicklist",
            json!(restricted && matches!(f.kind, Kind::Picklist(_))),
        ),
        ("scale", json!(if is_double { 15 } else { 0 })),
        ("searchPrefilterable", json!(false)),
        ("soapType", json!(soap)),
        ("sortable", json!(sortable && !is_long)),
        ("type", json!(f.type_name())),
        ("unique", json!(f.unique)),
        ("updateable", json!(f.update && writes)),
        ("writeRequiresMasterRead", json!(false)),
    ];
    Value::Object(
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}
