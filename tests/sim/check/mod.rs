//! What must hold, written from the design alone: nothing here asks the engine or the planner.
//!
//! - [`safety`]: looked at on every request, before the remote sees it.
//!   [`overwrites`]: what they take away without having seen it.
//! - [`oracle`]: who is eligible and what a contact must show.
//! - [`calm`]: once edits and faults have stopped. [`typed`]: what people typed then.
//! - [`coverage`]: which rules fired.

pub(crate) mod calm;
pub(crate) mod coverage;
pub(crate) mod oracle;
mod overwrites;
pub(crate) mod safety;
mod typed;
