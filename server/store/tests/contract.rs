//! One contract, three stores: every case on memory (what a session needs), SQLite and PostgreSQL.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step is a failed test, in helpers as in test functions"
)]

mod cases;
mod common;

use std::sync::Arc;

use common::{Desk, MemoryDesk, SqlDesk, TestVault};
use tandem_store::{Store, testing};

async fn sqlite_desk() -> (Arc<dyn Desk>, tempfile::TempDir) {
    let (store, dir) = common::sqlite().await;
    let url = common::sqlite_url(&dir);
    (desk(store, url), dir)
}

/// One more handle, as another process would have it.
async fn opened(url: &str, master: u8) -> Store {
    Store::connect(url, TestVault::new(master)).await.unwrap()
}

/// The second master key, with the first behind it.
async fn both(url: &str) -> Store {
    Store::connect(url, TestVault::after(2, 1)).await.unwrap()
}

fn desk(store: Store, url: String) -> Arc<dyn Desk> {
    Arc::new(SqlDesk {
        store,
        reconnect: Box::new(move || {
            let url = url.clone();
            Box::pin(async move { opened(&url, 1).await })
        }),
    })
}

async fn postgres_store() -> Option<(Store, testing::Database)> {
    let database = testing::postgres().await?;
    let store = opened(&database.url, 1).await;
    store.migrate().await.unwrap();
    Some((store, database))
}

/// Runs each in a task of its own, and names those that failed: a server is started for all of them together.
macro_rules! on_postgres {
    ($($case:ident => $work:expr;)*) => {
        let mut failed: Vec<&str> = Vec::new();
        $(
            if tokio::spawn($work).await.is_err() {
                failed.push(stringify!($case));
            }
        )*
        assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
    };
}

macro_rules! port_cases {
    ($($of:ident: $case:ident,)*) => {
        mod memory {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    cases::$of::$case(Arc::new(MemoryDesk::default())).await;
                }
            )*
        }

        mod sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (desk, _dir) = sqlite_desk().await;
                    cases::$of::$case(desk).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres_port() {
            // Held until the end: the server runs as long.
            let Some(_server) = testing::postgres().await else { return };
            on_postgres! {
                $($case => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    cases::$of::$case(desk(store, database.url.clone())).await;
                };)*
            }
        }
    };
}

macro_rules! repo_cases {
    ($($case:ident,)*) => {
        mod sqlite_repos {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _dir) = common::sqlite().await;
                    cases::repos::$case(store).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres_repos() {
            let Some(server) = testing::postgres().await else { return };
            on_postgres! {
                $($case => async {
                    let Some((store, _database)) = postgres_store().await else { return };
                    cases::repos::$case(store).await;
                };)*
                a_large_organisation_is_not_read_through => async {
                    let Some((store, _database)) = postgres_store().await else { return };
                    cases::shares::a_large_organisation_is_not_read_through(store).await;
                };
                a_mail_server_is_noted_later => async {
                    let Some((store, _database)) = postgres_store().await else { return };
                    cases::shares::a_mail_server_is_noted_later(store).await;
                };
                migrations_run_once => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    cases::repos::migrations_run_once(store, opened(&database.url, 1).await).await;
                };
                what_is_due_is_announced => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    cases::repos::what_is_due_is_announced(store, opened(&database.url, 1).await).await;
                };
                an_older_database_is_brought_up => async {
                    let Some(database) = testing::postgres().await else { return };
                    cases::repos::an_older_database_is_brought_up(opened(&database.url, 1).await).await;
                };
                data_keys_are_wrapped_anew => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    let url = &database.url;
                    cases::keys::data_keys_are_wrapped_anew(store, both(url).await, opened(url, 2).await).await;
                };
                a_dump_is_useless_without_the_master_key => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    let stranger = opened(&database.url, 2).await;
                    let read = || async { database.dump().unwrap() };
                    cases::keys::a_backup_is_useless_without_the_master_key(store, stranger, read).await;
                };
                the_masters_key_is_needed => async {
                    let Some((store, database)) = postgres_store().await else { return };
                    cases::repos::the_masters_key_is_needed(store, opened(&database.url, 2).await).await;
                };
            }
            drop(server);
        }
    };
}

