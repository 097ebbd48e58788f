//! Folders that give away another tool which syncs the same mailbox with Salesforce.

use tandem_sync::model::Rival;

use crate::ews::folders::Folder;

/// The beginning of a folder's name (lower case), and the tool that makes it. From the tools' own documentation; names
/// that a user might give a folder himself are left out.
const FOLDERS: [(&str, &str); 9] = [
    ("lightning sync", "Lightning Sync"),
    ("salesforce contacts (lightning sync)", "Lightning Sync"),
    ("einstein activity capture", "Einstein Activity Capture"),
    ("linkpoint", "LinkPoint Connect"),
    ("ebsta", "Ebsta"),
    ("cirrus insight", "Cirrus Insight"),
    ("riva", "Riva"),
    ("sfdc", "Salesforce for Outlook"),
    ("revenue grid", "Revenue Grid"),
];

pub(crate) fn among(folders: &[Folder]) -> Vec<Rival> {
    let mut found: Vec<Rival> = Vec::new();
    for folder in folders {
        let name = folder.name.trim().to_lowercase();
        let tool = FOLDERS.iter().find(|(start, _)| {
            // A whole word: `Riva` and `Riva - Tasks`, not `Rivals`.
            name.strip_prefix(start)
                .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        if let Some((_, tool)) = tool
            && !found.iter().any(|rival| rival.name == *tool)
        {
            found.push(Rival {
                name: (*tool).to_owned(),
                sign: format!("the folder \u{201c}{}\u{201d}", folder.name.trim()),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_known_by_their_folders() {
        let folder = |name: &str| Folder {
            name: name.to_owned(),
            ..Folder::default()
        };
        let names = [
            "Inbox",
            "Riva - Tasks",
            "riva",
            "Rivals",
            "SFDC",
            "Salesforce Contacts",
            "Sync Issues",
            "Contacts",
        ];
        let found = among(&names.map(folder));
        let tools: Vec<&str> = found.iter().map(|rival| rival.name.as_str()).collect();
        assert_eq!(tools, ["Riva", "Salesforce for Outlook"]);
        assert!(found[0].sign.contains("Riva - Tasks"));
    }
}
