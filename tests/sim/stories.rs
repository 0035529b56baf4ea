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
    a_card_that_was_read_anew_was_overwritten
    a_contact_moved_to_a_folder_made_that_moment_counted_as_deleted
    a_day_without_sign_ins_parked_a_person
    a_new_name_brought_initials_that_won_over_typed_ones
    a_call_refused_for_a_time_did_not_rest_the_mailbox
    a_subscription_whose_removal_nobody_told_stayed_away
    an_edit_told_after_a_listing_was_judged_by_the_listing
    initials_of_a_name_with_an_apostrophe_were_not_known_as_derived
    the_hints_of_a_day_without_the_remote_were_each_tried_alone
    the_lane_of_a_user_who_waits_for_somebody_was_due_without_end
    tribes_rest_bound_only_the_process_that_was_told
}
