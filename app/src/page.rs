use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_types::{ApiError, ConnectionView, MailboxServer, PaneView, Progress, Timestamp, UndoView};

use crate::call::{Call, form};
use crate::{browser, text, ui};

/// Which of the product's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// `/`: the sidebar in Outlook.
    Pane,
    /// `/setup`: the first steps, and the mail server's status.
    Setup,
    /// `/settings`: all that is known about the connection.
    Settings,
}

/// All that a page is made of; the same on the server and in the browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageData {
    pub page: Page,
    pub view: PaneView,
    /// What a plain form was refused for, read from the query.
    pub refused: Option<ApiError>,
    /// The activation dialog was asked for by a plain link.
    pub activate: bool,
    /// What a plain form was answered, read from the query.
    #[serde(default)]
    pub told: Option<Told>,
}

/// The answer to a call that is no view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    Estimate(Estimate),
    Undone(Undone),
}

/// About how many mails there are from a day to a day, both `YYYY-MM-DD` and included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    pub from: String,
    pub to: String,
    pub mails: u32,
}

/// What became of an undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    pub view: UndoView,
    /// How many items were left; a plain form is not told which.
    pub left: u32,
}

/// The dialog that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialog {
    Activation,
    Deactivation,
}

/// Where the sign-in is.
#[cfg_attr(
    not(feature = "hydrate"),
    expect(dead_code, reason = "only a browser gets beyond the first")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignIn {
    Idle,
    /// No window could be opened: a link does it.
    Blocked,
    /// A window is open; its message, or a typed code, goes on.
    Waiting,
    /// The browser offers no cryptography here: no secure context.
    Insecure,
}

/// Where the sign-in with Microsoft is.
#[cfg_attr(
    not(feature = "hydrate"),
    expect(dead_code, reason = "only a browser gets beyond the first")
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OfficeStep {
    Idle,
    /// No window could be opened: a link does it.
    Blocked,
    /// A window is open; its message, or a typed code, goes on.
    Waiting,
    Insecure,
    /// The account's mailbox is not the one that is shown; the code can still be used.
    Other {
        account: String,
        expected: String,
        code: String,
    },
}

/// The signals that the components share.
#[derive(Clone, Copy)]
pub(crate) struct Ui {
    pub(crate) page: Page,
    pub(crate) view: RwSignal<PaneView>,
    /// Newer than the view's: comes by events.
    pub(crate) progress: RwSignal<Option<Progress>>,
    /// Seconds since the view was made.
    pub(crate) elapsed: RwSignal<i64>,
    /// The call that is under way.
    pub(crate) busy: RwSignal<Option<Call>>,
    pub(crate) estimate: RwSignal<Option<Estimate>>,
    /// The last undo, until it is closed.
    pub(crate) undone: RwSignal<Option<Undone>>,
    /// Why the last call was not done.
    pub(crate) refused: RwSignal<Option<ApiError>>,
    pub(crate) dialog: RwSignal<Option<Dialog>>,
    pub(crate) sign_in: RwSignal<SignIn>,
    /// Where the sign-in window starts; with the challenge once the browser has made one.
    pub(crate) sign_in_url: RwSignal<String>,
    /// Which kind of mailbox the activation dialog is about.
    pub(crate) kind: RwSignal<MailboxServer>,
    pub(crate) office: RwSignal<OfficeStep>,
    /// As `sign_in_url`, for Microsoft.
    pub(crate) office_url: RwSignal<String>,
}

/// What the dialog offers first: what is connected, else what can be connected.
fn first_kind(connection: Option<&ConnectionView>) -> MailboxServer {
    let Some(connection) = connection else {
        return MailboxServer::Exchange;
    };
    match (&connection.mailbox, &connection.office) {
        (Some(account), Some(_)) => account.server,
        (None, Some(office)) if office.first => MailboxServer::Office365,
        (_, None) | (None, Some(_)) => MailboxServer::Exchange,
    }
}

/// Where Microsoft's window starts: `challenge` is the SHA-256 of the nonce, `hint` the mailbox that is suggested.
pub(crate) fn office_url(challenge: &str, hint: Option<&str>, claims: Option<&str>) -> String {
    let mut fields = vec![("n", challenge)];
    fields.extend(hint.map(|hint| ("hint", hint)));
    fields.extend(claims.map(|claims| ("claims", claims)));
    format!("/auth/microsoft/start?{}", form(fields))
}

impl Ui {
    fn new(data: PageData) -> Self {
        let asked = data.activate || data.view.connection.as_ref().is_some_and(|c| c.ask_activation);
        let open = asked && data.view.connection.is_some();
        let kind = first_kind(data.view.connection.as_ref());
        let office = data.view.connection.as_ref().and_then(|c| c.office.as_ref());
        let office_url = office.map_or_else(String::new, |office| {
            let challenge = office
                .nonce
                .as_ref()
                .map_or("", |(_, challenge)| challenge.as_str());
            office_url(challenge, office.hint.as_deref(), office.claims.as_deref())
        });
        let (estimate, undone) = match data.told {
            Some(Told::Estimate(estimate)) => (Some(estimate), None),
            Some(Told::Undone(undone)) => (None, Some(undone)),
            None => (None, None),
        };
        Self {
            page: data.page,
            progress: RwSignal::new(data.view.connection.as_ref().and_then(|c| c.progress)),
            view: RwSignal::new(data.view),
            elapsed: RwSignal::new(0),
            busy: RwSignal::new(None),
            estimate: RwSignal::new(estimate),
            undone: RwSignal::new(undone),
            refused: RwSignal::new(data.refused),
            dialog: RwSignal::new(open.then_some(Dialog::Activation)),
            sign_in: RwSignal::new(SignIn::Idle),
            sign_in_url: RwSignal::new(match data.page {
                Page::Setup => "/auth/start?to=setup".to_owned(),
                Page::Pane | Page::Settings => "/auth/start".to_owned(),
            }),
            kind: RwSignal::new(kind),
            office: RwSignal::new(OfficeStep::Idle),
            office_url: RwSignal::new(office_url),
        }
    }

    /// The time now, by the server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.view.with(|view| view.now).plus_seconds(self.elapsed.get())
    }

    pub(crate) fn signed_in(&self) -> bool {
        self.view
            .with(|view| view.viewer.is_some() && view.connection.is_some())
    }
}

/// The whole page, inside of `<body>`.
pub(crate) fn app(data: PageData) -> impl IntoView {
    let ui = Ui::new(data);
    browser::start(ui);
    let class = match ui.page {
        Page::Pane => "page pane",
        Page::Setup | Page::Settings => "page wide",
    };
    view! {
        <div class=class>
            {ui::header(ui)}
            {ui::activation_dialog(ui)}
            {ui::deactivation_dialog(ui)}
            <main id="main">
                {ui::refused(ui)}
                {ui::body(ui)}
            </main>
        </div>
    }
}

impl Page {
    /// For the browser's tab.
    pub fn title(self) -> String {
        match self {
            Self::Pane => text::PRODUCT.to_owned(),
            Self::Setup => format!("{} · {}", text::SETUP_TITLE, text::PRODUCT),
            Self::Settings => format!("{} · {}", text::SETTINGS_TITLE, text::PRODUCT),
        }
    }
}
