//! Many seeds on several threads, and what they covered.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tribelink_plan::rule::Rule;

use crate::{
    acts::Act,
    faults,
    run::{Outcome, Strikes, play},
    script::{Script, shrink},
};

/// From how many seeds on the share of each fault and rule is judged.
const ENOUGH: u64 = 1_000;

/// In which share of the seeds each must occur at least.
const SHARE: f64 = 0.01;

/// Of so many seeds, one is played twice.
const TWICE: u64 = 50;

/// How many runs may go into making one script shorter.
const SHRINKING: usize = 300;

/// How many failing scripts are made shorter; the others are only named.
const SHORTENED: usize = 5;

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// On how many threads.
pub(crate) fn jobs() -> usize {
    let given = number("SIM_JOBS").and_then(|jobs| usize::try_from(jobs).ok());
    given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Does each of them on one of several threads; the answers come in their order.
pub(crate) fn spread<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let answer = work(item);
                    done.lock().expect("the answers").push((at, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("the answers");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// How many seconds of the processor this process has used; none where the system does not tell.
fn busy_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name in brackets, the twelfth and thirteenth: user and system time in hundredths.
    let fields: Vec<&str> = told.rsplit(')').next()?.split_whitespace().collect();
    let time = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((time(11)? + time(12)?) / 100.0)
}

/// What is told of a failure: commit, script, events, and what is wrong.
pub(crate) fn tell_failure(script: &Script, outcome: &Outcome) -> String {
    let commit = std::process::Command::new("git")
        .args(["rev-parse", "HEAD"])
        .output()
        .map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned())
        .unwrap_or_default();
    format!(
        "seed {} at {commit}\n{script}--\n{}\n--\n{}\n",
        script.seed,
        outcome.story.events().join("\n"),
        outcome.wrong.join("\n")
    )
}

/// A run of seeds.
pub(crate) struct Fleet {
    pub(crate) from: u64,
    pub(crate) count: u64,
}

/// What came of them.
pub(crate) struct Report {
    count: u64,
    seconds: f64,
    /// Of the processor, for all threads.
    busy: Option<f64>,
    /// In how many seeds, and how often.
    counts: BTreeMap<String, (u64, u64)>,
    failed: BTreeMap<u64, Vec<String>>,
}

/// What became of one seed.
struct One {
    counts: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

/// Plays a script; a panic is one more thing that is wrong.
pub(crate) fn judged(script: &Script) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| play(script, &Strikes::default()))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("it panicked: {}", text.unwrap_or_default())
    })
}

fn one(seed: u64) -> One {
    let script = Script::draw(seed);
    let outcome = match judged(&script) {
        Ok(outcome) => outcome,
        Err(panic) => {
            return One {
                counts: BTreeMap::new(),
                wrong: vec![panic],
            };
        }
    };
    let mut wrong = outcome.wrong;
    if seed.is_multiple_of(TWICE) {
        let again = judged(&script).map(|outcome| outcome.story.hash());
        if again != Ok(outcome.story.hash()) {
            wrong.push("the same script gave another trace".to_owned());
        }
    }
    One {
        counts: outcome.story.counts(),
        wrong,
    }
}

impl Fleet {
    #[expect(
        clippy::disallowed_methods,
        reason = "how fast the simulation itself runs"
    )]
    pub(crate) fn run(&self) -> Report {
        let (began, busy) = (Instant::now(), busy_seconds());
        let seeds: Vec<u64> = (self.from..self.from + self.count).collect();
        let (done, failing) = (AtomicU64::new(0), AtomicU64::new(0));
        let every = (self.count / 100).clamp(100, 2_000);
        let all = spread(&seeds, |seed| {
            let one = one(*seed);
            if !one.wrong.is_empty() {
                failing.fetch_add(1, Ordering::Relaxed);
                println!("seed {seed} fails: {}", one.wrong.join(" | "));
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(every) {
                let seconds = began.elapsed().as_secs_f64();
                let rate = done as f64 / seconds;
                println!(
                    "{done} of {} seeds, {} failed, {rate:.1} seeds/s, {:.0} s to go",
                    self.count,
                    failing.load(Ordering::Relaxed),
                    (self.count - done) as f64 / rate
                );
            }
            one
        });
        let mut report = Report {
            count: self.count,
            seconds: began.elapsed().as_secs_f64(),
            busy: busy_seconds().zip(busy).map(|(now, then)| now - then),
            counts: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for (seed, one) in seeds.into_iter().zip(all) {
            for (what, times) in one.counts {
                let known = report.counts.entry(what).or_default();
                known.0 += 1;
                known.1 += times;
            }
            if !one.wrong.is_empty() {
                report.failed.insert(seed, one.wrong);
            }
        }
        report
    }
}

impl Report {
    /// Faults, acts and rules that occurred in too few seeds.
    fn uncovered(&self) -> Vec<String> {
        if self.count < ENOUGH {
            return Vec::new();
        }
        let least = (self.count as f64 * SHARE).ceil() as u64;
        let standing = faults::STANDING
            .iter()
            .map(|fault| format!("fault {}", fault.name));
        let acts = Act::all().map(|act| {
            let kind = if act.is_fault() { "fault" } else { "act" };
            format!("{kind} {}", act.name())
        });
        let rules = Rule::ALL.iter().map(|rule| format!("rule {rule}"));
        standing
            .chain(acts)
            .chain(rules)
            .filter(|what| {
                self.counts
                    .get(what)
                    .is_none_or(|(seeds, _)| *seeds < least)
            })
            .collect()
    }

    pub(crate) fn holds(&self) -> bool {
        self.failed.is_empty() && self.uncovered().is_empty()
    }

    /// Coverage, rate, and which seeds failed.
    pub(crate) fn tell(&self) -> String {
        let mut text = String::new();
        for (what, (seeds, times)) in &self.counts {
            text += &format!("{times:>9} times in {seeds:>7} seeds: {what}\n");
        }
        for what in self.uncovered() {
            text += &format!("in too few seeds: {what}\n");
        }
        let rate = self.count as f64 / self.seconds;
        let jobs = jobs();
        let of_one_core = self.busy.map_or(f64::NAN, |busy| self.count as f64 / busy);
        text += &format!(
            "{} seeds in {:.1} s on {jobs} threads: {rate:.1} seeds/s, {of_one_core:.1} per second of one core\n",
            self.count, self.seconds
        );
        let failed: Vec<String> = self.failed.keys().map(u64::to_string).collect();
        text += &format!("{} seeds failed: {}", failed.len(), failed.join(" "));
        text
    }

    /// The first failures, made short.
    pub(crate) fn tell_first(&self) -> String {
        let mut text = self.uncovered().join(", ");
        for seed in self.failed.keys().take(SHORTENED) {
            let fails = |script: &Script| judged(script).map_or(true, |outcome| outcome.fails());
            let script = shrink(&Script::draw(*seed), SHRINKING, fails);
            text += "\n\n";
            text += &match judged(&script) {
                Ok(outcome) => tell_failure(&script, &outcome),
                Err(panic) => format!("seed {seed}\n{script}--\n{panic}\n"),
            };
        }
        text
    }
}
