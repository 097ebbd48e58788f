//! A new grant for the connected Salesforce account, or another account in its place.

use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use tandem_app::text;
use tandem_crm::{Identity, TokenSet};
use tandem_store::{FlowRow, Provider, WebSessionNew};
use tandem_sync::ports::StoreError;
use tandem_types::UserId;
use url::Url;

use super::callback::{Refused, discard, keep_grant, note_user};
use super::goal::Goal;
use super::notice;
use crate::http::{App, lang, session};

/// Ends a sign-in that the setup page began for the account `flow.user_id`.
pub(super) async fn finish(
    app: &App,
    flow: &FlowRow,
    goal: Goal,
    host: &Url,
    tokens: TokenSet,
    identity: &Identity,
) -> Result<Response, Refused> {
    let before = flow.user_id.as_ref().ok_or_else(Refused::expired)?;
    if identity.user_id != *before {
        if goal == Goal::Change {
            return change(app, before, host, tokens, identity).await;
        }
        discard(app, host, &tokens).await;
        let was = app.store.user(before).await?;
        let was = was.map_or_else(|| before.to_string(), |user| user.username);
        let said = lang::say(|| text::other_salesforce_user(&was, &identity.username));
        return Ok(notice::said(app, StatusCode::FORBIDDEN, &said));
    }
    let connection = note_user(app, identity).await?;
    keep_grant(app, &connection, host, tokens, identity).await?;
    Ok(Redirect::to("/setup").into_response())
}

/// The mailbox goes over to the other account's own connection. The links of the one before stay with it, and are found
/// again when somebody changes back.
async fn change(
    app: &App,
    before: &UserId,
    host: &Url,
    tokens: TokenSet,
    identity: &Identity,
) -> Result<Response, Refused> {
    let old = app.store.connection_of(before).await?;
    let connection = note_user(app, identity).await?;
    keep_grant(app, &connection, host, tokens, identity).await?;
    if let Some(old) = old {
        let grant = app.store.grant(&old.id, Provider::Salesforce).await?;
        match app
            .store
            .move_mailbox(&old.id, &connection, app.clock.now())
            .await
        {
            Ok(Some(_)) => {
                if let Some((grant, _)) = grant
                    && let Err(fault) = app.salesforce.revoke(&app.net, host, &grant.refresh_token).await
                {
                    tracing::warn!(connection = %old.id, %fault, "the grant was shredded here, but not revoked there");
                }
                app.hub.wake_worker();
            }
            Ok(None) => {}
            Err(StoreError::Taken(_)) => {
                let said = lang::say(|| text::salesforce_user_has_a_mailbox(&identity.username));
                return Ok(notice::said(app, StatusCode::CONFLICT, &said));
            }
            Err(error) => return Err(error.into()),
        }
        let now = app.clock.now();
        app.store
            .audit(
                &old.org_id,
                before,
                "salesforce_changed",
                identity.user_id.as_str(),
                now,
            )
            .await?;
        app.hub.changed(&old.id);
    }
    app.hub.changed(&connection);
    enter(app, identity).await
}

/// A session for this browser's own page; no pane in a frame is concerned.
pub(super) async fn enter(app: &App, identity: &Identity) -> Result<Response, Refused> {
    let now = app.clock.now();
    let (token, token_hash) = session::new_token(app);
    let new = WebSessionNew {
        token_hash,
        user_id: identity.user_id.clone(),
        org_id: identity.org_id.clone(),
        expires: now.plus_seconds(session::SESSION_SECONDS),
    };
    app.store.create_web_session(&new, now).await?;
    let mut response = Redirect::to("/setup").into_response();
    response
        .headers_mut()
        .insert(SET_COOKIE, session::set_cookie(&token));
    Ok(response)
}
