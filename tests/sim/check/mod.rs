//! What must hold, written from the design alone: nothing here asks the engine or the planner.
//!
//! - [`safety`]: looked at on every request, before the remote sees it.
//! - [`oracle`]: who is eligible and what a contact must show.
//! - [`calm`]: once edits and faults have stopped.

pub(crate) mod calm;
pub(crate) mod oracle;
pub(crate) mod safety;
