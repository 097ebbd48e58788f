//! The pages: which account, its password, a second factor, consent; in the end a code.

use std::fmt::Write as _;

use url::Url;

use super::answer::{Answer, Call, with_query};
use super::error::{Ids, Trouble};
use super::request::{Ask, Prompt, Wrong};
use super::scopes;
use super::state::{Code, Flow, State};
use crate::faults::Kind;
use crate::pages::{Form, escape};

fn back(redirect: &Url, state: Option<&str>, trouble: &Trouble, ids: &Ids) -> Answer {
    with_query(
        redirect,
        &[
            ("error", trouble.error),
            ("error_description", &trouble.description(ids)),
            ("error_subcode", trouble.suberror.unwrap_or_default()),
            (
                "error_uri",
                &format!("{}/error?code={}", ids.origin, trouble.number),
            ),
            ("claims", trouble.claims.as_deref().unwrap_or_default()),
            ("state", state.unwrap_or_default()),
        ],
    )
}

fn back_to(ask: &Ask, trouble: &Trouble, ids: &Ids) -> Answer {
    back(&ask.redirect, ask.state.as_deref(), trouble, ids)
}

/// `/{tenant}/oauth2/v2.0/authorize`
pub(crate) fn authorize(state: &mut State, call: &Call<'_>, segment: &str) -> Answer {
    let ask = match Ask::read(state, segment, &call.form()) {
        Ok(ask) => ask,
        Err(Wrong::Page(trouble)) => return Answer::trouble(&trouble, &call.ids),
        Err(Wrong::Back(to)) => return back(&to.redirect, to.state.as_deref(), &to.trouble, &call.ids),
    };
    let known: Vec<usize> = call
        .session()
        .and_then(|session| state.browsers.get(session))
        .into_iter()
        .flatten()
        .copied()
        .filter(|a| !state.accounts[*a].blocked)
        .collect();
    let hinted = ask.login_hint.as_deref();
    let account = match (hinted, known.as_slice()) {
        // The hint chooses among the accounts of the browser; it binds nobody to it.
        (Some(hint), known) => known.iter().copied().find(|a| {
            let account = &state.accounts[*a];
            [&account.username, &account.mail]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(hint))
        }),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let ambiguous = hinted.is_none() && known.len() > 1;
    let prompt = ask.prompt;
    let mut flow = Flow {
        ask,
        account,
        verified: false,
        agreed: false,
    };
    match prompt {
        Prompt::None if account.is_none() => {
            let trouble = if ambiguous {
                Trouble::new(
                    "interaction_required",
                    16_000,
                    "Either multiple user identities are available for the current request or selected account is not \
                     supported for the scenario.",
                )
            } else {
                Trouble::new(
                    "login_required",
                    50_058,
                    "A silent sign-in request was sent but no user is signed in.",
                )
            };
            back_to(&flow.ask, &trouble, &call.ids)
        }
        Prompt::Login => {
            flow.account = None;
            let context = keep(state, flow);
            login_page(state, &context, None, None)
        }
        Prompt::SelectAccount if !known.is_empty() => pick(state, flow, &known),
        Prompt::AsNeeded | Prompt::Consent if ambiguous => pick(state, flow, &known),
        _ => {
            let context = keep(state, flow);
            go_on(state, call, &context)
        }
    }
}

fn keep(state: &mut State, flow: Flow) -> String {
    let context = state.random(60);
    state.flows.insert(context.clone(), flow);
    context
}

