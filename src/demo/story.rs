//! The story: every statement of the help article as a step.
//!
//! # Map
//! - [`activation`]: chapter 4. [`linking`]: who is synchronised (1 and 5).
//! - [`fields`]: what is synchronised, each field in each direction (2).
//! - [`outlook`]: what people do in Outlook: strangers, second addresses, deletions, completed
//!   cards (1, 2 and 3). [`apart`]: both sides change, hints are lost (1).

mod activation;
mod apart;
mod fields;
mod linking;
mod outlook;

use super::step::Step;

/// The steps in order.
pub(super) fn all() -> Vec<Step> {
    let chapters = [
        activation::steps(),
        linking::arrival(),
        fields::steps(),
        outlook::steps(),
        apart::steps(),
        linking::comings_and_goings(),
        apart::ending(),
    ];
    chapters.into_iter().flatten().collect()
}
