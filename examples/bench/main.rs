//! The tools of `scripts/bench` that must be quick themselves: the load, and the yardsticks that it is
//! compared with. Each prints one line of JSON.
//!
//! ```text
//! bench echo                                       a bare hyper server that says each body back
//! bench commits FOLDER SECONDS                     one row after the other into SQLite, synchronous=FULL
//! bench syncs FOLDER SECONDS                       fdatasync after each 1 KB appended to a file
//! bench load ADDRESS PATH CONNECTIONS SECONDS      POSTs as fast as answers come, about
//!            [tribe SECRET | graph FILE ITEMS]     one person each, or so many contacts each; with
//!                                                  SECONDS@RATE so many per second, evenly
//! bench tell ADDRESS PATH CONNECTIONS SECRET FILE  one signed POST for each person that a file lists
//! ```
//!
//! # Map
//! - [`load`]: connections, requests and their times. [`delivery`]: what is sent.
//! - [`yardstick`]: echo, commits, syncs.
#![expect(
    clippy::unwrap_used,
    reason = "a tool for measurements: whatever fails ends it"
)]
#![expect(clippy::disallowed_methods, reason = "real time is what it measures")]

mod delivery;
mod load;
mod yardstick;

use std::{path::Path, time::Duration};

use delivery::Kind;
use load::Pace;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seconds = |text: &str| Duration::from_secs_f64(text.parse().unwrap());
    let told = match *words {
        ["echo"] => yardstick::echo().await,
        ["commits", folder, time] => yardstick::commits(Path::new(folder), seconds(time)).await,
        ["syncs", folder, time] => yardstick::syncs(Path::new(folder), seconds(time)),
        ["load", address, path, connections, time, ref kind @ ..] => {
            let kind = match *kind {
                [] => Kind::tribe("nobody checks it"),
                ["tribe", secret] => Kind::tribe(secret),
                ["graph", file, items] => Kind::graph(Path::new(file), items.parse().unwrap()),
                _ => panic!("either tribe SECRET, or graph FILE ITEMS"),
            };
            let (time, rate) = time.split_once('@').unwrap_or((time, "inf"));
            let pace = Pace {
                connections: connections.parse().unwrap(),
                time: seconds(time),
                rate: rate.parse().unwrap(),
            };
            load::run(address, path, &pace, &kind).await
        }
        ["tell", address, path, connections, secret, file] => {
            let kind = Kind::people(secret, Path::new(file));
            load::tell(address, path, connections.parse().unwrap(), &kind).await
        }
        _ => panic!("echo, commits, syncs, load or tell: see the head of examples/bench/main.rs"),
    };
    println!("{told}");
}
