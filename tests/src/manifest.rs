//! What must hold of an Outlook add-in's manifest, beyond what Microsoft's converter looks at.
//!
//! Rules: <https://learn.microsoft.com/office/dev/add-ins/develop/xml-manifest-overview> and the element reference there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Outlook takes no larger one, in bytes.
const MAX_SIZE: usize = 256 * 1024;
/// Of an id that a `resid` names, in characters.
const MAX_ID: usize = 32;
/// Of a short and of a long string, in characters.
const MAX_SHORT: usize = 125;
const MAX_LONG: usize = 250;
/// The newest requirement set that Exchange 2016 and 2019 have.
const MAX_MAILBOX: (u32, u32) = (1, 5);

/// Where the pane has a button.
const SURFACES: [&str; 4] = [
    "MessageReadCommandSurface",
    "MessageComposeCommandSurface",
    "AppointmentOrganizerCommandSurface",
    "AppointmentAttendeeCommandSurface",
];

/// An element: its local name, attributes by their full name, its elements, and its text.
#[derive(Clone, Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub children: Vec<Self>,
    pub text: String,
}

impl Element {
    /// Reads a document's root.
    ///
    /// # Errors
    /// It is not well-formed.
    pub fn parse(xml: &str) -> Result<Self> {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event()? {
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    let empty = matches!(event, Event::Empty(_));
                    let (Event::Start(tag) | Event::Empty(tag)) = event else {
                        continue;
                    };
                    let mut element = Self {
                        name: tag.local_name().as_ref().to_owned(),
                        ..Self::default()
                    };
                    for attribute in tag.attributes() {
                        let attribute = attribute?;
                        let key = attribute.key.as_ref().to_owned();
                        let value = attribute.value.into_owned();
                        element.attributes.insert(key, value);
                    }
                    if empty {
                        open.last_mut().context("an open element")?.children.push(element);
                    } else {
                        open.push(element);
                    }
                }
                Event::End(_) => {
                    let done = open.pop().context("an end without a start")?;
                    open.last_mut().context("an end too many")?.children.push(done);
                }
                Event::Text(text) => {
                    let text = text.into_inner();
                    open.last_mut().context("an open element")?.text += text.trim();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let [mut document] = <[Self; 1]>::try_from(open)
            .ok()
            .context("an element is left open")?;
        if document.children.len() != 1 {
            bail!("{} roots", document.children.len());
        }
        document.children.pop().context("a root")
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// This element and all within, but not those of a nested `VersionOverrides`.
    fn within(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for child in self
            .children
            .iter()
            .filter(|child| child.name != "VersionOverrides")
        {
            all.extend(child.within());
        }
        all
    }

    /// All `VersionOverrides`, the outer one first.
    fn overrides(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut at = self;
        while let Some(next) = at.child("VersionOverrides") {
            found.push(next);
            at = next;
        }
        found
    }
}

/// The order in which the schema wants an element's children; what is not named may not be there.
fn order(element: &Element) -> Option<&'static [&'static str]> {
    let kind = element.attribute("xsi:type");
    Some(match (element.name.as_str(), kind) {
        ("OfficeApp", _) => &[
            "Id",
            "Version",
            "ProviderName",
            "DefaultLocale",
            "DisplayName",
            "Description",
            "IconUrl",
            "HighResolutionIconUrl",
            "SupportUrl",
            "AppDomains",
            "Hosts",
            "Requirements",
            "FormSettings",
            "Permissions",
            "Rule",
            "DisableEntityHighlighting",
            "VersionOverrides",
        ],
        ("VersionOverrides", _) => &[
            "Description",
            "Requirements",
            "Hosts",
            "Resources",
            "VersionOverrides",
        ],
        ("Resources", _) => &["Images", "Urls", "ShortStrings", "LongStrings"],
        ("Host", "MailHost") => &["DesktopFormFactor", "TabletFormFactor", "MobileFormFactor"],
        ("DesktopFormFactor", _) => &["SupportsSharedFolders", "FunctionFile", "ExtensionPoint"],
        ("MobileFormFactor", _) => &["FunctionFile", "ExtensionPoint"],
        ("Group", _) => &["Label", "Icon", "Control"],
        ("Control", "Button") => &["Label", "ToolTip", "Supertip", "Icon", "Action"],
        ("Control", "MobileButton") => &["Label", "Icon", "Action"],
        ("Supertip", _) => &["Title", "Description"],
        ("Action", "ShowTaskpane") => &["SourceLocation", "SupportsPinning", "SupportsNoItemContext"],
        _ => return None,
    })
}

/// All that is wrong with a manifest; nothing where it is right.
///
/// `icon` gives the bytes of the PNG at a URL.
///
/// # Errors
/// It is no XML.
pub fn faults(xml: &str, icon: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<String>> {
    let root = Element::parse(xml)?;
    let mut faults = Vec::new();
    if xml.len() >= MAX_SIZE {
        faults.push(format!("{} bytes are too many", xml.len()));
    }
    if xml.contains("https://tandem.invalid") {
        faults.push("the placeholder is left".to_owned());
    }
    identity(&root, &mut faults);
    everywhere(&root, &mut faults);
    for (name, side) in [("IconUrl", 64), ("HighResolutionIconUrl", 128)] {
        let url = root.child(name).map(|e| e.attribute("DefaultValue").to_owned());
        picture(name, url.as_deref(), side, icon, &mut faults);
    }
    let overrides = root.overrides();
    if overrides.len() != 2 {
        faults.push(format!("{} VersionOverrides", overrides.len()));
    }
    for (version, element) in ["VersionOverridesV1_0", "VersionOverridesV1_1"]
        .iter()
        .zip(overrides)
    {
        if element.attribute("xsi:type") != *version {
            faults.push(format!("{version} has another type"));
        }
        resources(version, element, &mut faults);
        buttons(version, element, icon, &mut faults);
    }
    Ok(faults)
}

fn identity(root: &Element, faults: &mut Vec<String>) {
    let text = |name: &str| root.child(name).map_or("", |e| e.text.as_str());
    let groups: Vec<&str> = text("Id").split('-').collect();
    let hexadecimal = |group: &&str| group.bytes().all(|b| b.is_ascii_hexdigit());
    if groups.iter().map(|g| g.len()).ne([8, 4, 4, 4, 12]) || !groups.iter().all(hexadecimal) {
        faults.push(format!("the Id is no GUID: {}", text("Id")));
    }
    let version: Vec<_> = text("Version").split('.').map(str::parse::<u16>).collect();
    if version.len() != 4 || version.iter().any(Result::is_err) {
        faults.push(format!("the Version has no four numbers: {}", text("Version")));
    }
    if text("Permissions") != "ReadWriteItem" {
        faults.push(format!(
            "the pane marks a mail by a category, for which {} is the wrong right",
            text("Permissions")
        ));
    }
}

/// What holds of every element: https, order, lengths, the requirement set.
fn everywhere(element: &Element, faults: &mut Vec<String>) {
    if let Some(order) = order(element) {
        let mut at = 0;
        for child in &element.children {
            match order.iter().position(|name| *name == child.name) {
                None => faults.push(format!("{} may not hold {}", element.name, child.name)),
                Some(place) if place < at => {
                    faults.push(format!("{} stands too late in {}", child.name, element.name));
                }
                Some(place) => at = place,
            }
        }
    }
    let is_url = [
        "Url",
        "Image",
        "IconUrl",
        "HighResolutionIconUrl",
        "SupportUrl",
        "SourceLocation",
    ];
    let values = ["DefaultValue", "Value"].map(|name| element.attribute(name));
    let urls = values
        .into_iter()
        .filter(|value| is_url.contains(&element.name.as_str()) && !value.is_empty())
        .chain((element.name == "AppDomain").then_some(element.text.as_str()));
    for url in urls {
        if !url.starts_with("https://") {
            faults.push(format!("{} is not https: {url}", element.name));
        }
    }
    let version = match element.name.as_str() {
        "Sets" => element.attribute("DefaultMinVersion"),
        "Set" => element.attribute("MinVersion"),
        _ => "",
    };
    let parsed = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    if !version.is_empty() && parsed.is_none_or(|version| version > MAX_MAILBOX) {
        faults.push(format!("Mailbox {version} leaves Exchange on premises out"));
    }
    for child in &element.children {
        everywhere(child, faults);
    }
}

/// Every `resid` names a resource of the right kind, and every resource is named.
fn resources(version: &str, overrides: &Element, faults: &mut Vec<String>) {
    let mut defined: BTreeMap<&str, &str> = BTreeMap::new();
    let Some(resources) = overrides.child("Resources") else {
        faults.push(format!("{version} has no Resources"));
        return;
    };
    for kind in &resources.children {
        for resource in &kind.children {
            let id = resource.attribute("id");
            if id.is_empty() || id.chars().count() > MAX_ID {
                faults.push(format!(
                    "{version}: an id of more than {MAX_ID} characters or none: {id}"
                ));
            }
            if defined.insert(id, &kind.name).is_some() {
                faults.push(format!("{version}: {id} is defined twice"));
            }
            strings(version, kind, resource, faults);
        }
    }
    let mut named = BTreeSet::new();
    for element in overrides.within() {
        let resid = element.attribute("resid");
        let wanted = match element.name.as_str() {
            "Label" | "Title" => "ShortStrings",
            "Description" => "LongStrings",
            "SourceLocation" => "Urls",
            "Image" if !element.attributes.contains_key("id") => "Images",
            _ => continue,
        };
        named.insert(resid);
        match defined.get(resid) {
            None => faults.push(format!("{version}: {resid} is not defined")),
            Some(kind) if *kind != wanted => {
                faults.push(format!("{version}: {resid} is of {kind}, not of {wanted}"));
            }
            Some(_) => {}
        }
    }
    for id in defined.keys().filter(|id| !named.contains(*id)) {
        faults.push(format!("{version}: nothing names {id}"));
    }
}

/// Lengths, and German where there is another language at all.
fn strings(version: &str, kind: &Element, resource: &Element, faults: &mut Vec<String>) {
    let most = match kind.name.as_str() {
        "ShortStrings" => MAX_SHORT,
        "LongStrings" => MAX_LONG,
        _ => return,
    };
    let id = resource.attribute("id");
    let texts = std::iter::once(resource.attribute("DefaultValue"))
        .chain(resource.children.iter().map(|other| other.attribute("Value")));
    for text in texts {
        if text.is_empty() || text.chars().count() > most {
            faults.push(format!(
                "{version}: {id} is empty or longer than {most} characters"
            ));
        }
    }
    let german = resource.children.iter().any(|o| o.attribute("Locale") == "de-DE");
    if resource.attribute("DefaultValue") != "Tandem" && !german {
        faults.push(format!("{version}: {id} has no German"));
    }
}

/// Every place has its button with all its pictures; only where pinning is known it is asked for.
fn buttons(
    version: &str,
    overrides: &Element,
    icon: &dyn Fn(&str) -> Option<Vec<u8>>,
    faults: &mut Vec<String>,
) {
    let newer = version == "VersionOverridesV1_1";
    let within = overrides.within();
    let points: Vec<&str> = within
        .iter()
        .filter(|e| e.name == "ExtensionPoint")
        .map(|e| e.attribute("xsi:type"))
        .collect();
    let mobile = newer.then_some("MobileMessageReadCommandSurface");
    for surface in SURFACES.into_iter().chain(mobile) {
        if !points.contains(&surface) {
            faults.push(format!("{version} has no {surface}"));
        }
    }
    let mut ids = BTreeSet::new();
    for element in &within {
        if matches!(element.name.as_str(), "Group" | "Control") && !ids.insert(element.attribute("id")) {
            faults.push(format!("{version}: two of {}", element.attribute("id")));
        }
        if element.name == "SupportsPinning" && !newer {
            faults.push(format!("{version} does not know SupportsPinning"));
        }
    }
    let pins = |point: &Element| {
        let inside = point.within();
        inside
            .iter()
            .any(|e| e.name == "SupportsPinning" && e.text == "true")
    };
    let read = within.iter().find(|e| e.attribute("xsi:type") == SURFACES[0]);
    if newer && !read.is_some_and(|point| pins(point)) {
        faults.push(format!(
            "{version}: the pane of a mail that is read cannot be pinned"
        ));
    }
    let urls: BTreeMap<&str, &str> = within
        .iter()
        .filter(|e| e.name == "Image" && e.attributes.contains_key("id"))
        .map(|e| (e.attribute("id"), e.attribute("DefaultValue")))
        .collect();
    for control in within.iter().filter(|e| e.name == "Control") {
        let wanted: Vec<(u32, u32)> = match control.attribute("xsi:type") {
            "MobileButton" => [25, 32, 48]
                .into_iter()
                .flat_map(|side| [1, 2, 3].map(|scale| (side, scale)))
                .collect(),
            _ => [16, 32, 80].map(|side| (side, 1)).to_vec(),
        };
        let images = control.child("Icon").map_or(&[][..], |icon| &icon.children);
        for (side, scale) in wanted {
            let image = images.iter().find(|image| {
                let is = |name: &str, or: u32| image.attribute(name).parse().unwrap_or(or);
                is("size", 0) == side && is("scale", 1) == scale
            });
            let what = format!("{version} {} {side}×{scale}", control.attribute("id"));
            let url = image.and_then(|image| urls.get(image.attribute("resid")).copied());
            picture(&what, url, side * scale, icon, faults);
        }
    }
}

/// A PNG of so many pixels on each side stands at `url`.
fn picture(
    what: &str,
    url: Option<&str>,
    side: u32,
    icon: &dyn Fn(&str) -> Option<Vec<u8>>,
    faults: &mut Vec<String>,
) {
    let Some(url) = url else {
        faults.push(format!("{what}: no picture"));
        return;
    };
    match icon(url).as_deref().and_then(png_size) {
        Some(size) if size == (side, side) => {}
        size => faults.push(format!("{what}: {size:?} in place of {side} pixels at {url}")),
    }
}

/// Width and height of a PNG, from its first chunk (RFC 2083).
pub fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?;
    let (name, size) = header.split_at(4);
    let number = |at: usize| Some(u32::from_be_bytes(size.get(at..at + 4)?.try_into().ok()?));
    (name == b"IHDR").then_some((number(0)?, number(4)?))
}
