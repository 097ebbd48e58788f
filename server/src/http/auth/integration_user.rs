//! The sign-in of an organisation's integration user: begun by an administrator, ended by whoever signs in in that window.

use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use tandem_app::text;
use tandem_crm::{Identity, TokenSet};
use tandem_store::FlowRow;
use tandem_sync::ports::StoreError;
use url::Url;

use super::callback::{Refused, discard};
use super::notice;
use crate::http::session::{By, Viewer};
use crate::http::{App, lang};
use crate::worker::fan_in;
use crate::{administrators, integration};

/// Where the organisation's administrators see it.
pub(super) const PAGE: &str = "/settings/organisation";

/// Whether the viewer may begin it. The bearer opens nothing of the organisation's.
pub(super) async fn administrator(app: &App, viewer: &Viewer) -> Result<bool, StoreError> {
    if viewer.by == By::Bearer {
        return Ok(false);
    }
    match app.store.connection_of(&viewer.session.user_id).await? {
        Some(row) => Ok(administrators::check(app, &row).await?.is_ok()),
        None => Ok(false),
    }
}

/// Ends the sign-in that the administrator `flow.user_id` began.
pub(super) async fn finish(
    app: &App,
    flow: &FlowRow,
    host: &Url,
    tokens: TokenSet,
    identity: &Identity,
) -> Result<Response, Refused> {
    let by = flow.user_id.as_ref().ok_or_else(Refused::expired)?;
    let row = app.store.connection_of(by).await?.ok_or_else(Refused::expired)?;
    if identity.org_id != row.org_id {
        discard(app, host, &tokens).await;
        let said = lang::say(|| text::integration_of_another_organisation(&identity.username));
        return Ok(notice::said(app, StatusCode::FORBIDDEN, &said));
    }
    // A sign-in may take longer than a right lasts.
    if administrators::check(app, &row).await?.is_err() || tokens.refresh.is_none() {
        discard(app, host, &tokens).await;
        return Ok(Redirect::to(PAGE).into_response());
    }
    integration::connect(app, by, host, tokens, identity).await?;
    // So that the page says at once whether it sees what it must.
    fan_in::first(app, &row.org_id).await;
    app.hub.changed(&row.id);
    Ok(Redirect::to(PAGE).into_response())
}
