//! The store's contract, held by every store.
//!
//! # Map
//! - [`fixture`]: makes an empty store of each kind. [`sample`]: rows.
//! - One module for each noun, with cases that take any store: `leases`, `replicas`, `lanes`,
//!   `hints`, `users`, `secrets`, `sealed`, `links`, `remotes`, `records`, `commits`.
//! - [`history`]: random histories. [`model`]: they answer equally on every store.
//! - [`sqlite_file`]: what only a file can show. [`postgres_server`]: what only a server can;
//!   [`postgres_trouble`]: how it fails. [`scratch`]: a Postgres database for each test. [`proxy`],
//!   [`server`]: what fails.
//!
//! A further store joins with a function in [`fixture`] and one `suite!` line here.

#![expect(
    clippy::unwrap_used,
    reason = "a case is a test, though the attribute is on its caller"
)]

mod commits;
mod fixture;
mod hints;
mod history;
mod lanes;
mod leases;
mod links;
mod model;
mod postgres_server;
mod postgres_trouble;
mod proxy;
mod records;
mod remotes;
mod replicas;
mod sample;
mod scratch;
mod sealed;
mod secrets;
mod server;
mod sqlite_file;
mod users;

macro_rules! suite {
    ($store:ident) => {
        suite! { $store:
            leases::claim_takes_a_free_or_expired_lane_with_a_rising_fence,
            leases::renew_prolongs_only_what_is_held,
            leases::release_frees_the_lane_and_keeps_the_fence,
            leases::a_guard_without_its_lease_changes_nothing,
            replicas::live_while_they_beat,
            replicas::leave_at_once,
            lanes::due_by_hint_chore_and_state_longest_due_first,
            lanes::hints_make_a_mailbox_due_in_the_states_that_work,
            lanes::next_due_is_when_due_lanes_first_answers,
            lanes::every_change_of_hints_moves_the_due_time,
            hints::come_back_whole_the_longest_due_first,
            hints::wait_for_their_time_and_can_be_delayed,
            hints::are_counted_by_environment_and_mailbox,
            hints::of_an_unknown_owner_are_refused_whole,
            users::environments_are_put_and_their_chores_set_apart,
            users::are_put_found_and_listed,
            users::count_by_state,
            users::employees_are_taken_once,
            users::move_only_from_the_expected_state,
            users::worker_columns_are_set_apart,
            users::brake_counts_add_up,
            secrets::tokens_rotate_only_from_the_generation_read,
            secrets::idle_consents_come_the_longest_idle_first,
            secrets::environment_tokens_rotate_alike,
            secrets::a_sign_in_works_once_and_in_time,
            secrets::an_answer_is_kept_for_its_key,
            sealed::every_sealed_cell_is_listed_by_its_place,
            sealed::a_cell_is_sealed_anew_only_where_it_is_as_read,
            links::come_back_whole,
            links::are_found_by_person_contact_and_page,
            links::are_counted_by_state,
            links::sleep_spares_what_is_not_in_force,
            links::forget_erases_values_everywhere,
            remotes::cursors_are_put_and_dropped,
            remotes::subscriptions_are_listed_by_expiry,
            remotes::of_two_certificates_that_come_next_one_is_refused,
            remotes::a_round_of_the_canary_replaces_the_one_before,
            remotes::a_mailbox_waits_for_the_canary_until_the_newest_round_arrives,
            remotes::a_certificate_stays_while_a_live_subscription_names_it,
            remotes::webhooks_are_put_and_dropped,
            records::audit_is_filtered_newest_first,
            records::audit_values_are_forgotten_by_age,
            records::audit_lines_are_dropped_by_age,
            records::held_items_keep_their_number,
            records::parked_items_keep_their_number,
            records::a_preview_starts_afresh,
            records::alerts_stand_until_cleared,
            records::tidy_erases_what_is_old,
            commits::are_all_or_nothing,
            commits::see_their_own_earlier_changes,
            commits::refuse_rows_of_another_environment,
            commits::refuse_unknown_owners,
            commits::dropping_what_is_not_there_does_nothing,
            commits::readiness_changes_nothing,
            model::random_histories_answer_like_memory,
        }
    };
    ($store:ident: $($noun:ident::$case:ident,)*) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $case() {
                    let fixture = super::fixture::$store().await;
                    super::$noun::$case(&fixture).await;
                }
            )*
        }
    };
}

suite!(memory);
suite!(sqlite);
suite!(postgres);
