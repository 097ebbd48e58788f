//! Two directories, their accounts, and everything that was issued.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore as _;
use serde_json::{Map, Value, json};

use super::bearer::{Granted, Refused};
use super::error::Trouble;
use super::jwt::Signer;
use super::request::Ask;
use super::scopes;
use crate::company::{Company, rng};

pub(crate) const SECOND: i64 = 1_000_000;
/// A refresh token that is so old is over, used or not: each use brings a new one.
pub(crate) const REFRESH_LIFE: i64 = 90 * 24 * 60 * 60 * SECOND;

/// A directory of an organisation.
pub(crate) struct Tenant {
    /// A GUID.
    pub(crate) id: String,
    pub(crate) domain: String,
    /// What an administrator has agreed to for everybody.
    pub(crate) consented: BTreeSet<String>,
}

/// Somebody who can sign in.
#[derive(Clone)]
pub(crate) struct Account {
    /// A GUID.
    pub(crate) object_id: String,
    /// The user principal name: what is typed into the login page.
    pub(crate) username: String,
    /// The mail address; it need not be the user name.
    pub(crate) mail: String,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) tenant: usize,
    pub(crate) administrator: bool,
    pub(crate) blocked: bool,
    /// The conditional-access policy that a session must have met.
    pub(crate) demand: Option<String>,
    /// What was issued before is no good, in microseconds.
    pub(crate) valid_from: i64,
    /// What the user has agreed to.
    pub(crate) consented: BTreeSet<String>,
}

/// The application's and the organisations' settings.
#[derive(Clone)]
pub(crate) struct Knobs {
    /// Users cannot agree to anything by themselves.
    pub(crate) admin_consent: bool,
    /// A code challenge must be there, by S256. Microsoft leaves both to the client.
    pub(crate) require_s256: bool,
    pub(crate) token_life_s: i64,
    pub(crate) code_life_s: i64,
    pub(crate) secret_expired: bool,
    /// How a conditional-access policy is told: `interaction_required` or `invalid_grant`, as confidential clients have
    /// seen both.
    pub(crate) demand_error: &'static str,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            admin_consent: false,
            require_s256: true,
            token_life_s: 4500,
            code_life_s: 600,
            secret_expired: false,
            demand_error: "interaction_required",
        }
    }
}

/// A sign-in that a browser is in the middle of.
#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) ask: Ask,
    pub(crate) account: Option<usize>,
    /// The second factor was shown.
    pub(crate) verified: bool,
    /// The consent page was answered.
    pub(crate) agreed: bool,
}

/// A code that waits to be redeemed.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) ask: Ask,
    pub(crate) account: usize,
    pub(crate) proof: Option<String>,
    pub(crate) at: i64,
    pub(crate) used: bool,
}

#[derive(Clone)]
struct Access {
    account: usize,
    scopes: Vec<String>,
    proof: Option<String>,
    until: i64,
    ended: bool,
}

#[derive(Clone)]
pub(crate) struct Refresh {
    pub(crate) account: usize,
    pub(crate) scopes: Vec<String>,
    /// The policy that the sign-in met.
    pub(crate) proof: Option<String>,
    pub(crate) at: i64,
}

/// One secret that has left this service, for tests that look for it where it must not be.
#[derive(Clone)]
pub(crate) struct Issued {
    /// `code`, `verifier`, `access_token`, `refresh_token`, `id_token` or `session`.
    pub(crate) kind: &'static str,
    pub(crate) account: usize,
    pub(crate) value: String,
    pub(crate) at: i64,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) logins: u64,
    pub(crate) failed_logins: u64,
    pub(crate) redeemed: u64,
    pub(crate) refreshes: u64,
}

pub(crate) struct State {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) accounts: Vec<Account>,
    /// The application's id, a GUID.
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) knobs: Knobs,
    pub(crate) flows: BTreeMap<String, Flow>,
    /// The accounts that a browser is signed in with, by its cookie.
    pub(crate) browsers: BTreeMap<String, Vec<usize>>,
    pub(crate) codes: BTreeMap<String, Code>,
    access: BTreeMap<String, Access>,
    pub(crate) refresh: BTreeMap<String, Refresh>,
    pub(crate) issued: Vec<Issued>,
    /// Claims that the next id token has instead of the true ones; null takes one away.
    pub(crate) forged: Option<Map<String, Value>>,
    pub(crate) counters: Counters,
    pub(crate) signer: Signer,
    rng: ChaCha8Rng,
}

/// The position of the directory's administrator behind the staff, and of the stranger.
pub(crate) const ADMINISTRATOR: usize = 1;
pub(crate) const STRANGER: usize = 0;

