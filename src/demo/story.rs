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

use super::step::Part;

/// The parts in order.
pub(super) fn all() -> Vec<Part> {
    let part = |title, steps| Part { title, steps };
    vec![
        part("Activation", activation::steps()),
        part("New people in Tribe", linking::arrival()),
        part("Every field, in both directions", fields::steps()),
        part("What happens in Outlook", outlook::steps()),
        part("Both sides at once", apart::steps()),
        part("Managers, owners, former", linking::comings_and_goings()),
        part("At the end", apart::ending()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::step::Step;

    fn steps() -> Vec<Step> {
        all().into_iter().flat_map(|part| part.steps).collect()
    }

    #[test]
    fn every_chapter_of_the_article_is_told_in_twenty_steps_or_more() {
        let steps = steps();
        assert!(steps.len() >= 20);
        for chapter in 1..=5 {
            assert!(
                steps.iter().any(|step| step.chapter == chapter),
                "{chapter}"
            );
        }
    }

    #[test]
    fn no_step_can_come_out_without_being_checked() {
        for step in steps() {
            let checks = step
                .moves
                .iter()
                .map(|one| one.expects.len() + one.rules.len());
            assert!(checks.sum::<usize>() > 0, "{}", step.title);
            assert!(step.title.chars().count() <= 60, "{}", step.title);
        }
    }

    #[test]
    fn a_title_belongs_to_one_step() {
        let mut titles: Vec<_> = steps().iter().map(|step| step.title).collect();
        titles.sort_unstable();
        let all = titles.len();
        titles.dedup();
        assert_eq!(titles.len(), all);
    }
}
