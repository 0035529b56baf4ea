//! Scripts that once failed, each under the name of what was wrong. They are kept as text: what a seed
//! draws changes with the simulation, and these do not.
//!
//! A failing seed prints its short script; put it under `stories/` and name it here.

use crate::{
    fleet::tell_failure,
    run::{Strikes, play},
    script::Script,
};

#[track_caller]
fn holds(text: &str) {
    let script: Script = text.parse().expect("a script");
    let outcome = play(&script, &Strikes::default());
    assert!(!outcome.fails(), "{}", tell_failure(&script, &outcome));
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                holds(include_str!(concat!("stories/", stringify!($name), ".txt")));
            }
        )*
    };
}

stories! {
    a_call_refused_for_a_time_did_not_rest_the_mailbox
    a_card_that_was_read_anew_was_overwritten
    a_contact_moved_to_a_folder_made_that_moment_counted_as_deleted
    a_contact_moved_to_a_new_folder_was_made_again_after_forget
    a_contact_moved_while_the_mailbox_was_listed_was_made_again
    a_contact_that_came_and_went_between_two_deltas_stayed_linked
    a_contact_that_left_a_folder_before_its_first_delta_was_lost_sight_of
    a_day_without_sign_ins_parked_a_person
    a_delta_that_works_hurried_the_hints_of_an_outage_on
    a_look_up_still_found_what_was_just_deleted
    a_matched_contact_that_was_reimported_kept_an_edit_to_itself
    a_new_name_brought_initials_that_won_over_typed_ones
    a_reading_older_by_two_versions_undid_an_edit
    a_refresh_without_an_answer_was_not_repeated_in_time
    a_reimported_contact_was_not_in_the_listing_of_before
    a_relationship_that_went_was_no_news_to_a_tombstone
    a_rest_was_forgotten_as_the_job_ended_before_it_was_stored
    a_rest_was_forgotten_as_the_lease_had_ended
    a_rest_was_forgotten_where_the_pass_could_not_be_recorded
    a_rest_was_forgotten_while_the_database_was_away
    a_subscription_whose_removal_nobody_told_stayed_away
    a_users_own_number_gave_way_to_the_next_jobs
    a_write_that_was_never_sent_counted_as_made
    an_address_beside_an_emptied_one_was_called_a_further_one
    an_edit_held_up_by_an_outage_was_parked_as_it_went_on
    an_edit_that_a_notice_told_of_was_not_in_the_reading
    an_edit_told_after_a_listing_was_judged_by_the_listing
    an_edit_told_of_before_a_rebuild_was_not_in_the_listing
    an_item_refused_now_and_then_for_a_day_was_parked
    an_old_reading_of_tribe_was_written_upon
    an_older_notice_of_a_reimported_contact_hid_an_edit
    initials_of_a_former_name_won_over_typed_ones_without_a_base
    initials_of_a_name_with_an_apostrophe_were_not_known_as_derived
    initials_that_outlook_derived_counted_as_a_write_that_was_made
    somebody_found_again_moments_ago_counted_as_deleted
    somebody_who_had_just_come_counted_as_deleted
    the_hints_of_a_day_without_the_remote_were_each_tried_alone
    the_lane_of_a_user_who_waits_for_somebody_was_due_without_end
    tribes_rest_bound_only_the_process_that_was_told
    what_a_conflict_took_away_was_not_told_as_the_employee_left
}
