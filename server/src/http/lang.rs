//! The language of the request that is being answered, for what is said deep inside of it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tandem_app::text::{Lang, speaking};

tokio::task_local! {
    static SPOKEN: Lang;
}

/// Around every request.
pub(crate) async fn of_request(request: Request, next: Next) -> Response {
    let lang = tandem_app::language(request.uri().query(), request.headers());
    SPOKEN.scope(lang, next.run(request)).await
}

/// What `f` says is in the request's language. Outside of a request it is English.
pub(crate) fn say<T>(f: impl FnOnce() -> T) -> T {
    speaking(SPOKEN.try_get().unwrap_or_default(), f)
}