/// The next page of a sign-in, or its end.
fn go_on(state: &mut State, call: &Call<'_>, context: &str) -> Answer {
    let Some(flow) = state.flows.get(context).cloned() else {
        return lost(call);
    };
    let ask = &flow.ask;
    let silent = ask.prompt == Prompt::None;
    let Some(account) = flow.account else {
        return login_page(state, context, None, None);
    };
    let user = &state.accounts[account];
    if user.blocked {
        return login_page(state, context, Some(BLOCKED), Some(&user.username));
    }
    if !ask.audience.takes(user.tenant) {
        let trouble = Trouble::request(
            50_020,
            format!(
                "User account '{}' from identity provider 'https://sts.windows.net/{}/' does not exist in tenant '{}' \
                 and cannot access the application '{}'(Tandem) in that tenant. The account needs to be added as an \
                 external user in the tenant first. Sign out and sign in again with a different Microsoft Entra user \
                 account.",
                user.username, state.tenants[user.tenant].id, ask.segment, state.client_id
            ),
        );
        return Answer::trouble(&trouble, &call.ids);
    }
    let challenged = user.demand.is_some() && ask.proof() == user.demand.as_deref();
    if challenged && !flow.verified {
        if silent {
            let trouble = Trouble::more("interaction_required", state.challenge(account));
            return back_to(ask, &trouble, &call.ids);
        }
        return verify_page(state, context, account);
    }
    let missing = !state.has_consent(account, &ask.scopes);
    if missing || (ask.prompt == Prompt::Consent && !flow.agreed) {
        if silent {
            return back_to(ask, &Trouble::consent(&state.client_id), &call.ids);
        }
        let reserved = state.knobs.admin_consent || ask.scopes.iter().any(|s| scopes::needs_administrator(s));
        if missing && reserved && !user.administrator {
            return approval_page(state, context, account);
        }
        return consent_page(state, context, account);
    }
    state.flows.remove(context);
    let proof = user.demand.clone().filter(|_| challenged);
    let code = format!("1.AUoA{}", state.random(180));
    state.codes.insert(
        code.clone(),
        Code {
            ask: flow.ask.clone(),
            account,
            proof,
            at: call.now,
            used: false,
        },
    );
    state.note("code", account, &code, call.now);
    let session = state.guid();
    with_query(
        &ask.redirect,
        &[
            ("code", &code),
            ("state", ask.state.as_deref().unwrap_or_default()),
            ("session_state", &session),
        ],
    )
}

const BLOCKED: &str =
    "Your account has been locked. Contact your support person to unlock it, then try again.";

fn lost(call: &Call<'_>) -> Answer {
    let trouble = Trouble::request(
        90_014,
        "The required field 'ctx' is missing from the credential, or the sign-in is over.",
    );
    Answer::trouble(&trouble, &call.ids)
}

/// `/{tenant}/login`: an account of the browser, or name and password.
pub(crate) fn login(state: &mut State, call: &Call<'_>) -> Answer {
    let form = call.form();
    let context = form.get("ctx").unwrap_or_default().to_owned();
    if !state.flows.contains_key(&context) {
        return lost(call);
    }
    if form.get("other").is_some() {
        return login_page(state, &context, None, None);
    }
    if let Some(name) = form.get("account") {
        let known = call.session().and_then(|session| state.browsers.get(session));
        let chosen = state
            .find(name)
            .filter(|account| known.is_some_and(|known| known.contains(account)));
        return match chosen {
            Some(account) => step(state, call, &context, |flow| flow.account = Some(account)),
            None => login_page(state, &context, None, Some(name)),
        };
    }
    let name = form.get("loginfmt").unwrap_or_default().trim().to_owned();
    let password = form.get("passwd").unwrap_or_default();
    let fail = |state: &mut State, text: &str| {
        state.counters.failed_logins += 1;
        login_page(state, &context, Some(text), Some(&name))
    };
    let Some(account) = state.find(&name) else {
        return fail(
            state,
            "This username may be incorrect. Make sure you typed it correctly. Otherwise, contact your admin.",
        );
    };
    let user = &state.accounts[account];
    let refused = call
        .fault("login", Some(&user.username), |k| *k == Kind::CredentialsWrong)
        .is_some();
    if user.password != password || refused {
        return fail(
            state,
            "Your account or password is incorrect. If you don't remember your password, reset it now.",
        );
    }
    if user.blocked {
        return fail(state, BLOCKED);
    }
    state.counters.logins += 1;
    let session = match call.session() {
        Some(session) if state.browsers.contains_key(session) => session.to_owned(),
        _ => {
            let session = state.random(64);
            state.note("session", account, &session, call.now);
            session
        }
    };
    let accounts = state.browsers.entry(session.clone()).or_default();
    if !accounts.contains(&account) {
        accounts.push(account);
    }
    step(state, call, &context, |flow| flow.account = Some(account)).signed_in(&session)
}

