//! The calls that the browser makes, by address: the server functions of `api`, each at `/api/<name>`.

/// One server function. The request is a form, the answer JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Pane,
    ConnectExchange,
    ConnectOffice,
    SkipActivation,
    Release,
    Hold,
    SyncNow,
    Pause,
    Start,
    Deactivate,
    KeepSync,
    Cure,
    UndoSession,
    EstimateBackfill,
    StartBackfill,
    CancelBackfill,
    SignOut,
    Ticket,
    // The open item.
    Item,
    ItemWhole,
    ItemSearch,
    SaveItem,
    UnsaveItem,
    BlockAddress,
    UnblockAddress,
    DraftPerson,
    CreatePerson,
    EditRecord,
    LogCall,
    AddTask,
    RecordDetail,
    // The settings page.
    SaveSettings,
    ResetSettings,
    CureIssues,
    Probe,
    // The organisation's page.
    OrgPause,
    OrgResume,
    OrgSyncNow,
    OrgDeactivate,
    OrgHalt,
    OrgGoOn,
    OrgSupport,
    OrgDisconnect,
}

impl Call {
    pub const ALL: [Self; 43] = [
        Self::Pane,
        Self::ConnectExchange,
        Self::ConnectOffice,
        Self::SkipActivation,
        Self::Release,
        Self::Hold,
        Self::SyncNow,
        Self::Pause,
        Self::Start,
        Self::Deactivate,
        Self::KeepSync,
        Self::Cure,
        Self::UndoSession,
        Self::EstimateBackfill,
        Self::StartBackfill,
        Self::CancelBackfill,
        Self::SignOut,
        Self::Ticket,
        Self::Item,
        Self::ItemWhole,
        Self::ItemSearch,
        Self::SaveItem,
        Self::UnsaveItem,
        Self::BlockAddress,
        Self::UnblockAddress,
        Self::DraftPerson,
        Self::CreatePerson,
        Self::EditRecord,
        Self::LogCall,
        Self::AddTask,
        Self::RecordDetail,
        Self::SaveSettings,
        Self::ResetSettings,
        Self::CureIssues,
        Self::Probe,
        Self::OrgPause,
        Self::OrgResume,
        Self::OrgSyncNow,
        Self::OrgDeactivate,
        Self::OrgHalt,
        Self::OrgGoOn,
        Self::OrgSupport,
        Self::OrgDisconnect,
    ];

    /// The call at this path.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.path() == path)
    }

    pub const fn path(self) -> &'static str {
        match self {
            Self::Pane => "/api/pane",
            Self::ConnectExchange => "/api/connect_exchange",
            Self::ConnectOffice => "/api/connect_office",
            Self::SkipActivation => "/api/skip_activation",
            Self::Release => "/api/release",
            Self::Hold => "/api/hold",
            Self::SyncNow => "/api/sync_now",
            Self::Pause => "/api/pause",
            Self::Start => "/api/start",
            Self::Deactivate => "/api/deactivate",
            Self::KeepSync => "/api/keep_sync",
            Self::Cure => "/api/cure",
            Self::UndoSession => "/api/undo_session",
            Self::EstimateBackfill => "/api/estimate_backfill",
            Self::StartBackfill => "/api/start_backfill",
            Self::CancelBackfill => "/api/cancel_backfill",
            Self::SignOut => "/api/sign_out",
            Self::Ticket => "/api/ticket",
            Self::Item => "/api/item",
            Self::ItemWhole => "/api/item_whole",
            Self::ItemSearch => "/api/item_search",
            Self::SaveItem => "/api/save_item",
            Self::UnsaveItem => "/api/unsave_item",
            Self::BlockAddress => "/api/block_address",
            Self::UnblockAddress => "/api/unblock_address",
            Self::DraftPerson => "/api/draft_person",
            Self::CreatePerson => "/api/create_person",
            Self::EditRecord => "/api/edit_record",
            Self::LogCall => "/api/log_call",
            Self::AddTask => "/api/add_task",
            Self::RecordDetail => "/api/record_detail",
            Self::SaveSettings => "/api/save_settings",
            Self::ResetSettings => "/api/reset_settings",
            Self::CureIssues => "/api/cure_issues",
            Self::Probe => "/api/probe",
            Self::OrgPause => "/api/org_pause",
            Self::OrgResume => "/api/org_resume",
            Self::OrgSyncNow => "/api/org_sync_now",
            Self::OrgDeactivate => "/api/org_deactivate",
            Self::OrgHalt => "/api/org_halt",
            Self::OrgGoOn => "/api/org_go_on",
            Self::OrgSupport => "/api/org_support",
            Self::OrgDisconnect => "/api/org_disconnect",
        }
    }
}

/// Fields of a form as `application/x-www-form-urlencoded`.
#[cfg(any(feature = "hydrate", feature = "ssr", test))]
pub(crate) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::new();
    let put = |text: &str, out: &mut String| {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    };
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        put(name, &mut out);
        out.push('=');
        put(value, &mut out);
    }
    out
}

#[cfg(any(feature = "hydrate", feature = "ssr"))]
/// Where Microsoft's window starts: `challenge` is the SHA-256 of the nonce, `hint` the mailbox that is suggested.
pub(crate) fn office_url(challenge: &str, hint: Option<&str>, claims: Option<&str>) -> String {
    let mut fields = vec![("n", challenge)];
    fields.extend(hint.map(|hint| ("hint", hint)));
    fields.extend(claims.map(|claims| ("claims", claims)));
    format!("/auth/microsoft/start?{}", form(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_escapes_whatever_could_end_a_field() {
        assert_eq!(
            form([("login", "CORP\\jörg"), ("password", "a&b=c +%\u{1F511}")]),
            "login=CORP%5Cj%C3%B6rg&password=a%26b%3Dc%20%2B%25%F0%9F%94%91"
        );
        assert_eq!(form([]), "");
    }
}
