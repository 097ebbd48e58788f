//! `GET /settings/organisation.csv`: the rows of the organisation's page, for administrators.
//!
//! [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), in UTF-8. It is written while it is read: 50,000 rows are never
//! in memory at once.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use tandem_app::text::{self, Lang, organisation as words};
use tandem_app::{Part, Place};
use tandem_store::{Standing, StandingPick};
use tandem_sync::ports::StoreError;
use tandem_types::{OrgId, OrgUser, Timestamp, UserId};

use super::App;
use super::session::{By, MaybeViewer};
use crate::{administrators, organisation, standing};

/// Rows that are read at once.
const PIECE: u32 = 500;

pub(crate) async fn get(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    request: Request,
) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let place = Place::parse("organisation", uri.query());
    let lang = tandem_app::language(uri.query(), headers);
    let denied = || Redirect::to(&Place::of(Part::Organisation).url()).into_response();
    // Only the page's own session opens this; whoever may not is told why by the page.
    let Some(viewer) = viewer.filter(|viewer| viewer.by == By::Cookie) else {
        return denied();
    };
    let export = match begin(&app, &viewer.session.user_id, place, lang).await {
        Ok(Some(export)) => export,
        Ok(None) => return denied(),
        Err(error) => {
            tracing::error!(%error, "an export was not begun");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let rows = futures::stream::try_unfold(export, Export::piece);
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"organisation.csv\""),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(rows)).into_response()
}

/// Whether it may be; noted in the audit log. `None`: not.
async fn begin(app: &App, user: &UserId, place: Place, lang: Lang) -> Result<Option<Export>, StoreError> {
    let Some(row) = app.store.connection_of(user).await? else {
        return Ok(None);
    };
    if administrators::check(app, &row).await?.is_err() {
        return Ok(None);
    }
    let support = app.store.support_access(&row.org_id).await?.is_some();
    let now = app.clock.now();
    let what = format!(
        "{}{}{}",
        place.verdict.map_or("everybody", tandem_types::Verdict::as_str),
        if place.search.is_empty() { "" } else { " searched" },
        if support { " with addresses" } else { "" }
    );
    app.store
        .audit(&row.org_id, user, "administrator_exported", &what, now)
        .await?;
    Ok(Some(Export {
        app: app.clone(),
        org: row.org_id,
        pick: organisation::pick(place.verdict, place.search, Vec::new()),
        support,
        lang,
        now,
        at: At::Head,
    }))
}

enum At {
    Head,
    After(Option<UserId>),
    End,
}

struct Export {
    app: App,
    org: OrgId,
    pick: StandingPick,
    support: bool,
    lang: Lang,
    /// All rows are as of one moment.
    now: Timestamp,
    at: At,
}

impl Export {
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let text = match &self.at {
            At::End => return Ok(None),
            At::Head => {
                self.at = At::After(None);
                text::speaking(self.lang, || head(self.support))
            }
            At::After(after) => {
                let store = &self.app.store;
                let page = store.standing_page(&self.org, &self.pick, after.as_ref(), PIECE, self.now);
                let rows = page.await?;
                let whole = u32::try_from(rows.len()).is_ok_and(|n| n == PIECE);
                self.at = match rows.last() {
                    Some(last) if whole => At::After(Some(last.user_id.clone())),
                    _ => At::End,
                };
                text::speaking(self.lang, || self.lines(&rows))
            }
        };
        Ok(Some((Bytes::from(text), self)))
    }

    fn lines(&self, rows: &[Standing]) -> String {
        let users = rows.iter().map(|of| standing::user(of, self.support, self.now));
        users
            .map(|user| user_line(&user, self.support, self.now))
            .collect()
    }
}

fn head(support: bool) -> String {
    let mut columns = vec![
        words::USER.get(),
        words::USER_NAME.get(),
        words::USER_ID.get(),
        words::SERVER.get(),
        words::STATE.get(),
        words::REASON.get(),
        words::LAST.get(),
        words::LAST_RESULT.get(),
        words::LAST_SUCCESS.get(),
        words::LAG.get(),
        words::ISSUES.get(),
    ];
    columns.extend(support.then_some(words::ADDRESS.get()));
    line(columns)
}

fn user_line(user: &OrgUser, support: bool, now: Timestamp) -> String {
    let time = |at: Option<Timestamp>| at.map(text::iso).unwrap_or_default();
    let (why, issues) = (words::why(user, now), user.issues.to_string());
    let ended = time(user.last.map(|(_, ended)| ended));
    let (success, overdue) = (time(user.last_success), time(user.overdue));
    let mut cells = vec![
        user.name.as_str(),
        user.username.as_str(),
        user.user.as_str(),
        words::server(user.server),
        words::verdict(user.verdict),
        &why,
        &ended,
        user.last.map_or("", |(outcome, _)| text::outcome(outcome)),
        &success,
        &overdue,
        &issues,
    ];
    cells.extend(support.then_some(user.address.as_deref().unwrap_or_default()));
    line(cells)
}

fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    let mut line = cells.join(",");
    line.push_str("\r\n");
    line
}

/// What a spreadsheet would take for a formula begins with an apostrophe, so that it is text: names are written by
/// whoever has them. <https://owasp.org/www-community/attacks/CSV_Injection>
fn cell(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_and_one_cell() {
        for (text, written) in [
            ("Nina Berg", "Nina Berg"),
            ("", ""),
            ("Berg, Nina", "\"Berg, Nina\""),
            ("the \"boss\"", "\"the \"\"boss\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=1+1", "'=1+1"),
            ("+49 89", "'+49 89"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
        assert_eq!(line(["a", "b,c"]), "a,\"b,c\"\r\n");
    }
}
