//! The token endpoint: a code or a refresh token becomes an access token, a new refresh token, an id token.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token>

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, Call};
use super::error::Trouble;
use super::request::{Audience, unknown_client};
use super::scopes;
use super::state::{REFRESH_LIFE, SECOND, State};
use crate::faults::Kind;
use crate::pages::Form;

/// `/{tenant}/oauth2/v2.0/token`
pub(crate) fn answer(state: &mut State, call: &Call<'_>, segment: &str) -> Answer {
    let form = call.form();
    let operation = operation(&form);
    let user = owner(state, &form).map(|account| state.accounts[account].username.clone());
    if let Some(Kind::Throttle { ms }) =
        call.fault(operation, user.as_deref(), |k| matches!(k, Kind::Throttle { .. }))
    {
        let trouble = Trouble::new(
            "temporarily_unavailable",
            90_006,
            "The service is temporarily unavailable. Please retry later.",
        );
        let seconds = ms.div_ceil(1000).to_string();
        return Answer::json(503, &trouble.to_json(&call.ids)).header("retry-after", seconds);
    }
    match grant(state, call, segment, &form) {
        Ok(tokens) => Answer::json(200, &tokens),
        Err(trouble) => Answer::json(trouble.status, &trouble.to_json(&call.ids)),
    }
}

/// The name in rules and log: `refresh`, or `token` for everything else.
pub(crate) fn operation(form: &Form) -> &'static str {
    if form.get("grant_type") == Some("refresh_token") {
        "refresh"
    } else {
        "token"
    }
}

/// Whose code or refresh token a form holds.
pub(crate) fn owner(state: &State, form: &Form) -> Option<usize> {
    let code = form.get("code").and_then(|code| state.codes.get(code));
    code.map(|code| code.account)
        .or_else(|| state.owner(form.get("refresh_token")?))
}

fn grant(state: &mut State, call: &Call<'_>, segment: &str, form: &Form) -> Result<Value, Trouble> {
    let audience = Audience::of(state, segment)?;
    let kind = form
        .get("grant_type")
        .ok_or_else(|| Trouble::without("grant_type"))?;
    check_client(state, call, form)?;
    match kind {
        "authorization_code" => redeem(state, call, audience, form),
        "refresh_token" => refresh(state, call, audience, form),
        other => Err(Trouble::new(
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{other}'."),
        )),
    }
}

