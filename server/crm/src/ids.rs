/// The 18-character form of a Salesforce id: the 15-character form gets three more, which tell the case of the others.
/// `None` if the text is no id.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm>
pub(crate) fn id18(text: &str) -> Option<String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        18 => Some(text.to_owned()),
        15 => {
            let mut id = text.to_owned();
            for five in text.as_bytes().chunks(5) {
                let bits = five
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| b.is_ascii_uppercase())
                    .fold(0_usize, |bits, (place, _)| bits | 1 << place);
                id.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]));
            }
            Some(id)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_become_eighteen() {
        assert_eq!(id18("001000000000001").as_deref(), Some("001000000000001AAA"));
        assert_eq!(id18("001A0000006Vm9u").as_deref(), Some("001A0000006Vm9uIAC"));
        assert_eq!(id18("001A0000006Vm9uIAC").as_deref(), Some("001A0000006Vm9uIAC"));
        assert_eq!(id18("001A0000006Vm9"), None);
        assert_eq!(id18("001A0000006Vm9'"), None);
        assert_eq!(id18("00äA0000006Vm9"), None);
    }
}
