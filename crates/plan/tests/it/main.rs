//! The planner against its design: a table for the merge, one test for each rule, a model world and
//! properties over it.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

mod ahead;
mod edits;
mod emails;
mod explain;
mod jobs;
mod merge_table;
mod model;
mod outlook;
mod properties;
mod rules;
mod rules_adopt;
mod rules_guard;
mod slots;
mod undo;
mod world;
