//! Whose mailbox it is: compared with the one that Outlook shows, before anything is synced.
//! <https://learn.microsoft.com/graph/api/user-get>

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;
use tandem_net::Net;
use tandem_sync::{Fault, FaultKind};
use url::Url;

use super::ask::Ask;
use super::client::{Client, GraphLimits};
use super::item::text;
use crate::client::Effect;
use crate::microsoft::{Bearer, Tokens};

/// The account that signed in. `Debug` shows no address.
#[derive(Clone, PartialEq, Eq)]
pub struct WhoAmI {
    /// Graph's id of the user: the same however he is renamed.
    pub id: String,
    pub name: String,
    /// The primary SMTP address, lower case.
    pub address: String,
    /// All addresses that mail to him may have, lower case, the primary one first; and his login.
    pub addresses: Vec<String>,
}

impl fmt::Debug for WhoAmI {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhoAmI")
            .field("addresses", &self.addresses.len())
            .finish_non_exhaustive()
    }
}

impl WhoAmI {
    /// Whether the mailbox with this address is this user's.
    pub fn owns(&self, address: &str) -> bool {
        let address = address.trim().to_lowercase();
        self.addresses.contains(&address)
    }
}

/// The token of a sign-in that has just been.
struct Fresh(SecretString);

#[async_trait]
impl Tokens for Fresh {
    async fn access(&self) -> Result<Bearer, Fault> {
        Ok(Bearer {
            token: self.0.clone(),
            version: 0,
        })
    }

    async fn refreshed(&self, _stale_version: i64) -> Result<Bearer, Fault> {
        Err(Fault::new(
            FaultKind::SignInEnded,
            "Microsoft Graph refuses a fresh token",
        ))
    }
}

/// Asks Graph, and whether the account has a mailbox there. `url`: with the version, as
/// [`GraphAccount::url`](super::GraphAccount).
///
/// # Errors
/// [`not_in_cloud`](super::not_in_cloud): the account has no mailbox in Exchange Online.
pub async fn whoami(net: &Net, url: &Url, token: &SecretString) -> Result<WhoAmI, Fault> {
    const NAME: &str = "reading the account";
    let tokens = Arc::new(Fresh(token.clone()));
    let client = Client::new(net.clone(), url.clone(), tokens, GraphLimits::default());
    let asks = [
        Ask::get("/me?$select=id,displayName,mail,userPrincipalName,proxyAddresses"),
        Ask::get("/me/mailFolders/inbox?$select=id"),
    ];
    let parts = client
        .batch(&asks, Effect::Reads)
        .await
        .map_err(|error| error.into_fault(NAME, false))?;
    let mut me = Value::Null;
    for (at, part) in parts.into_iter().enumerate() {
        let body = part.map_err(|problem| problem.into_fault(NAME))?;
        if at == 0 {
            me = body;
        }
    }
    account(&me).ok_or_else(|| Fault::fatal("Microsoft Graph tells no address of the account"))
}

fn account(me: &Value) -> Option<WhoAmI> {
    let clean = |text: &str| text.trim().to_lowercase();
    let mut proxies: Vec<(bool, String)> = Vec::new();
    for proxy in me["proxyAddresses"].as_array().into_iter().flatten() {
        // `SMTP:` the primary one, `smtp:` the others; `X500:`, `SIP:` and the like are no addresses of mail.
        if let Some((scheme, address)) = proxy.as_str().and_then(|proxy| proxy.split_once(':'))
            && scheme.eq_ignore_ascii_case("smtp")
        {
            proxies.push((scheme == "SMTP", clean(address)));
        }
    }
    let login = clean(text(me, "userPrincipalName"));
    let primary = proxies
        .iter()
        .find(|(primary, _)| *primary)
        .map(|(_, address)| address.clone());
    let address = primary
        .or_else(|| Some(clean(text(me, "mail"))).filter(|mail| mail.contains('@')))
        .or_else(|| Some(login.clone()).filter(|login| login.contains('@')))?;
    let mut addresses = vec![address.clone()];
    for other in proxies
        .into_iter()
        .map(|(_, address)| address)
        .chain([clean(text(me, "mail")), login])
    {
        if other.contains('@') && !addresses.contains(&other) {
            addresses.push(other);
        }
    }
    Some(WhoAmI {
        id: text(me, "id").to_owned(),
        name: text(me, "displayName").to_owned(),
        address,
        addresses,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn accounts_and_their_addresses() {
        let me = account(&json!({
            "id": "1", "displayName": "Nina", "mail": "Nina@contoso.example",
            "userPrincipalName": "n.berg@contoso.onmicrosoft.example",
            "proxyAddresses": ["smtp:n@contoso.example", "SIP:nina@x.example", "SMTP:Nina.Berg@contoso.example"],
        }))
        .unwrap();
        assert_eq!(me.address, "nina.berg@contoso.example");
        assert!(me.owns(" N@contoso.example") && me.owns("n.berg@contoso.onmicrosoft.example"));
        assert!(!me.owns("nina@x.example") && !me.owns(""));
        assert!(!format!("{me:?}").contains("contoso"));
        let bare = account(&json!({"userPrincipalName": "a@b.example", "mail": null})).unwrap();
        assert_eq!(bare.addresses, ["a@b.example"]);
        assert!(account(&json!({})).is_none());
    }
}