fn step(state: &mut State, call: &Call<'_>, context: &str, change: impl FnOnce(&mut Flow)) -> Answer {
    if let Some(flow) = state.flows.get_mut(context) {
        change(flow);
    }
    go_on(state, call, context)
}

/// The account of a sign-in, which this browser has proved.
fn proved(state: &State, call: &Call<'_>, form: &Form) -> Option<(String, Flow, usize)> {
    let context = form.get("ctx")?.to_owned();
    let flow = state.flows.get(&context)?.clone();
    let account = flow.account?;
    let known = state.browsers.get(call.session()?)?;
    known.contains(&account).then_some((context, flow, account))
}

/// `/{tenant}/SAS/ProcessAuth`: the second factor.
pub(crate) fn verify(state: &mut State, call: &Call<'_>) -> Answer {
    match proved(state, call, &call.form()) {
        Some((context, ..)) => step(state, call, &context, |flow| flow.verified = true),
        None => lost(call),
    }
}

/// `/{tenant}/Consent/Set`
pub(crate) fn consent(state: &mut State, call: &Call<'_>) -> Answer {
    let form = call.form();
    let Some((context, flow, account)) = proved(state, call, &form) else {
        return lost(call);
    };
    match form.get("ucaccept") {
        Some("Yes") => {
            let user = &state.accounts[account];
            let reserved =
                state.knobs.admin_consent || flow.ask.scopes.iter().any(|s| scopes::needs_administrator(s));
            if reserved && !user.administrator && !state.has_consent(account, &flow.ask.scopes) {
                return approval_page(state, &context, account);
            }
            let (tenant, everybody) = (user.tenant, user.administrator && form.get("everybody").is_some());
            let agreed = if everybody {
                &mut state.tenants[tenant].consented
            } else {
                &mut state.accounts[account].consented
            };
            agreed.extend(flow.ask.scopes.iter().cloned());
            step(state, call, &context, |flow| flow.agreed = true)
        }
        Some("Other") => {
            state
                .flows
                .entry(context.clone())
                .and_modify(|flow| flow.account = None);
            login_page(state, &context, None, None)
        }
        Some("Return") => {
            state.flows.remove(&context);
            let trouble = Trouble::new(
                "consent_required",
                90_094,
                "The grant requires admin permission: an administrator of the organization must consent to the \
                 application.",
            );
            back_to(&flow.ask, &trouble, &call.ids)
        }
        _ => {
            state.flows.remove(&context);
            let trouble = Trouble::new(
                "access_denied",
                65_004,
                "User declined to consent to access the app.",
            )
            .sub("cancel");
            back_to(&flow.ask, &trouble, &call.ids)
        }
    }
}

/// The start of a form that goes on with a sign-in.
fn form_of(state: &State, context: &str, path: &str) -> String {
    let segment = state
        .flows
        .get(context)
        .map_or("organizations", |flow| flow.ask.segment.as_str());
    format!(
        "<form method=\"post\" action=\"/{}/{path}\"><input type=\"hidden\" name=\"ctx\" value=\"{}\">",
        escape(segment),
        escape(context)
    )
}

fn login_page(state: &State, context: &str, error: Option<&str>, name: Option<&str>) -> Answer {
    let mut content = String::new();
    if let Some(error) = error {
        let _ = write!(content, "<p id=\"error\" role=\"alert\">{}</p>", escape(error));
    }
    let hint = state
        .flows
        .get(context)
        .and_then(|flow| flow.ask.login_hint.as_deref());
    let _ = write!(
        content,
        "{}<label for=\"i0116\">Email</label>\
         <input id=\"i0116\" name=\"loginfmt\" type=\"email\" autocomplete=\"username\" value=\"{}\">\
         <label for=\"i0118\">Password</label>\
         <input id=\"i0118\" name=\"passwd\" type=\"password\" autocomplete=\"current-password\">\
         <button id=\"idSIButton9\" type=\"submit\">Sign in</button></form>",
        form_of(state, context, "login"),
        escape(name.or(hint).unwrap_or_default())
    );
    Answer::page(200, "Sign in", &content)
}

