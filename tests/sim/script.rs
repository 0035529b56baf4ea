//! What a seed draws, as data: drawn whole before it is played, so that it can be printed, read back,
//! and made shorter while it still fails.
//!
//! Each step brings chance of its own: leaving one out changes nothing that the others draw.

use std::{fmt, str::FromStr};

use crate::{acts::Act, faults};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// The chance of both remotes and of the service.
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    /// Faults that hold from the first step to the last, by name, in how many of 1,000 calls or hints.
    pub(crate) faults: Vec<(String, u32)>,
    pub(crate) steps: Vec<Step>,
}

/// How both sides and the service are set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) users: usize,
    pub(crate) people: usize,
    pub(crate) latency_ms: u64,
    /// How many processes share the store.
    pub(crate) replicas: usize,
    /// Graph ignores `If-Match`.
    pub(crate) ignores_if_match: bool,
    /// Contacts that users made themselves, before the first sync, for people of Tribe.
    pub(crate) own_contacts: usize,
    /// How long the first sync has before the first step.
    pub(crate) lead_ms: u64,
    /// Configuration.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Something that somebody does or that goes wrong, and how long it is quiet afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) act: Act,
    pub(crate) chance: u32,
    pub(crate) wait_ms: u64,
    /// People look after users that wait for them.
    pub(crate) attend: bool,
}

