//! R17: the brake. A pass is planned once to count, then executed; the one that would cross the
//! line writes nothing.

use crate::policy::Policy;

/// What decides whether a pass may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Links that this pass would remove, or in which it would empty a value on either side.
    pub planned: u64,
    /// The same, done within the last hour.
    pub recent: u64,
    /// The user's links.
    pub links: u64,
}

/// Whether the pass crosses the line: more than both the percentage and the number.
pub fn is_braked(load: Load, policy: &Policy) -> bool {
    let sum = load.planned.saturating_add(load.recent);
    load.planned > 0
        && sum > u64::from(policy.brake_min)
        && sum.saturating_mul(100) > load.links.saturating_mul(u64::from(policy.brake_percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_both_the_number_and_the_percentage() {
        let policy = Policy::default();
        let load = |planned, recent, links| Load {
            planned,
            recent,
            links,
        };
        assert!(!is_braked(load(25, 0, 30), &policy));
        assert!(is_braked(load(26, 0, 30), &policy));
        assert!(
            !is_braked(load(26, 0, 130), &policy),
            "exactly a fifth is not over it"
        );
        assert!(is_braked(load(27, 0, 130), &policy));
        assert!(
            is_braked(load(1, 26, 100), &policy),
            "those of the hour count"
        );
        assert!(
            !is_braked(load(0, 90, 100), &policy),
            "a pass that empties nothing runs"
        );
    }
}
