//! What the server and the browser say to each other: ids, states, reasons, view data.
//!
//! Everything here is plain data (serde only, wasm-safe). Newtypes parse: a value of the type is valid.

mod ids;
mod item;
mod organisation;
mod reason;
mod request;
mod save;
mod settings;
mod settings_view;
mod state;
mod time;
mod view;

pub use ids::{ConnectionId, IssueId, LinkId, OrgId, ParseIdError, SessionId, UserId};
pub use item::{
    Blocked, FieldView, FileView, Found, ItemLinks, ItemState, ItemTrouble, ItemView, LinkTo, OpenAttachment,
    OpenItem, OpenMode, OpenPerson, PersonDraft, PersonKind, PersonRole, PersonView, RecordDetail, RecordRef,
    RecordView, RelatedKind, RelatedList, SaveOrder, TimelineEntry,
};
pub use organisation::{
    IntegrationTrouble, IntegrationView, MeterView, OrgAct, OrgCount, OrgDenied, OrgFault, OrgRun,
    OrgRunState, OrgUser, OrgUserView, OrgView, Verdict,
};
pub use reason::{ActivationFailure, ApiError, InvalidField, IssueCode, IssueCure, Refused, SearchStep};
pub use request::{ActivateExchange, ConnectOffice, HandoverReply, HandoverRequest, Ticket};
pub use save::{NotSaved, SaveRule};
pub use settings::{
    AttachmentRules, BrakeLimits, ConflictPolicy, ContactScope, DeletedInMailbox, Direction, Settings,
    SettingsError,
};
pub use settings_view::{
    DayView, HistoryView, IssuePage, MappingRow, ProbeFault, ProbeStep, ProbeView, SettingKey, SettingsView,
};
pub use state::{ItemKind, Side, StateReason, SyncState};
pub use time::Timestamp;
pub use view::{
    BackfillView, BrakeView, ConnectionView, Counts, CrmAccount, IssueChoice, IssueView, MailboxAccount,
    MailboxServer, OfficeAnswer, OfficeView, OpCounts, PaneEvent, PaneView, PreviewView, Progress,
    ProgressPhase, SessionOutcome, SessionView, UndoLeftView, UndoReason, UndoView, ViewerView,
};