impl State {
    pub(crate) fn new(company: &Company, seed: u64) -> anyhow::Result<Self> {
        let mut rng = rng(seed, "microsoft", &[]);
        let tenant = |domain: &str, rng: &mut ChaCha8Rng| Tenant {
            id: guid(rng),
            domain: domain.to_owned(),
            consented: BTreeSet::new(),
        };
        let tenants = vec![
            tenant(&company.domain, &mut rng),
            tenant("fabrikam.example", &mut rng),
        ];
        let account =
            |name: String, address: String, password: String, tenant, rng: &mut ChaCha8Rng| Account {
                object_id: guid(rng),
                username: address.clone(),
                mail: address,
                name,
                password,
                tenant,
                administrator: false,
                blocked: false,
                demand: None,
                valid_from: 0,
                consented: BTreeSet::new(),
            };
        let mut accounts: Vec<Account> = company
            .users
            .iter()
            .map(|u| {
                account(
                    u.name(),
                    u.address.clone(),
                    u.exchange_password.clone(),
                    0,
                    &mut rng,
                )
            })
            .collect();
        let mut administrator = account(
            "Alba Root".to_owned(),
            format!("admin@{}", company.domain),
            "Directory-Admin-1".to_owned(),
            0,
            &mut rng,
        );
        administrator.administrator = true;
        accounts.push(administrator);
        accounts.push(account(
            "Paula Frei".to_owned(),
            "paula.frei@fabrikam.example".to_owned(),
            "Fabrikam-Pass-1".to_owned(),
            1,
            &mut rng,
        ));
        let client_id = guid(&mut rng);
        let client_secret = format!(
            "{:04x}8Q~{:016x}{:016x}",
            rng.next_u32() & 0xffff,
            rng.next_u64(),
            rng.next_u64()
        );
        Ok(Self {
            tenants,
            accounts,
            client_id,
            client_secret,
            knobs: Knobs::default(),
            flows: BTreeMap::new(),
            browsers: BTreeMap::new(),
            codes: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            issued: Vec::new(),
            forged: None,
            counters: Counters::default(),
            signer: Signer::new()?,
            rng,
        })
    }

