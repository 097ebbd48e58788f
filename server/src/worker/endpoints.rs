//! The two ends of a connection, with its own credentials.

use std::sync::Arc;

use tandem_crm::{Account, Salesforce};
use tandem_mailbox::{Ews, EwsAccount};
use tandem_store::ConnectionRow;
use tandem_sync::ports::{Crm, Mailbox, StoreError};

use crate::app::App;
use crate::grants::StoredGrants;

pub(super) struct Ends {
    pub mailbox: Box<dyn Mailbox>,
    pub crm: Box<dyn Crm>,
}

/// # Errors
/// [`StoreError::NotFound`] where the connection has no mailbox (it was deactivated meanwhile).
pub(super) async fn open(app: &App, row: &ConnectionRow) -> Result<Ends, StoreError> {
    let account = row.mailbox.as_ref().ok_or(StoreError::NotFound("mailbox"))?;
    let secret = app.store.mailbox_secret(&row.id).await?;
    let secret = secret.ok_or(StoreError::NotFound("mailbox login"))?;
    let url = secret
        .ews_url
        .parse()
        .map_err(|_| StoreError::Corrupt("the stored address of the mail server is no URL".into()))?;
    let mailbox = Ews::new(
        app.net.clone(),
        EwsAccount {
            url,
            login: secret.login,
            password: secret.password,
            address: account.address.clone(),
        },
    );
    let grants = Arc::new(StoredGrants::new(app.clone(), row.id.clone()));
    let crm = Salesforce::new(
        &app.platform,
        grants,
        Account {
            org: row.org_id.clone(),
            user: row.user_id.clone(),
            settings: row.settings.clone(),
        },
    );
    Ok(Ends {
        mailbox: Box::new(mailbox),
        crm: Box::new(crm),
    })
}