fn key(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

impl Setup {
    fn draw(rng: &mut fastrand::Rng) -> Setup {
        let one_in = |rng: &mut fastrand::Rng, n: u32| rng.u32(0..n) == 0;
        let mut pairs = Vec::new();
        match rng.u8(0..10) {
            0..2 => pairs.push(key("sync.conflict", "outlook")),
            2 => pairs.push(key("sync.conflict", "hold")),
            _ => {}
        }
        if one_in(rng, 4) {
            pairs.push(key("tribe.read", "sets"));
        }
        if one_in(rng, 8) {
            pairs.push(key("sync.respect_deletes", true));
        }
        match rng.u8(0..8) {
            0 => pairs.push(key("sync.merge_guard", "hold")),
            1 => pairs.push(key("sync.merge_guard", "accept")),
            _ => {}
        }
        let own_contacts = if one_in(rng, 6) { rng.usize(1..4) } else { 0 };
        if own_contacts > 0 && rng.bool() {
            pairs.push(key("sync.match", "email_name"));
        }
        if one_in(rng, 6) {
            pairs.push(key("sync.brake_min", rng.u8(1..4)));
        }
        if one_in(rng, 10) {
            let ways = [
                ("function", "to_outlook"),
                ("function", "off"),
                ("business_phone", "to_tribe"),
                ("company", "off"),
                ("private_phone", "to_outlook"),
                ("birth_date", "off"),
                ("display_name", "off"),
            ];
            let (field, way) = ways[rng.usize(0..ways.len())];
            pairs.push(key(&format!("sync.fields.{field}"), way));
        }
        // Regular looks cost the most of a run: few seeds have many of them.
        for name in ["delta", "poll"] {
            let often = if one_in(rng, 4) { "2m" } else { "10m" };
            pairs.push(key(&format!("sync.{name}_interval"), often));
        }
        let ignores_if_match = one_in(rng, 3);
        if !ignores_if_match && rng.bool() {
            pairs.push(key("microsoft.trust_if_match", true));
        }
        Setup {
            users: [1, 1, 2, 2, 3][rng.usize(0..5)],
            people: rng.usize(2..8),
            latency_ms: [0, 20, 150][rng.usize(0..3)],
            replicas: if one_in(rng, 5) { 2 } else { 1 },
            ignores_if_match,
            own_contacts,
            lead_ms: rng.u64(0..60_000),
            pairs,
        }
    }

    pub(crate) fn says(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Script {
    /// What this seed stands for.
    pub(crate) fn draw(seed: u64) -> Script {
        let mut rng = fastrand::Rng::with_seed(seed);
        let setup = Setup::draw(&mut rng);
        let faulty = rng.u8(0..5) > 0;
        let mut armed = Vec::new();
        if faulty {
            let chosen = rng.usize(1..6);
            for _ in 0..chosen {
                let fault = faults::STANDING[rng.usize(0..faults::STANDING.len())];
                if armed.iter().all(|(name, _)| name != fault.name) {
                    armed.push((fault.name.to_owned(), rng.u32(10..=fault.most)));
                }
            }
        }
        let count = rng.usize(4..20);
        let steps = (0..count).map(|_| Step::draw(&mut rng, faulty)).collect();
        Script {
            seed,
            setup,
            faults: armed,
            steps,
        }
    }
}

impl Step {
    fn draw(rng: &mut fastrand::Rng, faulty: bool) -> Step {
        let wait_ms = match rng.u8(0..20) {
            0..7 => 0,
            7..13 => rng.u64(0..3_000),
            13..19 => rng.u64(0..60_000),
            _ => rng.u64(0..600_000),
        };
        Step {
            act: Act::draw(rng, faulty),
            chance: rng.u32(..),
            wait_ms,
            attend: rng.u8(0..10) == 0,
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setup = &self.setup;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(
            f,
            "world users {} people {} latency {} replicas {} ignores_if_match {} own_contacts {} lead {}",
            setup.users,
            setup.people,
            setup.latency_ms,
            setup.replicas,
            setup.ignores_if_match,
            setup.own_contacts,
            setup.lead_ms
        )?;
        for (key, value) in &setup.pairs {
            writeln!(f, "set {key} {value}")?;
        }
        for (name, share) in &self.faults {
            writeln!(f, "fault {share} {name}")?;
        }
        for step in &self.steps {
            let attend = if step.attend { " attend" } else { "" };
            writeln!(
                f,
                "step {} {} wait {}{attend}",
                step.act.name(),
                step.chance,
                step.wait_ms
            )?;
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Script, String> {
        let mut script = Script {
            seed: 0,
            setup: Setup::default(),
            faults: Vec::new(),
            steps: Vec::new(),
        };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            script
                .read(line)
                .ok_or_else(|| format!("cannot read {line:?}"))?;
        }
        Ok(script)
    }
}

impl Script {
    fn read(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["seed", seed] => self.seed = seed.parse().ok()?,
            ["world", rest @ ..] => {
                let setup = &mut self.setup;
                for pair in rest.chunks(2) {
                    let [name, value] = pair else { return None };
                    match *name {
                        "users" => setup.users = value.parse().ok()?,
                        "people" => setup.people = value.parse().ok()?,
                        "latency" => setup.latency_ms = value.parse().ok()?,
                        "replicas" => setup.replicas = value.parse().ok()?,
                        "ignores_if_match" => setup.ignores_if_match = value.parse().ok()?,
                        "own_contacts" => setup.own_contacts = value.parse().ok()?,
                        "lead" => setup.lead_ms = value.parse().ok()?,
                        _ => return None,
                    }
                }
            }
            ["set", name, value] => self.setup.pairs.push(key(name, value)),
            ["fault", share, name @ ..] => {
                self.faults.push((name.join(" "), share.parse().ok()?));
            }
            ["step", act, chance, "wait", wait, rest @ ..] => self.steps.push(Step {
                act: Act::named(act)?,
                chance: chance.parse().ok()?,
                wait_ms: wait.parse().ok()?,
                attend: *rest == ["attend"],
            }),
            _ => return None,
        }
        Some(())
    }
}

/// Leaves out whatever the script can do without and still fail, within `tries` runs.
pub(crate) fn shrink(script: &Script, tries: usize, fails: impl Fn(&Script) -> bool) -> Script {
    let mut best = script.clone();
    let mut left = tries;
    let mut attempt = |candidate: Script, best: &mut Script| {
        if left == 0 || candidate == *best {
            return false;
        }
        left -= 1;
        let shorter = fails(&candidate);
        if shorter {
            *best = candidate;
        }
        shorter
    };
    let mut size = best.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let mut candidate = best.clone();
            let end = (at + size).min(candidate.steps.len());
            candidate.steps.drain(at..end);
            if !attempt(candidate, &mut best) {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    for at in (0..best.faults.len()).rev() {
        let mut candidate = best.clone();
        candidate.faults.remove(at);
        attempt(candidate, &mut best);
    }
    for at in (0..best.setup.pairs.len()).rev() {
        let mut candidate = best.clone();
        candidate.setup.pairs.remove(at);
        attempt(candidate, &mut best);
    }
    let simpler: [fn(&mut Script); 4] = [
        |script| script.setup.replicas = 1,
        |script| script.setup.own_contacts = 0,
        |script| script.setup.ignores_if_match = false,
        |script| script.setup.latency_ms = 0,
    ];
    for simplify in simpler {
        let mut candidate = best.clone();
        simplify(&mut candidate);
        attempt(candidate, &mut best);
    }
    for at in 0..best.steps.len() {
        let mut candidate = best.clone();
        candidate.steps[at].attend = false;
        attempt(candidate, &mut best);
    }
    best
}
