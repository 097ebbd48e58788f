//! XML as EWS needs it: written without surprises, read with limits.

mod reader;
mod writer;

pub(crate) use reader::{Element, Limits, Reader, XmlError};
pub(crate) use writer::Xml;
#[cfg(test)]
use writer::clean;

#[cfg(test)]
mod tests;