fn check_client(state: &State, call: &Call<'_>, form: &Form) -> Result<(), Trouble> {
    let basic = call.basic().and_then(|text| {
        let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let plain = |t: &str| {
            percent_encoding::percent_decode_str(&t.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        Some((plain(id), Some(plain(secret))))
    });
    let (id, secret) = match basic {
        Some(pair) => pair,
        None => (
            form.get("client_id")
                .ok_or_else(|| Trouble::without("client_id"))?
                .to_owned(),
            form.get("client_secret").map(str::to_owned),
        ),
    };
    if id != state.client_id {
        return Err(unknown_client(&id));
    }
    match secret.filter(|secret| !secret.is_empty()) {
        None => Err(Trouble::new(
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
        Some(secret) if secret != state.client_secret => Err(Trouble::new(
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{id}'."
            ),
        )),
        Some(_) if state.knobs.secret_expired => Err(Trouble::new(
            "invalid_client",
            7_000_222,
            format!("The provided client secret keys for app '{id}' are expired."),
        )),
        Some(_) => Ok(()),
    }
}

fn redeem(state: &mut State, call: &Call<'_>, audience: Audience, form: &Form) -> Result<Value, Trouble> {
    let text = form
        .get("code")
        .ok_or_else(|| Trouble::without("code"))?
        .to_owned();
    let redirect = form
        .get("redirect_uri")
        .ok_or_else(|| Trouble::without("redirect_uri"))?;
    let code = state
        .codes
        .get(&text)
        .cloned()
        .ok_or_else(|| Trouble::grant(9_002_313, "Invalid request. Request is malformed or invalid."))?;
    if code.used {
        return Err(Trouble::grant(
            54_005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
             refresh token.",
        ));
    }
    if call.now - code.at > state.knobs.code_life_s * SECOND {
        return Err(Trouble::grant(
            70_008,
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive \
             authorization request for this user and resource.",
        ));
    }
    if !audience.takes(state.accounts[code.account].tenant) {
        return Err(Trouble::grant(
            700_005,
            "Provided Authorization Code is intended to use against other tenant, thus rejected.",
        ));
    }
    if redirect != code.ask.redirect_text {
        return Err(Trouble::new(
            "invalid_client",
            500_112,
            format!(
                "The reply address '{redirect}' does not match the reply address '{}' provided when requesting \
                 Authorization code.",
                code.ask.redirect_text
            ),
        ));
    }
    match (&code.ask.challenge, form.get("code_verifier")) {
        (None, _) => {}
        (Some(_), None) => {
            return Err(Trouble::grant(
                50_148,
                "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.",
            ));
        }
        (Some(challenge), Some(verifier)) => {
            let shown = if challenge.hashed {
                URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
            } else {
                verifier.to_owned()
            };
            if shown != challenge.text {
                return Err(Trouble::grant(
                    501_481,
                    "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
                ));
            }
            let (account, verifier) = (code.account, verifier.to_owned());
            state.note("verifier", account, &verifier, call.now);
        }
    }
    check_account(state, code.account, &code.ask.scopes, code.proof.as_deref())?;
    if let Some(code) = state.codes.get_mut(&text) {
        code.used = true;
    }
    state.counters.redeemed += 1;
    let scopes = asked(form, &code.ask.scopes)?;
    let nonce = code.ask.nonce.as_deref();
    tokens(
        state,
        call,
        code.account,
        &code.ask.scopes,
        &scopes,
        code.proof,
        nonce,
    )
}

fn refresh(state: &mut State, call: &Call<'_>, audience: Audience, form: &Form) -> Result<Value, Trouble> {
    let text = form
        .get("refresh_token")
        .ok_or_else(|| Trouble::without("refresh_token"))?;
    let old = state
        .refresh
        .get(text)
        .cloned()
        .ok_or_else(|| Trouble::grant(9_002_313, "Invalid request. Request is malformed or invalid."))?;
    let user = &state.accounts[old.account];
    if !audience.takes(user.tenant) {
        return Err(Trouble::grant(
            700_005,
            "Provided refresh token is intended to use against other tenant, thus rejected.",
        ));
    }
    if old.at <= user.valid_from {
        return Err(Trouble::grant(
            50_173,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have \
             changed or reset their password.",
        )
        .sub("bad_token"));
    }
    if call.now - old.at > REFRESH_LIFE {
        return Err(Trouble::grant(
            700_082,
            "The refresh token has expired due to inactivity. It was inactive for 90.00:00:00.",
        )
        .sub("bad_token"));
    }
    let scopes = asked(form, &old.scopes)?;
    check_account(state, old.account, &scopes, old.proof.as_deref())?;
    state.counters.refreshes += 1;
    tokens(state, call, old.account, &old.scopes, &scopes, old.proof, None)
}

/// The scopes of this request: those of the grant, or some of them.
fn asked(form: &Form, granted: &[String]) -> Result<Vec<String>, Trouble> {
    let Some(text) = form.get("scope").filter(|s| !s.trim().is_empty()) else {
        return Ok(granted.to_vec());
    };
    scopes::parse(text).map_err(|unknown| {
        Trouble::new(
            "invalid_scope",
            70_011,
            format!("The provided value for the input parameter 'scope' is not valid. The scope {unknown} is not valid."),
        )
    })
}

/// Whether the account can be given these now, whatever it could be given before.
fn check_account(
    state: &State,
    account: usize,
    scopes: &[String],
    proof: Option<&str>,
) -> Result<(), Trouble> {
    if state.accounts[account].blocked {
        return Err(Trouble::blocked());
    }
    if !state.has_consent(account, scopes) {
        // Here it is told under the general code.
        let mut trouble = Trouble::consent(&state.client_id).sub("consent_required");
        trouble.error = "invalid_grant";
        return Err(trouble);
    }
    if !state.meets(account, proof) {
        return Err(Trouble::more(state.knobs.demand_error, state.challenge(account)));
    }
    Ok(())
}

fn tokens(
    state: &mut State,
    call: &Call<'_>,
    account: usize,
    granted: &[String],
    scopes: &[String],
    proof: Option<String>,
    nonce: Option<&str>,
) -> Result<Value, Trouble> {
    let has = |scope: &str| scopes.iter().any(|s| s == scope);
    let life = state.knobs.token_life_s;
    let access = state.new_access(account, scopes, proof.clone(), life, call.now)?;
    let mut out = json!({
        "token_type": "Bearer",
        // What keeps the access is not told as a permission.
        "scope": scopes.iter().filter(|s| *s != "offline_access").map(String::as_str).collect::<Vec<_>>().join(" "),
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": access,
    });
    if has("offline_access") {
        out["refresh_token"] = json!(state.new_refresh(account, granted, proof, call.now));
    }
    if has("openid") {
        out["id_token"] = json!(state.new_id_token(account, scopes, nonce, call.origin(), call.now)?);
    }
    Ok(out)
}
