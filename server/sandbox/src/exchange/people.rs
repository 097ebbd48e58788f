//! ConvertId, ResolveNames, user configurations (the category list), GetServerTimeZones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::content::{Class, Content};
use super::folders::resolve as resolve_folder;
use super::props::base64;
use super::store::{Configuration, hex, no_item};
use super::xml::{Element, escape, tag, wrap};
use super::{Call, Fail, Reply};

pub(super) fn convert_id(call: &Call<'_>, request: &Element) -> String {
    let to = request.attr("DestinationFormat").unwrap_or_default();
    let mut reply = Reply::new("ConvertId");
    for id in request.list("SourceIds") {
        let outcome = converted(call, id, to).map(|text| {
            let mut out = String::new();
            let mailbox = id.attr("Mailbox").unwrap_or_default();
            let attrs = [
                ("xsi:type", "t:AlternateIdType"),
                ("Format", to),
                ("Id", &text),
                ("Mailbox", mailbox),
            ];
            wrap(&mut out, "m:AlternateId", &attrs, "");
            out
        });
        reply.add(outcome, "");
    }
    reply.finish()
}

/// All formats carry the same bytes here, in different clothes.
fn converted(call: &Call<'_>, id: &Element, to: &str) -> Result<String, Fail> {
    let malformed = || Fail::new("ErrorInvalidIdMalformed", "Id is malformed.");
    let text = id.attr("Id").unwrap_or_default();
    let format = id.attr("Format").unwrap_or_default();
    if format == "EwsLegacyId" || to == "EwsLegacyId" {
        return Err(Fail::new(
            "ErrorUnsupportedTypeForConversion",
            "Legacy ids are not converted.",
        ));
    }
    let bytes = match format {
        "HexEntryId" => unhex(text),
        "OwaId" => {
            let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            base64(&plain)
        }
        _ => base64(text),
    };
    let bytes = bytes.filter(|b| b.len() >= 32).ok_or_else(malformed)?;
    let address = id.attr("Mailbox").unwrap_or_default();
    if call.store.find(address, "").is_none() {
        return Err(Fail::new(
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        ));
    }
    Ok(match to {
        "HexEntryId" => hex(&bytes).to_uppercase(),
        "OwaId" => percent_encoding::utf8_percent_encode(
            &STANDARD.encode(&bytes),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string(),
        _ => STANDARD.encode(&bytes),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

pub(super) fn resolve(call: &Call<'_>, request: &Element) -> String {
    let entry = request.child_text("UnresolvedEntry").unwrap_or_default();
    let scope = request.attr("SearchScope").unwrap_or("ActiveDirectoryContacts");
    let full = request
        .attr("ReturnFullContactData")
        .is_some_and(|v| matches!(v, "true" | "1"));
    let wanted = entry
        .strip_prefix("smtp:")
        .or_else(|| entry.strip_prefix("SMTP:"))
        .unwrap_or(entry)
        .trim();
    let wanted = wanted.to_lowercase();
    let fits = |words: &[&str]| {
        words
            .iter()
            .any(|w| !w.is_empty() && w.to_lowercase().starts_with(&wanted))
    };
    let mut found: Vec<String> = Vec::new();
    let contact_part = |contact: &Content| {
        let mut out = String::new();
        if full {
            for name in ["DisplayName", "GivenName", "CompanyName", "JobTitle", "Surname"] {
                if name == "JobTitle" {
                    tag(&mut out, "t:ContactSource", "ActiveDirectory");
                }
                if let Some(value) = contact.texts.get(name) {
                    tag(&mut out, &format!("t:{name}"), value);
                }
            }
        }
        let mut whole = String::new();
        if full {
            wrap(&mut whole, "t:Contact", &[], &out);
        }
        whole
    };
    if scope.contains("ActiveDirectory") {
        for user in &call.company.users {
            let name = user.name();
            // Ambiguous names are resolved by the account's names, too.
            let own = call
                .store
                .mailboxes
                .iter()
                .find(|m| m.user.address == user.address);
            let accounts = own.map_or(&[][..], |m| &m.logins);
            let accounts: Vec<&str> = accounts
                .iter()
                .map(|login| login.rsplit('\\').next().unwrap_or(login))
                .collect();
            if !fits(&[&name, &user.surname, &user.address, &user.alias]) && !fits(&accounts) {
                continue;
            }
            let mut contact = Content::default();
            contact.set_text("DisplayName", &name);
            contact.set_text("GivenName", &user.given);
            contact.set_text("Surname", &user.surname);
            contact.set_text("JobTitle", user.title);
            found.push(mailbox(&name, &user.address, "Mailbox") + &contact_part(&contact));
        }
    }
    if scope.contains("Contacts") {
        for item in call.mailbox().items.values() {
            let contact = &item.content;
            if contact.class != Class::Contact {
                continue;
            }
            let text = |name: &str| contact.texts.get(name).map_or("", String::as_str);
            let Some(email) = contact.entries.get(&("contacts:EmailAddress", "EmailAddress1")) else {
                continue;
            };
            if fits(&[text("DisplayName"), text("Surname"), text("FileAs"), email]) {
                let part = contact_part(contact).replace("ActiveDirectory", "Store");
                found.push(mailbox(text("DisplayName"), email, "Contact") + &part);
            }
        }
    }
    let total = found.len();
    let mut set = String::new();
    for one in found.iter().take(100) {
        wrap(&mut set, "t:Resolution", &[], one);
    }
    let (number, last) = (total.to_string(), if total <= 100 { "true" } else { "false" });
    let mut content = String::new();
    let attrs = [
        ("TotalItemsInView", number.as_str()),
        ("IncludesLastItemInRange", last),
    ];
    wrap(&mut content, "m:ResolutionSet", &attrs, &set);
    let mut reply = Reply::new("ResolveNames");
    match total {
        0 => reply.add(
            Err(Fail::new(
                "ErrorNameResolutionNoResults",
                "No results were found.",
            )),
            "",
        ),
        1 => reply.add(Ok(content), ""),
        _ => reply.push(
            "Warning",
            "Multiple results were found.",
            "ErrorNameResolutionMultipleResults",
            "",
            &content,
        ),
    }
    reply.finish()
}

fn mailbox(name: &str, address: &str, kind: &str) -> String {
    let mut inner = String::new();
    tag(&mut inner, "t:Name", name);
    tag(&mut inner, "t:EmailAddress", address);
    tag(&mut inner, "t:RoutingType", "SMTP");
    tag(&mut inner, "t:MailboxType", kind);
    let mut out = String::new();
    wrap(&mut out, "t:Mailbox", &[], &inner);
    out
}

/// Folder and name that a `UserConfigurationName` means.
fn configuration_name(call: &Call<'_>, name: Option<&Element>) -> Result<(u64, String), Fail> {
    let Some(name) = name else { return Err(no_item()) };
    let Some(folder) = name.children.first() else {
        return Err(no_item());
    };
    Ok((
        resolve_folder(call, folder)?,
        name.attr("Name").unwrap_or_default().to_owned(),
    ))
}

pub(super) fn get_configuration(call: &Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("GetUserConfiguration");
    reply.add(configuration(call, request), "");
    reply.finish()
}

fn configuration(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
    let (folder, name) = configuration_name(call, request.child("UserConfigurationName"))?;
    let mailbox = call.mailbox();
    let Some(found) = mailbox.configuration(folder, &name) else {
        return Err(no_item());
    };
    let parts = request
        .child_text("UserConfigurationProperties")
        .unwrap_or_default();
    let wants = |part: &str| parts.split_whitespace().any(|p| p == part || p == "All");
    let mut id = String::new();
    let key = mailbox.folder_change_key(folder);
    wrap(
        &mut id,
        "t:FolderId",
        &[("Id", &mailbox.folder_id(folder)), ("ChangeKey", &key)],
        "",
    );
    let mut inner = String::new();
    wrap(&mut inner, "t:UserConfigurationName", &[("Name", &name)], &id);
    if wants("Id") {
        let (id, key) = (
            mailbox.item_id(found.number, 0),
            mailbox.change_key(found.number, found.seq),
        );
        wrap(&mut inner, "t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
    }
    if wants("Dictionary")
        && let Some(dictionary) = &found.dictionary
    {
        wrap(&mut inner, "t:Dictionary", &[], dictionary);
    }
    if wants("XmlData")
        && let Some(data) = &found.xml
    {
        tag(&mut inner, "t:XmlData", &STANDARD.encode(data));
    }
    if wants("BinaryData")
        && let Some(data) = &found.binary
    {
        tag(&mut inner, "t:BinaryData", &STANDARD.encode(data));
    }
    let mut out = String::new();
    wrap(&mut out, "m:UserConfiguration", &[], &inner);
    Ok(out)
}

pub(super) fn put_configuration(call: &mut Call<'_>, request: &Element, new: bool) -> String {
    let mut reply = Reply::new(&request.name);
    reply.add(put(call, request, new), "");
    reply.finish()
}

fn put(call: &mut Call<'_>, request: &Element, new: bool) -> Result<String, Fail> {
    let Some(given) = request.child("UserConfiguration") else {
        return Err(no_item());
    };
    let (folder, name) = configuration_name(call, given.child("UserConfigurationName"))?;
    let old = call.mailbox().configuration(folder, &name).cloned();
    let mut value = match (old, new) {
        (Some(_), true) => {
            return Err(Fail::new(
                "ErrorItemSave",
                "The user configuration exists already.",
            ));
        }
        (None, false) => return Err(no_item()),
        (old, _) => old.unwrap_or_default(),
    };
    let data = |name: &str| {
        given
            .child_text(name)
            .map(|text| {
                base64(text)
                    .ok_or_else(|| Fail::new("ErrorInvalidValueForProperty", "The data is no base64."))
            })
            .transpose()
    };
    if let Some(xml) = data("XmlData")? {
        // The server does not read it; a category list that does not parse would break every client.
        if name == "CategoryList" && super::xml::parse(&xml).is_err() {
            return Err(Fail::new("ErrorCorruptData", "The category list is no XML."));
        }
        value.xml = Some(xml);
    }
    if let Some(binary) = data("BinaryData")? {
        value.binary = Some(binary);
    }
    if let Some(dictionary) = given.child("Dictionary") {
        value.dictionary = Some(write_dictionary(dictionary));
    }
    call.mailbox_mut()
        .put_configuration(folder, &name, Configuration { ..value });
    Ok(String::new())
}

/// Writes a checked dictionary back: entries, keys, types and values have a fixed shape.
fn write_dictionary(element: &Element) -> String {
    let mut out = String::new();
    for child in &element.children {
        let inner = if child.children.is_empty() {
            escape(&child.text)
        } else {
            write_dictionary(child)
        };
        wrap(&mut out, &format!("t:{}", child.name), &[], &inner);
    }
    out
}

pub(super) fn time_zones(request: &Element) -> String {
    let asked: Vec<&str> = request.list("Ids").iter().map(|id| id.text.as_str()).collect();
    let full = request
        .attr("ReturnFullTimeZoneData")
        .is_some_and(|v| matches!(v, "true" | "1"));
    let mut out = String::new();
    wrap(
        &mut out,
        "m:TimeZoneDefinitions",
        &[],
        &super::zones::list(&asked, full),
    );
    let mut reply = Reply::new("GetServerTimeZones");
    reply.add(Ok(out), "");
    reply.finish()
}
