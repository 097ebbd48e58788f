//! The two ends of a connection, with its own credentials.

use std::sync::Arc;

use tandem_crm::{Account, Salesforce};
use tandem_mailbox::{Ews, EwsAccount, Graph, GraphAccount, GraphLimits, SignIn};
use tandem_store::{ConnectionRow, Provider};
use tandem_sync::ports::{Crm, Mailbox, StoreError};
use tandem_types::{MailboxAccount, MailboxServer};

use super::fan_in;
use crate::app::App;
use crate::grants::StoredGrants;

pub(super) struct Ends {
    pub mailbox: Box<dyn Mailbox>,
    pub crm: Box<dyn Crm>,
}

/// # Errors
/// [`StoreError::NotFound`] where the connection has no mailbox (it was deactivated meanwhile).
pub(super) async fn open(app: &App, row: &ConnectionRow) -> Result<Ends, StoreError> {
    Ok(Ends {
        mailbox: mailbox(app, row).await?,
        crm: Box::new(salesforce(app, row).told_by(fan_in::teller(app, row))),
    })
}

/// # Errors
/// As [`open`].
pub(crate) async fn mailbox(app: &App, row: &ConnectionRow) -> Result<Box<dyn Mailbox>, StoreError> {
    let account = row.mailbox.as_ref().ok_or(StoreError::NotFound("mailbox"))?;
    match account.server {
        MailboxServer::Exchange => exchange(app, row, account).await,
        MailboxServer::Office365 => office(app, row, account),
    }
}

/// Salesforce, by the user's own grant.
pub(crate) fn salesforce(app: &App, row: &ConnectionRow) -> Salesforce {
    let grants = Arc::new(StoredGrants::new(
        app.clone(),
        row.id.clone(),
        Provider::Salesforce,
    ));
    Salesforce::new(
        &app.platform,
        grants,
        Account {
            org: row.org_id.clone(),
            user: row.user_id.clone(),
            settings: row.settings.clone(),
        },
    )
}

async fn exchange(
    app: &App,
    row: &ConnectionRow,
    account: &MailboxAccount,
) -> Result<Box<dyn Mailbox>, StoreError> {
    let secret = app.store.mailbox_secret(&row.id).await?;
    let secret = secret.ok_or(StoreError::NotFound("mailbox login"))?;
    let url = secret
        .ews_url
        .parse()
        .map_err(|_| StoreError::Corrupt("the stored address of the mail server is no URL".into()))?;
    Ok(Box::new(Ews::new(
        app.net.clone(),
        EwsAccount {
            url,
            login: secret.login,
            password: secret.password,
            sign_in: SignIn::stored(&secret.extra),
            address: account.address.clone(),
        },
    )))
}

fn office(app: &App, row: &ConnectionRow, account: &MailboxAccount) -> Result<Box<dyn Mailbox>, StoreError> {
    let microsoft = app.config.microsoft.as_ref();
    let microsoft = microsoft.ok_or_else(|| {
        StoreError::Corrupt("the configuration has no [microsoft]: Office 365 is off".into())
    })?;
    let tokens = Arc::new(StoredGrants::new(
        app.clone(),
        row.id.clone(),
        Provider::Microsoft,
    ));
    let account = GraphAccount {
        url: microsoft.graph_v1(),
        address: account.address.clone(),
    };
    Ok(Box::new(Graph::new(
        app.net.clone(),
        account,
        tokens,
        GraphLimits::default(),
    )))
}
