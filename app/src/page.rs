use leptos::prelude::*;
use tandem_types::{
    ApiError, ConnectionView, HistoryView, IssuePage, ItemView, MailboxServer, MappingRow, OrgDenied,
    OrgUserView, OrgView, PaneView, ProbeView, SearchStep, SettingsView, StateReason, SyncState, Timestamp,
    UndoView,
};

use crate::call::Call;
use crate::place::Place;
use crate::text::Lang;
use crate::{text, ui};

/// Which of the product's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`: the sidebar in Outlook.
    Pane,
    /// `/setup`: the first steps, and the mail server's status.
    Setup,
    /// `/settings`: all that is known about the connection.
    Settings,
}

impl Page {
    const ALL: [Self; 3] = [Self::Pane, Self::Setup, Self::Settings];

    /// The word in the page, and in the header by which its script asks for it again.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pane => "pane",
            Self::Setup => "setup",
            Self::Settings => "settings",
        }
    }

    /// From the page's word, or what it has for itself: `settings/issues?kind=contact`.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.split(['/', '?']).next()?;
        Self::ALL.into_iter().find(|page| page.as_str() == word)
    }

    /// For the browser's tab.
    pub fn title(self) -> String {
        match self {
            Self::Pane => text::PRODUCT.to_owned(),
            Self::Setup => format!("{} · {}", text::SETUP_TITLE.get(), text::PRODUCT),
            Self::Settings => format!("{} · {}", text::SETTINGS_TITLE.get(), text::PRODUCT),
        }
    }
}

/// All that a page is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageData {
    pub page: Page,
    /// What the page is written in.
    pub lang: Lang,
    pub view: PaneView,
    /// What the last call, or a plain form, was refused for.
    pub refused: Option<ApiError>,
    /// How the mail server was searched for in vain.
    pub search: Vec<SearchStep>,
    /// Which call that was; `None`: a plain form, of which only the error is known.
    pub by: Option<Call>,
    /// The activation dialog was asked for by a plain link.
    pub activate: bool,
    /// What the last call, or a plain form, was answered.
    pub told: Option<Told>,
    /// The item that is open in Outlook; `None`: the page says nothing about it.
    pub item: Option<ItemView>,
    /// Of the settings page: where in it, and what only stands there.
    pub settings: Option<Box<SettingsPage>>,
}

/// A part of the settings, with what it is drawn from beside the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsPage {
    pub place: Place,
    pub settings: Option<SettingsView>,
    pub history: Option<HistoryView>,
    pub issues: Option<IssuePage>,
    pub mapping: Option<Vec<MappingRow>>,
    /// Since when administrators may see the user's subjects and address.
    pub seen: Option<Timestamp>,
    /// The way to the organisation's page is shown.
    pub administrator: bool,
    pub organisation: Option<Result<OrgView, OrgDenied>>,
    pub org_user: Option<Result<Option<OrgUserView>, OrgDenied>>,
}

/// The answer to a call that is no view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Estimate(Estimate),
    Undone(Undone),
    OtherMailbox(OtherMailbox),
    /// Settings are stored.
    Saved,
    /// Settings are as the organisation has them.
    Reset,
    /// A connection was tested.
    Probed(ProbeView),
}

/// About how many mails there are from a day to a day, both `YYYY-MM-DD` and included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub from: String,
    pub to: String,
    pub mails: u32,
}

/// What became of an undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    pub view: UndoView,
    /// How many items were left; a plain form is not told which.
    pub left: u32,
}

/// The account that signed in with Microsoft has another mailbox than the one that is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherMailbox {
    pub account: String,
    pub expected: String,
    /// It connects the mailbox all the same, if the user says so.
    pub code: String,
}

impl std::fmt::Debug for OtherMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtherMailbox(..)")
    }
}

impl PageData {
    /// A page with nothing told.
    pub const fn new(page: Page, view: PaneView) -> Self {
        Self {
            page,
            lang: Lang::En,
            view,
            refused: None,
            search: Vec::new(),
            by: None,
            activate: false,
            told: None,
            item: None,
            settings: None,
        }
    }

    /// What the page's script asks for it by.
    fn word(&self) -> String {
        match &self.settings {
            Some(settings) => settings.place.word(),
            None => self.page.as_str().to_owned(),
        }
    }

