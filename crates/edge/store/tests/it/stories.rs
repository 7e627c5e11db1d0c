//! What holds of every store. Each story gets an empty database. The list at the end runs them all
//! against SQLite, one test each; `postgres.rs` runs the same list.

mod leases;
mod log;
mod releases;
mod rows;
mod small;

use std::future::Future;

use cutover_store::Store;

use crate::sample;

/// Opens an empty file, tells a story to it, and closes it.
async fn on_sqlite<F: Future<Output = ()>>(story: impl FnOnce(Store) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&sample::url(&directory, "store.db"))
        .await
        .unwrap();
    story(store.clone()).await;
    store.close().await;
}

macro_rules! stories {
    ($($file:ident: $($name:ident)*;)*) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::on_sqlite(super::$file::$name).await;
                }
            )*)*
        }

        /// Tells every story to a fresh database that `open` gives.
        pub(crate) async fn tell_all(open: impl AsyncFn(&str) -> Store) {
            $($(
                let store = open(stringify!($name)).await;
                $file::$name(store.clone()).await;
                store.close().await;
                eprintln!("told: {}", stringify!($name));
            )*)*
        }
    };
}

stories! {
    log:
        statements_are_understood
        events_come_back_as_they_went_in
        an_append_at_another_version_is_a_conflict_and_leaves_nothing
        versions_with_a_gap_are_refused
        of_two_who_append_at_once_one_wins
        whoever_follows_the_log_misses_nothing
        an_append_that_is_given_up_midway_leaves_nothing;
    rows:
        a_run_is_listed_as_it_last_was
        a_deployment_is_listed_as_it_last_was
        questions_open_and_close_with_their_events;
    releases:
        a_release_never_changes
        a_release_is_found_by_what_people_say
        a_rollback_goes_to_the_last_good_release
        an_older_fence_is_refused;
    leases:
        a_place_has_one_holder_and_the_rest_have_turns
        a_lease_that_ran_out_goes_to_the_next_with_a_higher_fence
        what_has_ended_leaves_the_queue
        a_freeze_is_lifted_once_and_remembered
        samples_are_kept_up_to_a_number;
    small:
        numbers_are_given_once
        a_message_is_kept_until_it_is_through
        a_setting_holds_its_last_value;
}
