//! An administrator agrees for the whole organisation.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>

use std::fmt::Write as _;

use http::Method;
use url::Url;

use super::answer::{Answer, Call, with_query};
use super::error::Trouble;
use super::request::{Audience, registered, unknown_client};
use super::scopes;
use super::state::State;
use crate::pages::{Form, escape};

struct Wanted {
    redirect: Url,
    scopes: Vec<String>,
    state: String,
}

/// `/{tenant}/adminconsent` (everything that the application has registered) and `/{tenant}/v2.0/adminconsent` (what
/// `scope` names): one page with login and consent.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, segment: &str, by_scope: bool) -> Answer {
    let form = call.form();
    let (audience, wanted) = match (Audience::of(state, segment), read(state, &form, by_scope)) {
        (Ok(audience), Ok(wanted)) => (audience, wanted),
        (Err(trouble), _) | (_, Err(trouble)) => return Answer::trouble(&trouble, &call.ids),
    };
    let echo = ("state", wanted.state.as_str());
    let posted = call.parts.method == Method::POST;
    if posted && form.get("cancel").is_some() {
        return with_query(
            &wanted.redirect,
            &[
                ("error", "permission_denied"),
                ("error_description", "The admin canceled the request"),
                echo,
            ],
        );
    }
    let (Some(name), Some(password), true) = (form.get("loginfmt"), form.get("passwd"), posted) else {
        return page(segment, &form, &wanted, by_scope, None);
    };
    let found = state.find(name).filter(|account| {
        let user = &state.accounts[*account];
        user.password == password && !user.blocked && audience.takes(user.tenant)
    });
    let Some(account) = found else {
        state.counters.failed_logins += 1;
        let text = "Your account or password is incorrect.";
        return page(segment, &form, &wanted, by_scope, Some(text));
    };
    if !state.accounts[account].administrator {
        let text = "AADSTS90094: Only an administrator can grant this. Sign in with an admin account.";
        return page(segment, &form, &wanted, by_scope, Some(text));
    }
    state.counters.logins += 1;
    let tenant = &mut state.tenants[state.accounts[account].tenant];
    tenant.consented.extend(wanted.scopes.iter().cloned());
    // The address tells the directory; anybody can write such an address, so it proves nothing.
    with_query(
        &wanted.redirect,
        &[
            ("admin_consent", "True"),
            ("tenant", &tenant.id),
            echo,
            ("scope", &wanted.scopes.join(" ")),
        ],
    )
}

fn read(state: &State, form: &Form, by_scope: bool) -> Result<Wanted, Trouble> {
    let client = form
        .get("client_id")
        .ok_or_else(|| Trouble::without("client_id"))?;
    if client != state.client_id {
        return Err(unknown_client(client));
    }
    let redirect = form
        .get("redirect_uri")
        .ok_or_else(|| Trouble::without("redirect_uri"))?;
    let redirect = registered(redirect).ok_or_else(|| {
        Trouble::request(
            50_011,
            format!(
                "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for \
                 the application '{client}'."
            ),
        )
    })?;
    let scopes = if by_scope {
        let text = form.get("scope").ok_or_else(|| Trouble::without("scope"))?;
        scopes::parse(text).map_err(|unknown| {
            Trouble::new(
                "invalid_scope",
                70_011,
                format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope {unknown} is not valid."
                ),
            )
        })?
    } else {
        scopes::all()
    };
    Ok(Wanted {
        redirect,
        scopes,
        state: form.get("state").unwrap_or_default().to_owned(),
    })
}

fn page(segment: &str, form: &Form, wanted: &Wanted, by_scope: bool, error: Option<&str>) -> Answer {
    let mut content = String::new();
    if let Some(error) = error {
        let _ = write!(content, "<p id=\"error\" role=\"alert\">{}</p>", escape(error));
    }
    content.push_str("<p>Tandem would like to, for everybody in your organization:</p><ul id=\"scopes\">");
    for scope in &wanted.scopes {
        let _ = write!(content, "<li>{}</li>", escape(scopes::words(scope)));
    }
    let version = if by_scope { "v2.0/" } else { "" };
    let _ = write!(
        content,
        "</ul><form method=\"post\" action=\"/{}/{version}adminconsent\">",
        escape(segment)
    );
    for (name, value) in form.pairs().filter(|(n, _)| !matches!(*n, "loginfmt" | "passwd")) {
        let _ = write!(
            content,
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    content.push_str(
        "<label for=\"i0116\">Email</label>\
         <input id=\"i0116\" name=\"loginfmt\" type=\"email\" autocomplete=\"username\">\
         <label for=\"i0118\">Password</label>\
         <input id=\"i0118\" name=\"passwd\" type=\"password\" autocomplete=\"current-password\">\
         <button id=\"idSIButton9\" type=\"submit\">Accept</button>\
         <button id=\"idBtn_Back\" class=\"quiet\" type=\"submit\" name=\"cancel\" value=\"1\">Cancel</button></form>",
    );
    Answer::page(200, "Permissions requested", &content)
}
