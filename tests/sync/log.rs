//! The calls that the sandbox received. Token requests are counted apart from the rest.

use tribelink_sandbox::calls::Entry;

use crate::world::World;

/// Calls by what they are; batch items count one by one, the batch itself as a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) tribe_reads: usize,
    pub(crate) tribe_writes: usize,
    pub(crate) graph_reads: usize,
    pub(crate) graph_writes: usize,
    /// HTTP requests to Graph.
    pub(crate) graph_requests: usize,
}

impl World {
    pub(crate) fn calls(&self) -> Vec<Entry> {
        self.sandbox.ctx.lock().calls.entries().cloned().collect()
    }

    /// The log in short.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |call: &Entry| {
            let status = call
                .status
                .map_or_else(|| "cut".to_owned(), |status| status.to_string());
            let path: String = call.path.chars().take(110).collect();
            format!("{} {} {path} {status}", call.side, call.method)
        };
        self.calls().iter().map(line).collect()
    }

    pub(crate) fn clear_calls(&self) {
        self.sandbox.ctx.lock().calls.clear();
    }

    /// What was counted since the log was cleared.
    pub(crate) fn count(&self) -> Count {
        count(&self.calls())
    }
}

pub(crate) fn count(calls: &[Entry]) -> Count {
    let mut count = Count::default();
    for call in calls {
        let read = call.method == "GET";
        let batch = call.path.ends_with("/$batch");
        match call.side {
            "tribe" if read => count.tribe_reads += 1,
            "tribe" => count.tribe_writes += 1,
            "graph" => {
                count.graph_requests += usize::from(!call.batch_item);
                if !batch && read {
                    count.graph_reads += 1;
                } else if !batch {
                    count.graph_writes += 1;
                }
            }
            _ => {}
        }
    }
    count
}
