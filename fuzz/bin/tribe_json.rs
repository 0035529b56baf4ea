//! See `targets::tribe_json`.

#![no_main]

#[path = "../targets/mod.rs"]
#[allow(dead_code, reason = "each program runs one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::tribe_json(data));
