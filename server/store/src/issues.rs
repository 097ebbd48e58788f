//! An issue as the pane shows it.

use tandem_sync::cure::candidates_of_detail;
use tandem_sync::ports::IssueKey;
use tandem_types::{IssueChoice, IssueCode, IssueCure, IssueId, IssueView, Side, Timestamp};

/// What is kept of an open issue, beside what it is about.
pub(crate) struct Kept {
    pub(crate) id: IssueId,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) since: Timestamp,
    pub(crate) cures: Vec<IssueCure>,
}

pub(crate) fn view(key: &IssueKey, kept: Kept) -> IssueView {
    let Kept {
        id,
        title,
        mut detail,
        since,
        cures,
    } = kept;
    let mut choices = Vec::new();
    if matches!(key.code, IssueCode::SeveralMatches | IssueCode::CreateInDoubt) {
        let candidates = candidates_of_detail(&detail);
        if !candidates.is_empty() {
            let (there, here): (Vec<_>, Vec<_>) = candidates
                .into_iter()
                .partition(|candidate| candidate.side != key.side);
            choices = there
                .into_iter()
                .map(|candidate| IssueChoice {
                    id: candidate.id.0,
                    side: candidate.side,
                    label: candidate.title,
                })
                .collect();
            // Its doubles on its own side: nothing to choose, but to know of.
            let names: Vec<String> = here
                .into_iter()
                .map(|candidate| {
                    let known = !candidate.title.is_empty();
                    if known { candidate.title } else { candidate.id.0 }
                })
                .collect();
            detail = names.join(", ");
        }
    }
    IssueView {
        id,
        kind: key.kind,
        code: key.code,
        title,
        detail,
        since,
        cures,
        choices,
        record: record(key),
    }
}

/// The Salesforce record that the issue is about. Its item may also be no record: what another tool is called.
fn record(key: &IssueKey) -> Option<String> {
    let id = key.item.0.as_str();
    let is_id =
        matches!(id.len(), 15 | 18) && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let of_item = !matches!(key.code, IssueCode::OtherSyncTool | IssueCode::NothingMoved);
    (key.side == Side::Crm && of_item && is_id).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sync::cure::{Candidate, candidates_to_detail};
    use tandem_sync::model::ItemId;
    use tandem_types::ItemKind;

    fn shown(code: IssueCode, side: Side, item: &str, detail: &str) -> IssueView {
        let key = IssueKey {
            kind: ItemKind::Contact,
            side,
            item: ItemId(item.to_owned()),
            code,
        };
        view(
            &key,
            Kept {
                id: "1".repeat(32).parse().unwrap(),
                title: "Ada".to_owned(),
                detail: detail.to_owned(),
                since: Timestamp(0),
                cures: vec![IssueCure::PickMatch],
            },
        )
    }

    #[test]
    fn only_the_other_side_s_candidates_can_be_chosen() {
        let candidate = |side, id: &str, title: &str| Candidate {
            side,
            id: ItemId(id.to_owned()),
            title: title.to_owned(),
        };
        let detail = candidates_to_detail(&[
            candidate(Side::Crm, "003A", "Ada\ncrm 003X Eve"),
            candidate(Side::Mailbox, "AAMk=", "Ada Byron"),
            candidate(Side::Mailbox, "AAMx=", ""),
            candidate(Side::Crm, "003B", ""),
        ]);
        let seen = shown(IssueCode::SeveralMatches, Side::Mailbox, "AAM1", &detail);
        let choices: Vec<_> = seen
            .choices
            .iter()
            .map(|choice| (choice.id.as_str(), choice.side, choice.label.as_str()))
            .collect();
        assert_eq!(
            choices,
            [("003A", Side::Crm, "Ada crm 003X Eve"), ("003B", Side::Crm, "")],
            "a title cannot become a candidate"
        );
        assert_eq!(seen.detail, "Ada Byron, AAMx=");
        // Words that are no candidates stay what they are, and those of another issue are never read.
        for words in ["", "crm 003A, mailbox AAMk", "Ada", "crm", "crm \nmailbox x"] {
            let seen = shown(IssueCode::CreateInDoubt, Side::Mailbox, "AAM1", words);
            assert_eq!((seen.choices, seen.detail.as_str()), (Vec::new(), words));
        }
        let refused = shown(IssueCode::Refused, Side::Mailbox, "AAM1", &detail);
        assert_eq!((refused.choices, refused.detail), (Vec::new(), detail));
    }

    #[test]
    fn only_a_record_of_salesforce_is_one() {
        let of = |code, side, item| shown(code, side, item, "").record;
        for item in ["003000000000001", "003000000000001AAA"] {
            assert_eq!(of(IssueCode::Refused, Side::Crm, item).as_deref(), Some(item));
        }
        assert_eq!(of(IssueCode::Refused, Side::Mailbox, "003000000000001"), None);
        assert_eq!(of(IssueCode::OtherSyncTool, Side::Crm, "003000000000001"), None);
        for item in [
            "",
            "003",
            "003000000000001/..",
            "../../0000000001",
            "x03000000000001",
        ] {
            assert_eq!(of(IssueCode::Refused, Side::Crm, item), None, "{item}");
        }
    }
}
