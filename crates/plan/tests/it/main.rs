//! The planner against its design: a table for the merge, one test for each rule, a model world and
//! properties over it.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

mod edits;
mod explain;
mod merge_table;
mod model;
mod properties;
mod rules;
mod slots;
mod undo;
mod world;
