//! `ResolveNames`: what the directory knows about a login.

use super::soap::envelope;
use crate::xml::{Element, Reader, XmlError};

pub(crate) const NAME: &str = "ResolveNames";

/// `entry` is matched against names, aliases, account names and addresses of the directory.
pub(crate) fn request(entry: &str) -> Vec<u8> {
    let attributes = [
        ("ReturnFullContactData", "false"),
        ("SearchScope", "ActiveDirectory"),
    ];
    envelope(NAME, &attributes, |xml| xml.text("m:UnresolvedEntry", &[], entry))
}

/// The primary SMTP addresses of the mailboxes found.
pub(crate) fn payload(
    reader: &mut Reader<'_>,
    child: &Element,
    found: &mut Vec<String>,
) -> Result<(), XmlError> {
    if !child.is("ResolutionSet") {
        return Ok(());
    }
    reader.each(|reader, _resolution| {
        reader.each(|reader, child| {
            if !child.is("Mailbox") {
                return Ok(());
            }
            let (mut address, mut routing, mut kind) =
                (String::new(), String::from("SMTP"), String::from("Mailbox"));
            reader.each(|reader, child| {
                match child.name.as_str() {
                    "EmailAddress" => address = reader.text()?,
                    "RoutingType" => routing = reader.text()?,
                    "MailboxType" => kind = reader.text()?,
                    _ => {}
                }
                Ok(())
            })?;
            if routing.eq_ignore_ascii_case("SMTP") && kind == "Mailbox" && address.contains('@') {
                found.push(address.trim().to_owned());
            }
            Ok(())
        })
    })
}