fn pick(state: &mut State, flow: Flow, known: &[usize]) -> Answer {
    let context = keep(state, flow);
    let mut content = form_of(state, &context, "login");
    for account in known {
        let user = &state.accounts[*account];
        let name = escape(&user.username);
        let _ = write!(
            content,
            "<button class=\"quiet\" type=\"submit\" name=\"account\" value=\"{name}\">{} ({name})</button>",
            escape(&user.name)
        );
    }
    content.push_str(
        "<button id=\"otherTile\" class=\"quiet\" type=\"submit\" name=\"other\" value=\"1\">Use another account\
         </button></form>",
    );
    Answer::page(200, "Pick an account", &content)
}

fn who(state: &State, account: usize) -> String {
    format!(
        "<p id=\"displayName\">{}</p>",
        escape(&state.accounts[account].username)
    )
}

fn verify_page(state: &State, context: &str, account: usize) -> Answer {
    let content = format!(
        "{}<p>Your organization needs more information to keep your account secure.</p>{}\
         <button id=\"idSubmit_SAOTCC_Continue\" type=\"submit\">Verify</button></form>",
        who(state, account),
        form_of(state, context, "SAS/ProcessAuth")
    );
    Answer::page(200, "Approve sign in request", &content)
}

fn consent_page(state: &State, context: &str, account: usize) -> Answer {
    let mut content = who(state, account);
    content.push_str("<p>Tandem would like to:</p><ul id=\"scopes\">");
    let asked = state.flows.get(context).map(|flow| flow.ask.scopes.clone());
    for scope in asked.unwrap_or_default() {
        let _ = write!(content, "<li>{}</li>", escape(scopes::words(&scope)));
    }
    content.push_str("</ul>");
    content.push_str(&form_of(state, context, "Consent/Set"));
    if state.accounts[account].administrator {
        content.push_str(
            "<label for=\"everybody\"><input id=\"everybody\" name=\"everybody\" type=\"checkbox\" value=\"1\">Consent \
             on behalf of your organization</label>",
        );
    }
    content.push_str(
        "<button id=\"idSIButton9\" type=\"submit\" name=\"ucaccept\" value=\"Yes\">Accept</button>\
         <button id=\"idBtn_Back\" class=\"quiet\" type=\"submit\" name=\"ucaccept\" value=\"No\">Cancel</button></form>",
    );
    Answer::page(200, "Permissions requested", &content)
}

fn approval_page(state: &State, context: &str, account: usize) -> Answer {
    let content = format!(
        "{}<p>Tandem needs permission to access resources in your organization that only an admin can grant. Please ask \
         an admin to grant permission to this app before you can use it.</p>{}\
         <button id=\"adminSignIn\" class=\"quiet\" type=\"submit\" name=\"ucaccept\" value=\"Other\">Have an admin \
         account? Sign in with that account</button>\
         <button id=\"returnToApp\" class=\"quiet\" type=\"submit\" name=\"ucaccept\" value=\"Return\">Return to the \
         application without granting consent</button></form>",
        who(state, account),
        form_of(state, context, "Consent/Set")
    );
    Answer::page(200, "Need admin approval", &content)
}

/// `/{tenant}/oauth2/v2.0/logout`: the browser forgets its accounts; grants stay.
pub(crate) fn logout(state: &mut State, call: &Call<'_>) -> Answer {
    if let Some(session) = call.session() {
        state.browsers.remove(session);
    }
    let form = call.form();
    match form
        .get("post_logout_redirect_uri")
        .and_then(super::request::registered)
    {
        Some(to) => with_query(&to, &[("state", form.get("state").unwrap_or_default())]),
        None => Answer::page(200, "You signed out of your account", ""),
    }
}
