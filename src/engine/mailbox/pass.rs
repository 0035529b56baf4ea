//! A bunch of hints becomes cases, a hundred people at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
};

use futures_util::future::{Either, select};
use tribelink_plan::{
    ids::{ContactId, PersonId},
    planted::{self, Bug},
};

use super::{Error, Job, case::Case, graph};
use crate::{
    graph::{Done, Op},
    remote,
    store::{Change, Hint, Source, Target},
    telemetry::meter,
};

/// People in one group: as many as one bulk read of Tribe takes.
pub(super) const GROUP: usize = 100;

/// Operations in one `$batch`.
pub(super) const BATCH: usize = 20;

impl Job<'_> {
    /// Works on hints about people and contacts.
    pub(super) async fn pass(&mut self, waiting: &[Hint]) -> Result<(), Error> {
        let (cases, dropped) = self.cases(waiting).await?;
        if cases.is_empty() {
            let end = self.end_of_pass();
            return self
                .held
                .commit(vec![Change::DropHints(dropped), end])
                .await;
        }
        self.held.commit(vec![Change::DropHints(dropped)]).await?;
        if self.is_braked(&cases).await? {
            return Ok(());
        }
        let mut cases = cases;
        while !cases.is_empty() {
            let later = cases.split_off(cases.len().min(GROUP));
            let group = std::mem::replace(&mut cases, later);
            self.step_allowed()?;
            if !self.still_working().await? {
                return Ok(());
            }
            self.group(group, &cases).await?;
        }
        Ok(())
    }

    /// Whether the user's state still lets the pass go on: somebody may have paused or disconnected
    /// it meanwhile, on any replica.
    async fn still_working(&mut self) -> Result<bool, Error> {
        let store = &self.engine.ports.store;
        let user = store.user(self.user.id).await?.ok_or(Error::NoLane)?;
        self.user = user;
        Ok(self.user.state.works())
    }

    /// One group: gather, plan, execute, record. While it is written, Tribe is read for the next.
    async fn group(&mut self, mut cases: Vec<Case>, later: &[Case]) -> Result<(), Error> {
        let gathered = self.gather(&mut cases).await;
        let next = &later[..later.len().min(GROUP)];
        let mut early = pin!(self.early_read(next));
        let mut read = None;
        let executed = match gathered {
            Ok(()) => {
                let execute = pin!(self.execute(&mut cases));
                match select(execute, &mut early).await {
                    Either::Left((executed, _)) => executed,
                    Either::Right((people, execute)) => {
                        read = Some(people);
                        execute.await
                    }
                }
            }
            Err(error) => {
                // Nothing of what is planned so far was done.
                for case in &mut cases {
                    case.plan = None;
                }
                Err(error)
            }
        };
        // What was done is recorded even when the rest could not be.
        match executed {
            Ok(()) => {
                let end = later.is_empty().then(|| self.end_of_pass());
                self.record(&mut cases, end).await?;
                // Waited for only now: until here, what was done would stand unrecorded.
                self.early = match read {
                    Some(people) => people,
                    None => early.await,
                };
                Ok(())
            }
            // The store failed or the lease is gone: nothing can be recorded.
            Err(error @ Error::Store(_)) => Err(error),
            Err(error) => {
                for case in cases.iter_mut().filter(|case| case.end.is_none()) {
                    case.end = Some(super::case::End::PutOff);
                }
                let recorded = self.record(&mut cases, None).await;
                if let (Err(_), Error::Remote(remote::Error::Throttled { after })) =
                    (&recorded, &error)
                {
                    self.rest(after.unwrap_or_default()).await?;
                }
                recorded.and(Err(error))
            }
        }
    }

    /// Sorts hints by person; those of echoes and strangers are to be dropped.
    async fn cases(&mut self, waiting: &[Hint]) -> Result<(Vec<Case>, Vec<i64>), Error> {
        let mut cases: BTreeMap<PersonId, Case> = BTreeMap::new();
        let mut contacts: BTreeMap<ContactId, Vec<&Hint>> = BTreeMap::new();
        let mut dropped: Vec<i64> = Vec::new();
        let mut echoes = 0;
        for hint in waiting {
            match &hint.hint.target {
                Target::Person { id, .. } => {
                    add(&mut cases, *id, hint, looks_at_outlook(hint.hint.source))
                }
                Target::Undo { person, lines } => {
                    add(&mut cases, *person, hint, true);
                    if let Some(case) = cases.get_mut(person) {
                        case.undo.extend(lines);
                    }
                }
                Target::Contact { id, .. } => contacts.entry(id.clone()).or_default().push(hint),
                _ => dropped.push(hint.id),
            }
        }
        let ids: Vec<ContactId> = contacts.keys().cloned().collect();
        let store = &self.engine.ports.store;
        let mut linked: BTreeMap<ContactId, (PersonId, Option<String>, i64)> = BTreeMap::new();
        let now = self.engine.now();
        for chunk in ids.chunks(500) {
            for row in store.links_of_contacts(self.user.id, chunk).await? {
                if let Some(contact) = row.link.contact {
                    let etag = row.link.etag.map(|etag| etag.0);
                    linked.insert(contact, (row.person, etag, row.link.settles_at_ms));
                }
            }
        }
        let mut strangers: BTreeMap<ContactId, Vec<&Hint>> = BTreeMap::new();
        for (contact, hints) in contacts {
            let Some((person, etag, settles)) = linked.get(&contact) else {
                strangers.insert(contact, hints);
                continue;
            };
            let content = self.content_of(&contact, &hints);
            for hint in hints {
                let noticed = match &hint.hint.target {
                    Target::Contact { etag, .. } => etag.as_ref(),
                    _ => None,
                };
                // R14: the etag tells that this is our own write.
                if noticed.is_some() && noticed == etag.as_ref() || planted_echo(*settles, now) {
                    dropped.push(hint.id);
                    echoes += 1;
                } else {
                    add(&mut cases, *person, hint, true);
                }
            }
            if let Some(case) = cases.get_mut(person) {
                case.content = content;
            }
        }
        for (person, hint) in self.judge_strangers(&strangers).await? {
            match person {
                Some(person) => {
                    add(&mut cases, person, hint, true);
                    if let (Some(case), Target::Contact { id, .. }) =
                        (cases.get_mut(&person), &hint.hint.target)
                    {
                        case.copies.push(id.clone());
                    }
                }
                None => dropped.push(hint.id),
            }
        }
        meter::echoed(&self.user.environment, meter::Echo::Outlook, echoes);
        Ok((cases.into_values().collect(), dropped))
    }

    /// Reads contacts without a link: one with a stamp of this mailbox concerns its person (R12),
    /// any other is ignored (R10).
    async fn judge_strangers<'h>(
        &mut self,
        strangers: &BTreeMap<ContactId, Vec<&'h Hint>>,
    ) -> Result<Vec<(Option<PersonId>, &'h Hint)>, Error> {
        let mut judged = Vec::new();
        let ids: Vec<&ContactId> = strangers.keys().collect();
        for chunk in ids.chunks(BATCH) {
            let ops: Vec<Op> = chunk.iter().map(|id| Op::Read((*id).clone())).collect();
            let outlook = &self.engine.ports.outlook;
            let answers = graph!(self, |call| outlook.run(call, &ops))?;
            if let Some(rest) = remote::Error::longest_rest(&answers) {
                return Err(rest.into());
            }
            for (id, answer) in chunk.iter().zip(answers) {
                let person = match answer {
                    Ok(Done::Contact(contact)) => {
                        self.stamped_person(contact.stamp.as_ref().and_then(Option::as_ref))
                    }
                    Ok(Done::Found(_)) | Err(remote::Error::NotFound) => None,
                    Err(error) if error.is_passing() => return Err(Error::Remote(error)),
                    Err(_) => None,
                };
                for hint in strangers.get(*id).into_iter().flatten() {
                    judged.push((person, *hint));
                }
            }
        }
        Ok(judged)
    }

    /// After a pass both sides were seen in step.
    fn end_of_pass(&mut self) -> Change {
        self.user.proven_ms = Some(self.engine.now());
        self.chores_change(self.user.chores_due_ms, self.user.throttled_until_ms)
    }
}

