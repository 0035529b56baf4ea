//! The planner against its design: a table for the merge, one test for each rule, a model world and
//! properties over it.

mod merge_table;
mod model;
mod properties;
mod rules;
mod slots;
mod world;