port_cases![
    port: only_an_active_connection_comes_due,
    port: longest_overdue_is_first,
    port: a_claim_has_one_holder,
    port: a_stale_fence_changes_no_row,
    port: a_crash_is_taken_over,
    port: an_old_lease_that_nobody_took_still_commits,
    port: a_commit_is_kept,
    port: two_connections_do_not_mix,
    port: links_by_ask,
    port: a_wake_up_in_mid_session_stands,
    port: a_wake_up_survives_a_crash,
    port: what_the_user_did_meanwhile_stands,
    port: deactivation_fences_off,
    port: a_closing_is_kept,
    port: an_issue_is_raised_once,
    port: another_mailbox_starts_anew,
    port: a_mailbox_has_one_connection,
    port: a_step_is_whole_or_not_at_all,
    shared: a_claim_stands_for_the_whole_organisation,
    shared: only_its_holder_settles_a_claim,
    shared: a_stale_claim_is_taken_over_with_its_key,
    shared: a_claim_of_a_deleted_record_goes_to_the_first_who_knows,
    shared: two_that_claim_at_once_agree,
    shared: a_deactivated_one_gives_its_claims_up,
    shared: a_stale_fence_claims_nothing,
    shared: colleagues_are_those_that_sync,
    shared: what_is_owed_is_pending,
    shared: a_session_reads_an_older_ones_journal,
    shared: a_back_fill_goes_on_until_it_is_cancelled,
    shared: a_back_fill_sends_no_refused_password,
    shared: what_moved_and_since_when,
    shared: an_organisations_deletes_are_counted,
    shared: an_organisation_stops_as_a_whole,
    shared: two_that_stop_their_organisation_at_once,
    shared: what_stopped_an_organisation_is_let_through_once,
    shared: a_stopped_organisation_takes_back_and_looks,
    shared: settings_reach_the_next_session,
    shared: an_order_stands_until_it_is_done,
    shares: a_small_organisation_does_not_wait_behind_a_large_one,
    shares: so_many_of_an_organisation_run_at_once,
    shares: so_many_run_at_once_on_a_mail_server,
    shares: an_organisation_waits_for_its_quota,
    shares: who_claims_at_once_keeps_within_the_budgets,
];

repo_cases![
    users,
    one_connection_per_user,
    secrets_are_kept_and_shredded,
    an_integration_user_is_connected_and_shredded,
    one_question_at_a_time_and_none_after_a_change,
    those_concerned_are_made_due,
    with_the_last_connection_goes_the_integration_user,
    what_is_sealed_opens_in_its_row_only,
    one_refreshes,
    locks_are_taken_in_one_order,
    trials,
    web_sessions,
    flows_are_used_once,
    codes_and_tickets_are_used_once,
    the_pane_reads,
    a_sweep_takes_what_is_over,
    overview,
    each_connection_has_one_verdict,
    administrators_order_one_thing_at_a_time,
    an_organisation_waits_and_lists_again,
    a_commit_that_fails_half_way_leaves_nothing,
    rows_that_make_no_sense_are_told,
    pages_and_picks,
    a_newer_version_may_have_been_here,
    links_are_found_without_a_lease,
    organisations_are_listed,
    a_mailbox_is_cleared_before_the_end,
    who_has_left_is_deactivated,
    one_user_is_handed_out_and_erased,
    an_administrator_who_is_erased_leaves_nothing_that_names_him,
    two_providers_grant,
    idle_grants_are_found,
    a_sign_in_waits_for_its_pane,
    a_mailbox_moves_to_another_server,
    a_mailbox_changes_its_salesforce_user,
    troubles_are_told_once,
    a_forgotten_connection_begins_anew,
    audit_is_a_chain_while_many_write,
    an_audit_entry_is_changed_or_taken_away,
    audit_is_swept_from_its_beginning,
    tokens_have_one_key,
    an_order_is_kept_for_a_week,
];

#[tokio::test]
async fn sqlite_a_large_organisation_is_not_read_through() {
    let (store, _dir) = common::sqlite().await;
    cases::shares::a_large_organisation_is_not_read_through(store).await;
}

#[tokio::test]
async fn sqlite_a_mail_server_is_noted_later() {
    let (store, _dir) = common::sqlite().await;
    cases::shares::a_mail_server_is_noted_later(store).await;
}

#[tokio::test]
async fn sqlite_data_keys_are_wrapped_anew() {
    let (store, dir) = common::sqlite().await;
    let url = common::sqlite_url(&dir);
    cases::keys::data_keys_are_wrapped_anew(store, both(&url).await, opened(&url, 2).await).await;
}

#[tokio::test]
async fn a_sqlite_file_is_useless_without_the_master_key() {
    let (store, dir) = common::sqlite().await;
    let stranger = opened(&common::sqlite_url(&dir), 2).await;
    let read = || async {
        let mut all = Vec::new();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            all.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        all
    };
    cases::keys::a_backup_is_useless_without_the_master_key(store, stranger, read).await;
}

#[tokio::test]
async fn what_is_shredded_leaves_the_sqlite_file() {
    let (store, dir) = common::sqlite().await;
    cases::keys::what_is_shredded_leaves_the_file(store, || async {
        let mut all = Vec::new();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            all.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        all
    })
    .await;
}

#[tokio::test]
async fn sqlite_the_masters_key_is_needed() {
    let (store, dir) = common::sqlite().await;
    let stranger = opened(&common::sqlite_url(&dir), 2).await;
    cases::repos::the_masters_key_is_needed(store, stranger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_migrations_run_once() {
    let (store, dir) = common::sqlite().await;
    let other = opened(&common::sqlite_url(&dir), 1).await;
    cases::repos::migrations_run_once(store, other).await;
}

#[tokio::test]
async fn sqlite_an_older_database_is_brought_up() {
    let dir = tempfile::tempdir().unwrap();
    cases::repos::an_older_database_is_brought_up(opened(&common::sqlite_url(&dir), 1).await).await;
}
