//! The pure core of tribelink: what a person and a contact are, how they map onto each other, and
//! what is to be done about a difference.
//!
//! Nothing here does I/O, asks for the time or draws a random number: every input is an argument,
//! every function is total. The executor of the service makes no choice of its own; each one is
//! made here and carries the number of the rule that made it.
//!
//! # Map
//! - Values: [`ids`], [`field`] (the card's fields), [`reading`] (what a side showed),
//!   [`canonical`] (when two values are the same, and which fit), [`birthday`], [`name`].
//! - The two sides: [`person`] (Tribe) and [`contact`] (Outlook); [`mapping`] lays one over the other.
//! - Memory: [`base`] (fingerprints of the last agreement), [`link`].
//! - Decisions: [`eligibility`], [`merge`] (one field), [`guard`] (R16), [`planner`] (one person),
//!   [`brake`] (R17, one pass), [`explain`].
//! - [`planted`]: bugs for the simulation to find, compiled in by a feature alone.
//! - [`rule`] numbers them, [`policy`] is what an administrator chose.
//!
//! Start reading at [`planner::plan`].

pub mod base;
pub mod birthday;
pub mod brake;
pub mod canonical;
pub mod contact;
pub mod eligibility;
pub mod explain;
pub mod field;
pub mod guard;
pub mod ids;
pub mod link;
pub mod mapping;
pub mod merge;
pub mod name;
pub mod person;
pub mod planner;
pub mod planted;
pub mod policy;
pub mod reading;
pub mod rule;
