//! `describe`: the objects and fields as one user may see them.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm>

use serde_json::{Value, json};

use super::access::Access;
use super::schema::{Field, Kind, Object};

/// `/sobjects`: all objects in short.
pub(crate) fn global(access: Access<'_>, base: &str) -> Value {
    let objects: Vec<Value> = access.schema.objects.iter().map(|o| brief(o, base)).collect();
    json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects })
}

/// What the global list says of an object.
pub(crate) fn brief(object: &Object, base: &str) -> Value {
    let root = format!("{base}/sobjects/{}", object.name);
    json!({
        "activateable": false,
        "associateEntityType": null,
        "associateParentEntity": null,
        "createable": object.writable,
        "custom": false,
        "customSetting": false,
        "deepCloneable": false,
        "deletable": object.writable,
        "deprecatedAndHidden": false,
        "feedEnabled": object.writable,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.prefix,
        "label": object.label,
        "labelPlural": object.plural,
        "layoutable": object.writable,
        "mergeable": object.mergeable,
        "mruEnabled": object.writable,
        "name": object.name,
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": object.writable,
        "triggerable": object.writable,
        "undeletable": object.writable,
        "updateable": object.writable,
        "urls": {
            "sobject": root,
            "describe": format!("{root}/describe"),
            "rowTemplate": format!("{root}/{{ID}}"),
        },
    })
}

/// `/sobjects/{X}/describe`.
pub(crate) fn whole(access: Access<'_>, object: &Object, base: &str) -> Value {
    let mut out = brief(object, base);
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
        .flat_map(|child| child.fields.iter().map(move |f| (child, f)))
        .filter(|(child, f)| {
            access.sees(child, f) && matches!(f.kind, Kind::Reference(to, _) if to.contains(&object.name))
        })
        .map(|(child, f)| {
            json!({
                "cascadeDelete": child.name == "Contact" && f.name == "AccountId",
                "childSObject": child.name,
                "deprecatedAndHidden": false,
                "field": f.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": (f.name == "AccountId").then_some("Contacts"),
                "restrictedDelete": false,
            })
        })
        .collect();
    if let Value::Object(out) = &mut out {
        out.insert("actionOverrides".into(), json!([]));
        out.insert("childRelationships".into(), json!(children));
        out.insert("compactLayoutable".into(), json!(object.writable));
        out.insert("fields".into(), json!(fields));
        out.insert("listviewable".into(), Value::Null);
        out.insert("lookupLayoutable".into(), Value::Null);
        out.insert("namedLayoutInfos".into(), json!([]));
        out.insert("networkScopeFieldName".into(), Value::Null);
        out.insert("recordTypeInfos".into(), json!([]));
        out.insert("searchLayoutable".into(), json!(object.writable));
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

fn field(access: Access<'_>, object: &Object, f: &Field) -> Value {
    let (targets, relation) = match f.kind {
        Kind::Reference(targets, relation) => (targets, Some(relation)),
        _ => (&[][..], None),
    };
    let picklist: Vec<Value> = match f.kind {
        Kind::Picklist(values) => values
            .iter()
            .map(|v| json!({ "active": true, "defaultValue": false, "label": v, "validFor": null, "value": v }))
            .collect(),
        _ => Vec::new(),
    };
    let soap = match f.kind {
        Kind::Id | Kind::Reference(..) => "tns:ID",
        Kind::Bool => "xsd:boolean",
        Kind::Date => "xsd:date",
        Kind::Time => "xsd:dateTime",
        Kind::Double => "xsd:double",
        Kind::Address(_) => "urn:address",
        _ => "xsd:string",
    };
    let writes = access.writes(object, f);
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
        ("caseSensitive", json!(false)),
        ("compoundFieldName", json!(f.compound)),
        ("controllerName", json!(null)),
        ("createable", json!(f.create && writes)),
        ("custom", json!(f.is_custom())),
        ("defaultValue", json!((f.kind == Kind::Bool).then_some(false))),
        ("defaultValueFormula", json!(null)),
        ("defaultedOnCreate", json!(f.defaulted)),
        ("dependentPicklist", json!(false)),
        ("deprecatedAndHidden", json!(false)),
        ("digits", json!(0)),
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
        ("namePointing", json!(false)),
        ("nillable", json!(f.nillable)),
        ("permissionable", json!(f.create && f.nillable)),
        ("picklistValues", json!(picklist)),
        ("polymorphicForeignKey", json!(false)),
        ("precision", json!(if is_double { 18 } else { 0 })),
        ("queryByDistance", json!(matches!(f.kind, Kind::Address(_)))),
        ("referenceTargetField", json!(null)),
        ("referenceTo", json!(targets)),
        ("relationshipName", json!(relation)),
        ("relationshipOrder", json!(null)),
        ("restrictedDelete", json!(false)),
        ("restrictedPicklist", json!(false)),
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
