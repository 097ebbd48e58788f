use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tandem_types::Timestamp;
use url::Url;

use super::tenant::{Guid, Tenant};
use super::trouble::{Remedy, SignInError};

/// How far the clocks may be apart.
const SKEW_S: i64 = 300;

/// Who has signed in. An account is known by its two ids: addresses and names change hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub owner: Owner,
    /// The name that was typed at the sign-in: mostly the mailbox's address, but that is for Graph to say.
    pub username: String,
    /// For showing.
    pub display_name: String,
}

/// An account of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: Guid,
    /// The object id.
    pub user: Guid,
}

/// What an id token must say.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) authority: &'a Url,
    pub(crate) client_id: &'a str,
    pub(crate) tenant: &'a Tenant,
    /// The id of a tenant that is known by its domain.
    pub(crate) resolved: Option<&'a Guid>,
    pub(crate) allowed: &'a [Guid],
    /// That of this sign-in. A refresh has none.
    pub(crate) nonce: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// <https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference>
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    tid: String,
    oid: String,
    #[serde(default)]
    preferred_username: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Reads an id token that came from the token endpoint itself.
///
/// Its signature is not checked: the server's certificate stands for the issuer where the token comes straight from the
/// token endpoint over TLS (OpenID Connect Core, section 3.1.3.7, number 6), and from nowhere else does one reach this
/// function. Everything that the signature would not prove is checked.
///
/// # Errors
/// [`Remedy::SignIn`] where another sign-in may bring a right one: `wrong_tenant` for an account of an organisation that
/// may not use this server, `wrong_token` for everything else. The token is in no text.
pub(crate) fn read(token: &str, expected: &Expected<'_>) -> Result<Identity, SignInError> {
    let wrong = |what: &str| {
        SignInError::new(
            Remedy::SignIn,
            "wrong_token",
            format!("Microsoft's id token is not taken: {what}"),
        )
    };
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong("it has not three parts"));
    };
    let claims = URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok())
        .ok_or_else(|| wrong("its claims cannot be read"))?;
    let for_us = match &claims.aud {
        Audience::One(one) => one == expected.client_id,
        // With several, another party may hold the same token.
        Audience::Several(several) => matches!(several.as_slice(), [one] if one == expected.client_id),
    };
    if !for_us {
        return Err(wrong("it is for another application"));
    }
    let (Ok(tenant), Ok(user)) = (claims.tid.parse::<Guid>(), claims.oid.parse::<Guid>()) else {
        return Err(wrong("it names no account"));
    };
    let issuer = expected.authority.join(&format!("/{tenant}/v2.0"));
    if !issuer.is_ok_and(|issuer| issuer.as_str() == claims.iss) {
        return Err(wrong("it has another issuer"));
    }
    let at_home = match expected.tenant {
        Tenant::Organizations | Tenant::Common => true,
        Tenant::Id(id) => *id == tenant,
        Tenant::Domain(_) => expected.resolved == Some(&tenant),
    };
    if !at_home || !(expected.allowed.is_empty() || expected.allowed.contains(&tenant)) {
        return Err(SignInError::new(
            Remedy::SignIn,
            "wrong_tenant",
            "Microsoft's id token is not taken: it is of an organisation that may not use this server",
        ));
    }
    if let Some(nonce) = expected.nonce
        && claims.nonce.as_deref() != Some(nonce)
    {
        return Err(wrong("it belongs to another sign-in"));
    }
    let now = expected.now.seconds();
    let over = claims.exp.saturating_add(SKEW_S) <= now;
    if over || claims.nbf.is_some_and(|from| from.saturating_sub(SKEW_S) > now) {
        return Err(SignInError::new(
            Remedy::Administrator,
            "wrong_token",
            "Microsoft's id token is not taken: it is not of this time; is the server's clock right?",
        ));
    }
    let username = if claims.preferred_username.contains('@') {
        claims.preferred_username
    } else {
        claims.email
    };
    Ok(Identity {
        owner: Owner { tenant, user },
        username,
        display_name: claims.name,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const OTHER: &str = "11111111-2222-4333-8444-555555555555";
    const USER: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
            "aud": "client",
            "exp": NOW + 3600,
            "nbf": NOW,
            "iat": NOW,
            "nonce": "n",
            "tid": TENANT,
            "oid": USER,
            "preferred_username": "nina.berg@contoso.example",
            "name": "Nina Berg",
        })
    }

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn check(token: &str, tenant: &Tenant, allowed: &[Guid]) -> Result<Identity, SignInError> {
        let authority = Url::parse("https://login.microsoftonline.com").unwrap();
        let resolved: Guid = TENANT.parse().unwrap();
        let expected = Expected {
            authority: &authority,
            client_id: "client",
            tenant,
            resolved: Some(&resolved),
            allowed,
            nonce: Some("n"),
            now: Timestamp::from_seconds(NOW),
        };
        read(token, &expected)
    }

    fn with(name: &str, value: Value) -> Result<Identity, SignInError> {
        let mut claims = claims();
        claims[name] = value;
        check(&token(&claims), &Tenant::Organizations, &[])
    }

    #[test]
    fn a_right_one_names_the_account() {
        let found = check(&token(&claims()), &Tenant::Organizations, &[]).unwrap();
        assert_eq!(found.owner.tenant.as_str(), TENANT);
        assert_eq!(found.owner.user.as_str(), USER);
        assert_eq!(found.username, "nina.berg@contoso.example");
        assert_eq!(found.display_name, "Nina Berg");
        assert!(with("aud", json!(["client"])).is_ok());
        // Clocks differ a little.
        assert!(with("nbf", json!(NOW + 200)).is_ok());
        assert!(with("exp", json!(NOW - 200)).is_ok());
    }

    #[test]
    fn each_wrong_claim_is_refused() {
        for (name, value) in [
            ("nonce", json!("another")),
            ("nonce", Value::Null),
            ("aud", json!("someone-else")),
            ("aud", json!(["client", "someone-else"])),
            ("aud", json!([])),
            (
                "iss",
                json!(format!("https://login.microsoftonline.com/{OTHER}/v2.0")),
            ),
            ("iss", json!(format!("https://sts.windows.net/{TENANT}/"))),
            ("iss", json!(format!("https://evil.example/{TENANT}/v2.0"))),
            (
                "iss",
                json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0/")),
            ),
            ("tid", json!(OTHER)),
            ("tid", json!("../common")),
            ("oid", json!("")),
            ("exp", json!(NOW - 301)),
            ("nbf", json!(NOW + 301)),
            ("exp", json!("soon")),
        ] {
            let error = with(name, value.clone()).unwrap_err();
            assert_eq!(error.code, "wrong_token", "{name} {value}");
            assert!(!error.to_string().contains("nina"));
        }
        for garbage in ["", "a.b", "a.b.c", "e30.e30.x", "e30.e30.e30.e30", "e30.bm8.x"] {
            assert!(check(garbage, &Tenant::Organizations, &[]).is_err(), "{garbage}");
        }
    }

    #[test]
    fn another_organisation_is_refused() {
        let good = token(&claims());
        let (own, other): (Guid, Guid) = (TENANT.parse().unwrap(), OTHER.parse().unwrap());
        assert!(check(&good, &Tenant::Id(own.clone()), &[]).is_ok());
        let refused = |tenant: &Tenant, allowed: &[Guid], token: &str| {
            assert_eq!(check(token, tenant, allowed).unwrap_err().code, "wrong_tenant");
        };
        refused(&Tenant::Id(other.clone()), &[], &good);
        assert!(check(&good, &Tenant::Organizations, std::slice::from_ref(&own)).is_ok());
        refused(&Tenant::Organizations, std::slice::from_ref(&other), &good);
        // By its domain: the document of the domain has told the id.
        assert!(check(&good, &Tenant::Domain("contoso.example".to_owned()), &[]).is_ok());
        let mut foreign = claims();
        foreign["tid"] = json!(OTHER);
        foreign["iss"] = json!(format!("https://login.microsoftonline.com/{OTHER}/v2.0"));
        assert!(check(&token(&foreign), &Tenant::Organizations, &[]).is_ok());
        refused(
            &Tenant::Domain("contoso.example".to_owned()),
            &[],
            &token(&foreign),
        );
    }
}
