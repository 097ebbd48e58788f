use std::time::Duration;

use crate::error::{CallError, ResponseError};
use crate::xml::{Element, Limits, Reader, Xml, XmlError};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";

/// Exchange 2013 and later know it; nothing newer is needed.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestserverversion>
const VERSION: &str = "Exchange2013";

/// A request: the operation's element with `attributes`, and what `inside` writes into it.
pub(crate) fn envelope(
    operation: &str,
    attributes: &[(&str, &str)],
    inside: impl FnOnce(&mut Xml),
) -> Vec<u8> {
    let mut xml = Xml::document();
    let namespaces = [("xmlns:s", SOAP), ("xmlns:t", TYPES), ("xmlns:m", MESSAGES)];
    xml.element("s:Envelope", &namespaces, |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.empty("t:RequestServerVersion", &[("Version", VERSION)]);
        });
        xml.element("s:Body", &[], |xml| {
            xml.element(&format!("m:{operation}"), attributes, inside);
        });
    });
    xml.finish()
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer<T> {
    /// One per thing asked for, in the order asked.
    pub(crate) messages: Vec<Result<T, ResponseError>>,
    /// `15.1.2507.6`; empty where the server does not say.
    pub(crate) version: String,
}

#[cfg(test)]
pub(super) fn read<T: Default>(
    body: &[u8],
    operation: &str,
    payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> Result<Answer<T>, CallError> {
    read_with(body, operation, Limits::default(), payload)
}

/// Reads the answer of `operation`. `payload` is called for every child of a response message that is not part of the
/// frame, and puts what it holds into the message's value.
pub(crate) fn read_with<T: Default>(
    body: &[u8],
    operation: &str,
    limits: Limits,
    mut payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> Result<Answer<T>, CallError> {
    let mut reader = Reader::new(body, limits)?;
    let root = reader.root().map_err(|error| match error {
        XmlError::Malformed(_) | XmlError::Forbidden(_) => CallError::NotExchange,
        other => other.into(),
    })?;
    if !root.is("Envelope") {
        return Err(CallError::NotExchange);
    }
    let expected = format!("{operation}Response");
    let mut answer = Answer {
        messages: Vec::new(),
        version: String::new(),
    };
    let mut fault = None;
    reader.each(|reader, part| match part.name.as_str() {
        "Header" => reader.each(|_, header| {
            if header.is("ServerVersionInfo") {
                let number = |name| header.attribute(name).unwrap_or("0").to_owned();
                answer.version = [
                    number("MajorVersion"),
                    number("MinorVersion"),
                    number("MajorBuildNumber"),
                    number("MinorBuildNumber"),
                ]
                .join(".");
            }
            Ok(())
        }),
        "Body" => reader.each(|reader, child| {
            if child.is("Fault") {
                fault = Some(read_fault(reader)?);
                return Ok(());
            }
            if child.name != expected {
                return Err(XmlError::Unexpected("the answer of another operation"));
            }
            reader.each(|reader, child| {
                if !child.is("ResponseMessages") {
                    return Ok(());
                }
                reader.each(|reader, message| {
                    let failed = message.attribute("ResponseClass") == Some("Error");
                    answer.messages.push(read_message(reader, failed, &mut payload)?);
                    Ok(())
                })
            })
        }),
        _ => Ok(()),
    })?;
    reader.end()?;
    if let Some(fault) = fault {
        return Err(CallError::Response(fault));
    }
    if answer.messages.is_empty() {
        return Err(XmlError::Unexpected("no response message").into());
    }
    Ok(answer)
}

fn read_message<T: Default>(
    reader: &mut Reader<'_>,
    failed: bool,
    payload: &mut impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> Result<Result<T, ResponseError>, XmlError> {
    let mut value = T::default();
    let mut error = ResponseError::default();
    reader.each(|reader, child| {
        match child.name.as_str() {
            "ResponseCode" => error.code = reader.text()?,
            "MessageText" => error.text = reader.text()?,
            "MessageXml" => read_details(reader, &mut error)?,
            "DescriptiveLinkKey" => {}
            _ => payload(reader, child, &mut value)?,
        }
        Ok(())
    })?;
    Ok(if failed { Err(error) } else { Ok(value) })
}

/// `<t:Value Name="BackOffMilliseconds">…` and its kind.
fn read_details(reader: &mut Reader<'_>, error: &mut ResponseError) -> Result<(), XmlError> {
    reader.each(|reader, value| {
        match value.attribute("Name") {
            Some("BackOffMilliseconds") => {
                error.backoff = reader.text()?.trim().parse().ok().map(Duration::from_millis);
            }
            Some("InnerErrorResponseCode") => error.inner = Some(reader.text()?.trim().to_owned()),
            _ => {}
        }
        Ok(())
    })
}

fn read_fault(reader: &mut Reader<'_>) -> Result<ResponseError, XmlError> {
    let mut error = ResponseError::default();
    let mut code = String::new();
    reader.each(|reader, child| {
        match child.name.as_str() {
            "faultcode" => code = reader.text()?,
            "faultstring" => error.text = reader.text()?,
            "detail" => reader.each(|reader, detail| {
                match detail.name.as_str() {
                    "ResponseCode" => error.code = reader.text()?,
                    "MessageXml" => read_details(reader, &mut error)?,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if error.code.is_empty() {
        code.rsplit(':')
            .next()
            .unwrap_or_default()
            .trim()
            .clone_into(&mut error.code);
    }
    Ok(error)
}