    /// The connection of who is signed in.
    pub(crate) fn connection(&self) -> Option<&ConnectionView> {
        self.view.viewer.as_ref().and(self.view.connection.as_ref())
    }

    /// The server wants the activation dialog to open by itself.
    pub(crate) fn asks(&self) -> bool {
        self.connection().is_some_and(|c| c.ask_activation)
    }

    /// The activation dialog is open in a page that has just been loaded.
    pub(crate) fn opens(&self) -> bool {
        self.asks() || self.activate && self.connection().is_some()
    }

    /// The refusal that the activation dialog tells, of this kind of mailbox.
    pub(crate) fn refused_in_dialog(&self, kind: MailboxServer) -> Option<ApiError> {
        let here = match (self.by, kind) {
            (Some(Call::ConnectExchange), MailboxServer::Exchange)
            | (Some(Call::ConnectOffice), MailboxServer::Office365) => true,
            (Some(_), _) => false,
            (None, kind) => self.opens() && kind == self.first_kind(),
        };
        self.refused.filter(|_| here)
    }

    /// The refusal that stands above everything else.
    pub(crate) fn refused_above(&self) -> Option<ApiError> {
        let in_dialog = match self.by {
            Some(by) => matches!(by, Call::ConnectExchange | Call::ConnectOffice),
            None => self.opens(),
        };
        self.refused.filter(|_| !in_dialog)
    }

    /// What the dialog offers first: what is connected, else what can be connected.
    pub(crate) fn first_kind(&self) -> MailboxServer {
        let Some(c) = self.connection() else {
            return MailboxServer::Exchange;
        };
        match (&c.mailbox, &c.office) {
            (Some(account), Some(_)) => account.server,
            (None, Some(office)) if office.first => MailboxServer::Office365,
            (_, None) | (None, Some(_)) => MailboxServer::Exchange,
        }
    }

    /// The connected mailbox is in Office 365.
    pub(crate) fn in_the_cloud(&self) -> bool {
        let mailbox = self.connection().and_then(|c| c.mailbox.as_ref());
        mailbox.is_some_and(|mailbox| mailbox.server == MailboxServer::Office365)
    }

    /// The stored access was refused: it is not the first time that the mailbox is connected.
    pub(crate) fn again(&self) -> bool {
        self.connection()
            .is_some_and(|c| c.state == SyncState::NeedsActivation || c.rejections > 0)
    }

    pub(crate) fn microsoft_ended(&self) -> bool {
        let reason = self.connection().and_then(|c| c.reason);
        reason == Some(StateReason::MicrosoftSignInEnded)
    }

    /// *Skip* in place of *Cancel*.
    pub(crate) fn skips(&self) -> bool {
        self.asks()
            || self
                .connection()
                .is_none_or(|c| c.state == SyncState::NotActivated && !c.skipped)
    }

    /// After so many seconds the page, left alone, would claim more than is known.
    pub(crate) fn look_again(&self) -> Option<i64> {
        let c = self.connection()?;
        let late = c.last_success?.plus_seconds(text::late_after(c) + 1);
        Some(late.seconds_since(self.view.now)).filter(|&seconds| seconds > 0)
    }
}

/// What changes in a page, inside of `<div id="tandem">`.
///
/// `loaded`: the browser makes a new page of it, and shows at once what is open. Else it is laid over the page that is
/// shown, and its script opens.
pub(crate) fn app(p: &PageData, loaded: bool) -> impl IntoView + use<> {
    let class = match p.page {
        Page::Pane => "page pane",
        Page::Setup | Page::Settings => "page wide",
    };
    // The other pages are none of Outlook's.
    let has_panel = p.page == Page::Pane && p.connection().is_some();
    view! {
        <div
            class=class
            data-page=p.word()
            data-now=p.view.now.micros().to_string()
            data-signed=p.connection().map(|_| "")
            data-again=p.look_again().map(|seconds| seconds.to_string())
        >
            {ui::header(p)}
            {ui::activation_dialog(p, loaded)}
            {p.connection().map(|c| ui::deactivation_dialog(p, c))}
            {has_panel.then(ui::changed_dialog)}
            <main id="main" tabindex="-1">
                {ui::refused(p)}
                {has_panel.then(|| ui::item_panel(p))}
                {ui::body(p)}
            </main>
        </div>
    }
}
