//! Bugs planted on purpose: the simulation shows that it finds each of them.
//!
//! All are named here; each stands at one place of the program as `planted::is(Bug::…)`. Without the
//! feature `planted-bugs`, which nothing but that test asks for, [`is`] is `false` at compile time
//! and no trace of them is left.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// What follows an own write within a minute is taken for its echo, whatever the etag says.
    EchoByTime,
    /// Nobody looks for a stamped contact before a create.
    NoStampLookUp,
    /// The store takes commits of a lease that was lost.
    LostFence,
    /// A value that cannot be read counts as empty.
    ClearOnMissing,
    /// The delta cursor moves before what it showed is kept.
    CursorBeforeWork,
    /// A new refresh token is used and not saved.
    RefreshTokenNotSaved,
    /// A lease is given while another holds it.
    DoubleLease,
    /// One fingerprint stands for both sides.
    OneBase,
    /// The answer of an own PATCH is taken for what was planned.
    AnswerNotChecked,
    /// The main relationship changes, and its slots are judged as if it had always been that one.
    OldSlots,
    /// A person who is absent from a list counts as deleted.
    AbsenceIsDeletion,
    /// A create leaves before its intent is stored.
    NoIntent,
    /// A deletion in Outlook is forgotten.
    TombstoneForgotten,
    /// What an own write replaced is an edit as soon as a stale read shows it.
    StaleIsEdit,
    /// Retry-After is not obeyed.
    NoRest,
    /// A list in Outlook is written with its first value alone.
    FurtherValuesCut,
    /// A former relationship makes eligible.
    FormerCounts,
    /// An edit that loses leaves no line in the audit.
    LossUntold,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 18] = [
        Bug::EchoByTime,
        Bug::NoStampLookUp,
        Bug::LostFence,
        Bug::ClearOnMissing,
        Bug::CursorBeforeWork,
        Bug::RefreshTokenNotSaved,
        Bug::DoubleLease,
        Bug::OneBase,
        Bug::AnswerNotChecked,
        Bug::OldSlots,
        Bug::AbsenceIsDeletion,
        Bug::NoIntent,
        Bug::TombstoneForgotten,
        Bug::StaleIsEdit,
        Bug::NoRest,
        Bug::FurtherValuesCut,
        Bug::FormerCounts,
        Bug::LossUntold,
    ];
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug for whatever runs on this thread from now on; `None` takes it out.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted here.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is, plant};

/// None is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}
