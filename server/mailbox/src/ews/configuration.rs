//! `GetUserConfiguration`, `CreateUserConfiguration`, `UpdateUserConfiguration`, for the list of categories.
//! Where it is kept: <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocfg/eb7cac90-6200-4ac3-8f3c-6c808c681c8b>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::FolderRef;
use super::soap::envelope;
use crate::xml::{Element, Reader, Xml, XmlError};

pub(crate) const GET: &str = "GetUserConfiguration";
pub(crate) const CREATE: &str = "CreateUserConfiguration";
pub(crate) const UPDATE: &str = "UpdateUserConfiguration";

const CATEGORY_LIST: &str = "CategoryList";

/// What is kept there.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Decoded.
    pub(crate) xml: Vec<u8>,
}

pub(crate) fn get() -> Vec<u8> {
    envelope(GET, &[], |xml| {
        name(xml, "m:UserConfigurationName");
        xml.text("m:UserConfigurationProperties", &[], "XmlData");
    })
}

/// `operation`: [`CREATE`] or [`UPDATE`].
pub(crate) fn put(operation: &str, document: &[u8]) -> Vec<u8> {
    envelope(operation, &[], |xml| {
        xml.element("m:UserConfiguration", &[], |xml| {
            name(xml, "t:UserConfigurationName");
            xml.text("t:XmlData", &[], &STANDARD.encode(document));
        });
    })
}

fn name(xml: &mut Xml, element: &str) {
    xml.element(element, &[("Name", CATEGORY_LIST)], |xml| {
        FolderRef::Distinguished("calendar").write(xml);
    });
}

pub(crate) fn payload(
    reader: &mut Reader<'_>,
    child: &Element,
    out: &mut Configuration,
) -> Result<(), XmlError> {
    if !child.is("UserConfiguration") {
        return Ok(());
    }
    reader.each(|reader, child| {
        if child.is("XmlData") {
            let text: String = reader.text()?.split_ascii_whitespace().collect();
            out.xml = STANDARD
                .decode(text)
                .map_err(|_| XmlError::Unexpected("data that is not base64"))?;
        }
        Ok(())
    })
}
