//! tribelink.
fn main() {}