fn planted_echo(settles_at_ms: i64, now_ms: i64) -> bool {
    planted::is(Bug::EchoByTime) && now_ms < settles_at_ms
}

/// Hints from Tribe concern Tribe's side; Outlook is read only when Tribe has news.
fn looks_at_outlook(source: Source) -> bool {
    !matches!(source, Source::Webhook | Source::Poll)
}

fn add(cases: &mut BTreeMap<PersonId, Case>, person: PersonId, hint: &Hint, look: bool) {
    let case = cases
        .entry(person)
        .or_insert_with(|| Case::new(person, hint.hint.source));
    case.hints.push(hint.id);
    let since_ms = [case.since_ms, Some(hint.hint.received_ms)];
    case.since_ms = since_ms.into_iter().flatten().min();
    case.attempts = case.attempts.max(hint.hint.attempts);
    case.behind = case.behind.and(match hint.hint.target {
        Target::Person { read, .. } => read,
        _ => None,
    });
    // A retried hint looks at everything: what it was after may be on either side.
    case.look_at_outlook |= look || hint.hint.attempts > 0;
    // A contact that changed comes with its etag; one that went has none.
    case.told_gone |= matches!(hint.hint.target, Target::Contact { etag: None, .. });
    if let Target::Contact { id, etag } = &hint.hint.target {
        case.told_ms = case.told_ms.max(hint.hint.received_ms);
        if let Some(etag) = etag {
            let told = (hint.id, etag.clone());
            let last = case.told_etags.entry(id.clone()).or_default();
            if *last < told {
                *last = told;
            }
        }
    }
    case.told_changed |= matches!(hint.hint.source, Source::Notification | Source::Delta);
}

/// The people of a bunch of cases.
pub(super) fn people_of(cases: &[Case]) -> Vec<PersonId> {
    let all: BTreeSet<PersonId> = cases.iter().map(|case| case.person).collect();
    all.into_iter().collect()
}
