//! NTLM, bound to the connection and to its certificate.

use serde_json::{Value, json};
use tandem_mailbox::SignIn;
use tandem_sync::FaultKind;
use tandem_sync::ports::Mailbox as _;
use tandem_types::ActivationFailure as Cause;

use crate::support::{World, listing};

impl World {
    pub(crate) async fn sign_in(&self, settings: Value) {
        self.control("PUT", "/exchange/sign-in", settings).await;
    }
}

#[tokio::test]
async fn the_best_way_that_a_server_has_is_taken() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let url = world.sandbox.info().ews_url.clone();
    for (schemes, way) in [
        (json!(["negotiate", "ntlm", "basic"]), SignIn::Ntlm),
        (json!(["basic", "ntlm"]), SignIn::Ntlm),
        (json!(["negotiate"]), SignIn::Negotiate),
        (json!(["kerberos", "basic"]), SignIn::Basic),
        (json!(["basic"]), SignIn::Basic),
    ] {
        world.sign_in(json!({ "schemes": schemes })).await;
        let done = world.connect(&login, &password, Some(&url)).await.unwrap();
        assert_eq!(
            (done.sign_in, done.address),
            (way, world.user.mailbox.clone()),
            "{schemes}"
        );
        let error = world.connect(&login, "wrong", Some(&url)).await.unwrap_err();
        let cause = if way == SignIn::Basic {
            Cause::Login
        } else {
            Cause::LoginOrProtection
        };
        assert_eq!(
            (error.cause, error.password_was_tried),
            (cause, true),
            "{schemes}"
        );
        assert_eq!(world.failed_logons().await, 1, "{schemes}");
        world.reset().await;
        world.set_mailbox(json!({ "locked": false })).await;
    }
    for schemes in [json!(["kerberos"]), json!(["bearer"]), json!([])] {
        world.sign_in(json!({ "schemes": schemes })).await;
        let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
        assert_eq!(
            (error.cause, error.password_was_tried),
            (Cause::NoCommonSignIn, false),
            "{schemes}"
        );
    }
    // What does not keep connections apart is named; the password stays here.
    world
        .sign_in(json!({ "schemes": ["ntlm"], "closes": true }))
        .await;
    let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
    assert_eq!(
        (error.cause, error.password_was_tried),
        (Cause::ProxyBetween, false)
    );
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn every_form_of_the_login_is_taken_as_it_is() {
    let world = World::new().await;
    let password = world.user.exchange_password.clone();
    let url = world.sandbox.info().ews_url.clone();
    let names = ["nberg", "CORP\\nberg", "nberg@corp.example"];
    world.set_mailbox(json!({ "logins": names })).await;
    for scheme in ["ntlm", "basic"] {
        world.sign_in(json!({ "schemes": [scheme] })).await;
        for login in names
            .into_iter()
            .chain(["CONTOSO\\nina.berg", "nina.berg@contoso.example"])
        {
            let done = world.connect(login, &password, Some(&url)).await;
            let done = done.unwrap_or_else(|error| panic!("{scheme} {login}: {error}"));
            assert_eq!(done.address, world.user.mailbox, "{scheme} {login}");
        }
    }
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn extended_protection_wants_the_servers_own_certificate() {
    let world = World::new().await;
    let (login, password) = (
        world.user.exchange_login.clone(),
        world.user.exchange_password.clone(),
    );
    let url = world.sandbox.info().ews_url.clone();
    for protection in ["allow", "require"] {
        for scheme in ["ntlm", "negotiate"] {
            let mut settings = json!({ "schemes": [scheme], "protection": protection });
            world.sign_in(settings.clone()).await;
            world.connect(&login, &password, Some(&url)).await.unwrap();
            settings["tls_ended_by_proxy"] = json!(true);
            world.sign_in(settings).await;
            let error = world.connect(&login, &password, Some(&url)).await.unwrap_err();
            assert_eq!(
                (error.cause, error.password_was_tried),
                (Cause::LoginOrProtection, true)
            );
        }
    }
    // The password was right.
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn autodiscover_signs_in_by_ntlm_as_well() {
    let world = World::new().await;
    world.sign_in(json!({ "schemes": ["ntlm"] })).await;
    for mode in ["v2", "pox", "redirect_url"] {
        world.autodiscover(json!({ "mode": mode })).await;
        let done = world
            .connect(&world.user.exchange_login, &world.user.exchange_password, None)
            .await
            .unwrap();
        assert_eq!(done.address, world.user.mailbox, "{mode}");
    }
    world.autodiscover(json!({ "mode": "pox" })).await;
    let error = world
        .connect(&world.user.exchange_login, "wrong", None)
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::LoginOrProtection);
    assert_eq!(world.failed_logons().await, 1);
}

#[tokio::test]
async fn a_session_signs_one_connection_in() {
    let world = World::new().await;
    world
        .sign_in(json!({ "schemes": ["ntlm"], "protection": "require" }))
        .await;
    let password = world.user.exchange_password.clone();
    let ews = world.session_by(SignIn::Ntlm, &password);
    ews.prepare().await.unwrap();
    let (listed, cursor, _) = listing(&ews, None).await;
    assert!(!listed.present.is_empty());
    let operations = world.operations().await;
    assert_eq!(operations["SignIn"], 1, "{operations:?}");
    assert!(operations.values().sum::<u64>() > 5, "{operations:?}");

    // A server that signs each request in is served as well, without a failed logon.
    world.reset().await;
    world
        .sign_in(json!({ "schemes": ["ntlm"], "each_request": true }))
        .await;
    let (again, _, _) = listing(&ews, Some(&cursor)).await;
    assert!(again.present.is_empty());
    assert!(world.operations().await["SignIn"] >= 1);
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn a_connection_that_is_lost_is_signed_in_again_and_nothing_is_written_twice() {
    let world = World::new().await;
    world.sign_in(json!({ "schemes": ["ntlm"] })).await;
    let ews = world.session_by(SignIn::Ntlm, &world.user.exchange_password);
    ews.prepare().await.unwrap();
    let (_, cursor, _) = listing(&ews, None).await;
    world.reset().await;
    // A reading call is sent again, on a new connection.
    world.fault(None, json!({ "kind": "reset", "times": 1 })).await;
    listing(&ews, Some(&cursor)).await;
    let operations = world.operations().await;
    assert_eq!(operations["SignIn"], 1, "{operations:?}");
    // A connection that breaks while it is signed in: nothing was asked yet, and the reading call is sent again.
    world.no_faults().await;
    world.fault(None, json!({ "kind": "reset", "times": 1 })).await;
    world
        .fault(Some("SignIn"), json!({ "kind": "reset", "times": 1 }))
        .await;
    listing(&ews, Some(&cursor)).await;
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn a_refused_password_is_shown_once_in_a_session() {
    let world = World::new().await;
    for (schemes, stored) in [
        (json!(["ntlm"]), SignIn::Ntlm),
        (json!(["ntlm", "basic"]), SignIn::Ntlm),
        // The server's ways have changed since the mailbox was connected.
        (json!(["ntlm"]), SignIn::Basic),
        (json!(["basic"]), SignIn::Ntlm),
        (json!(["basic"]), SignIn::Negotiate),
        (json!(["kerberos", "basic"]), SignIn::Negotiate),
    ] {
        world.sign_in(json!({ "schemes": schemes })).await;
        let good = world.session_by(stored, &world.user.exchange_password);
        good.prepare().await.unwrap();
        world.reset().await;
        let ews = world.session_by(stored, "wrong");
        for _ in 0..3 {
            let fault = ews.prepare().await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Rejected, "{schemes} {stored:?}: {fault}");
        }
        assert_eq!(world.failed_logons().await, 1, "{schemes} {stored:?}");
        world.set_mailbox(json!({ "locked": false })).await;
    }
    world.sign_in(json!({ "schemes": ["kerberos"] })).await;
    world.reset().await;
    let ews = world.session_by(SignIn::Ntlm, &world.user.exchange_password);
    let fault = ews.prepare().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Rejected, "{fault}");
    assert_eq!(world.failed_logons().await, 0);
}