    /// Unguessable text for codes and the like.
    pub(crate) fn random(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length)
            .map(|_| char::from(ALPHABET[usize::try_from(self.rng.next_u32() % 64).unwrap_or_default()]))
            .collect()
    }

    pub(crate) fn guid(&mut self) -> String {
        guid(&mut self.rng)
    }

    pub(crate) fn tenant_of(&self, account: usize) -> &Tenant {
        &self.tenants[self.accounts[account].tenant]
    }

    /// By user name or mail address.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let is = |text: &str| text.eq_ignore_ascii_case(name.trim());
        self.accounts
            .iter()
            .position(|a| is(&a.username))
            .or_else(|| self.accounts.iter().position(|a| is(&a.mail)))
    }

    /// Keeps the value for the list of everything issued.
    pub(crate) fn note(&mut self, kind: &'static str, account: usize, value: &str, at: i64) {
        self.issued.push(Issued {
            kind,
            account,
            value: value.to_owned(),
            at,
        });
    }

    /// Whether nobody has to be asked for these any more.
    pub(crate) fn has_consent(&self, account: usize, scopes: &[String]) -> bool {
        let user = &self.accounts[account];
        let all = &self.tenants[user.tenant].consented;
        scopes
            .iter()
            .all(|s| user.consented.contains(s) || all.contains(s))
    }

    /// Whether the account meets the policy that stands now.
    pub(crate) fn meets(&self, account: usize, proof: Option<&str>) -> bool {
        self.accounts[account]
            .demand
            .as_deref()
            .is_none_or(|demand| proof == Some(demand))
    }

    /// What a challenge asks for, as JSON text.
    pub(crate) fn challenge(&self, account: usize) -> String {
        let policy = self.accounts[account].demand.as_deref().unwrap_or_default();
        json!({ "access_token": { "capolids": { "essential": true, "values": [policy] } } }).to_string()
    }

    /// An access token for Graph, a JSON Web Token although no client may look into it.
    pub(crate) fn new_access(
        &mut self,
        account: usize,
        scopes: &[String],
        proof: Option<String>,
        life_s: i64,
        now: i64,
    ) -> Result<String, Trouble> {
        let scopes: Vec<String> = scopes.iter().filter(|s| !scopes::is_openid(s)).cloned().collect();
        let unique = self.random(22);
        let (user, tenant) = (&self.accounts[account], self.tenant_of(account));
        let seconds = now.div_euclid(SECOND);
        let claims = json!({
            "aud": "00000003-0000-0000-c000-000000000000",
            "iss": format!("https://sts.windows.net/{}/", tenant.id),
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + life_s,
            "appid": self.client_id,
            "name": user.name,
            "oid": user.object_id,
            "scp": scopes.join(" "),
            "tid": tenant.id,
            "upn": user.username,
            "uti": unique,
            "ver": "1.0",
        });
        let token = self.signed(&claims)?;
        let until = now + life_s * SECOND;
        self.access.insert(
            token.clone(),
            Access {
                account,
                scopes,
                proof,
                until,
                ended: false,
            },
        );
        self.note("access_token", account, &token, now);
        Ok(token)
    }

    /// A refresh token. The ones before it stay good.
    pub(crate) fn new_refresh(
        &mut self,
        account: usize,
        scopes: &[String],
        proof: Option<String>,
        now: i64,
    ) -> String {
        let token = format!("1.AUoA{}", self.random(120));
        self.refresh.insert(
            token.clone(),
            Refresh {
                account,
                scopes: scopes.to_vec(),
                proof,
                at: now,
            },
        );
        self.note("refresh_token", account, &token, now);
        token
    }

    /// An id token, or what the control API wants in its place.
    pub(crate) fn new_id_token(
        &mut self,
        account: usize,
        scopes: &[String],
        nonce: Option<&str>,
        origin: &str,
        now: i64,
    ) -> Result<String, Trouble> {
        let has = |scope: &str| scopes.iter().any(|s| s == scope);
        let subject = self.random(43);
        let (user, tenant) = (&self.accounts[account], self.tenant_of(account));
        let seconds = now.div_euclid(SECOND);
        let mut claims = json!({
            "aud": self.client_id,
            "iss": format!("{origin}/{}/v2.0", tenant.id),
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + 3600,
            "sub": subject,
            "tid": tenant.id,
            "ver": "2.0",
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if has("profile") {
            claims["name"] = json!(user.name);
            claims["oid"] = json!(user.object_id);
            claims["preferred_username"] = json!(user.username);
        }
        if has("email") {
            claims["email"] = json!(user.mail);
        }
        for (name, value) in self.forged.take().unwrap_or_default() {
            match (name.as_str(), value) {
                ("id_token", Value::String(whole)) => return Ok(whole),
                (name, Value::Null) => {
                    claims.as_object_mut().map(|c| c.remove(name));
                }
                (name, value) => claims[name] = value,
            }
        }
        let token = self.signed(&claims)?;
        self.note("id_token", account, &token, now);
        Ok(token)
    }

    fn signed(&self, claims: &Value) -> Result<String, Trouble> {
        self.signer.sign(claims).map_err(|error| {
            tracing::error!(%error, "no token");
            Trouble::new(
                "server_error",
                90_033,
                "A transient error has occurred. Please try again.",
            )
            .status(500)
        })
    }

    /// Whose token it is, good or not.
    pub(crate) fn owner(&self, token: &str) -> Option<usize> {
        let access = self.access.get(token).map(|t| t.account);
        access.or_else(|| self.refresh.get(token).map(|t| t.account))
    }

    pub(crate) fn bearer(&self, token: &str, now: i64) -> Result<Granted, Refused> {
        let token = self.access.get(token).ok_or(Refused::Unknown)?;
        let user = &self.accounts[token.account];
        if token.ended || user.blocked {
            return Err(Refused::Revoked);
        }
        if now >= token.until {
            return Err(Refused::Expired);
        }
        if !self.meets(token.account, token.proof.as_deref()) {
            return Err(Refused::Claims(self.challenge(token.account)));
        }
        Ok(Granted {
            address: user.mail.clone(),
            username: user.username.clone(),
            object_id: user.object_id.clone(),
            name: user.name.clone(),
            scopes: token.scopes.clone(),
            tenant: self.tenants[user.tenant].id.clone(),
        })
    }

    /// Ends the access tokens; what refreshes them stays.
    pub(crate) fn expire_access(&mut self, account: usize) -> usize {
        let live = self
            .access
            .values_mut()
            .filter(|t| t.account == account && !t.ended);
        live.map(|t| t.ended = true).count()
    }

    /// Ends everything that was issued so far, in every browser too.
    pub(crate) fn revoke_all(&mut self, account: usize, now: i64) -> usize {
        let grants = self.grants_of(account).count();
        self.accounts[account].valid_from = now;
        self.expire_access(account);
        self.codes.retain(|_, c| c.account != account);
        for accounts in self.browsers.values_mut() {
            accounts.retain(|a| *a != account);
        }
        grants
    }

    /// The refresh tokens that are not revoked.
    pub(crate) fn grants_of(&self, account: usize) -> impl Iterator<Item = &Refresh> {
        let from = self.accounts[account].valid_from;
        self.refresh
            .values()
            .filter(move |r| r.account == account && r.at > from)
    }
}

fn guid(rng: &mut ChaCha8Rng) -> String {
    let (high, low) = (rng.next_u64(), rng.next_u64());
    // Version 4, variant 1 (RFC 9562).
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
