//! What happened, in two grains: the story that a person reads when a seed fails, and the trace of
//! every call, whose hash tells whether two runs were the same.

use std::{collections::BTreeMap, sync::Mutex};

/// The record of one run.
#[derive(Default)]
pub(crate) struct Story {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    events: Vec<String>,
    trace: Vec<String>,
    violations: Vec<String>,
    counts: BTreeMap<String, u64>,
}

impl Story {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("the story")
    }

    /// Something that a person did or that went wrong on purpose.
    pub(crate) fn event(&self, at_ms: i64, text: &str) {
        let line = format!("{:>10.3}  {text}", at_ms as f64 / 1000.0);
        let mut inner = self.inner();
        inner.trace.push(line.clone());
        inner.events.push(line);
    }

    /// A call or a delivery.
    pub(crate) fn call(&self, at_ms: i64, text: &str) {
        let line = format!("{:>10.3}      {text}", at_ms as f64 / 1000.0);
        self.inner().trace.push(line);
    }

    /// Something that must not be.
    pub(crate) fn violation(&self, at_ms: i64, text: &str) {
        let line = format!("{:>10.3}  VIOLATION {text}", at_ms as f64 / 1000.0);
        let mut inner = self.inner();
        inner.trace.push(line.clone());
        inner.violations.push(line);
    }

    /// Counts how often something happened, for coverage.
    pub(crate) fn count(&self, what: &str) {
        self.count_many(what, 1);
    }

    pub(crate) fn count_many(&self, what: &str, times: u64) {
        *self.inner().counts.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.inner().events.clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.inner().trace.clone()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.inner().counts.clone()
    }

    /// FNV-1a over the trace.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.inner().trace.iter().flat_map(|line| line.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash
    }
}
