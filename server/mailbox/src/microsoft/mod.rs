//! Microsoft's sign-in: from the browser's first redirect to the tokens that Graph takes.
//!
//! OAuth2 with a code and PKCE, OpenID Connect for who it is; one registration, one callback. Where the state of a
//! sign-in and the tokens are kept is the caller's.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

mod app;
mod id_token;
mod scopes;
mod tenant;
mod tokens;
mod trouble;

pub use app::{AUTHORITY, Ask, MicrosoftApp, Prompt, SignedIn, Started, TokenSet};
pub use id_token::{Identity, Owner};
pub use scopes::SCOPES;
pub use tenant::{Guid, NotATenant, Tenant};
pub use tokens::{Bearer, Tokens};
pub use trouble::{ClaimsChallenge, Remedy, SignInError, claims_of};
