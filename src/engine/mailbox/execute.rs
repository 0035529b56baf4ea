//! Does what the plans of a group say: Tribe first, one write for each changed record, then Outlook
//! in batches. Makes no choice of its own.

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use tribelink_plan::{
    contact::Contact,
    field::Field,
    link::{Link, LinkState},
    planner::{Next, Plan, TribeWrite},
    reading::Reading,
    rule::Rule,
};

use super::{
    Error, Job,
    case::{Case, End},
    graph, limited,
    pass::BATCH,
    shadow::{SHADOW, would},
};
use crate::{
    crash,
    graph::{Done, NewContact, Op},
    remote,
    store::{Change, LinkRow},
    trail::Subject,
    tribe::{Record, Written},
};

/// The fields of one write to Tribe; `None` empties.
type Fields = BTreeMap<Field, Option<String>>;

/// What came of one write to Tribe; the outer error ends the job.
type Sent = Result<Result<Written, remote::Error>, Error>;

/// Writes to Tribe in flight at once, for one mailbox.
const ABREAST: usize = 4;

impl Job<'_> {
    /// Carries out the plans of a group.
    pub(super) async fn execute(&mut self, cases: &mut [Case]) -> Result<(), Error> {
        if self.engine.settings.shadow {
            for case in cases.iter_mut().filter(|case| case.end.is_none()) {
                let lines = case.plan.take().map(|plan| would(&plan));
                self.tell(case, lines.unwrap_or_default()).await?;
                case.end = Some(End::Done);
            }
            return Ok(());
        }
        self.yield_to_newer(cases);
        // Until Graph answers, nothing of what is planned for Outlook was done.
        for case in cases.iter_mut() {
            case.outcome.patch_failed = case.plan.as_ref().is_some_and(writes_outlook);
        }
        self.write_ahead(cases).await?;
        self.write_tribe(cases).await?;
        self.write_outlook(cases).await
    }

    async fn write_tribe(&self, cases: &mut [Case]) -> Result<(), Error> {
        let mut writes: Vec<(usize, usize, Record, Fields)> = Vec::new();
        for (index, case) in cases.iter_mut().enumerate() {
            let person = case.person;
            let Some(update) = case.update().filter(|_| case.end.is_none()) else {
                continue;
            };
            for (place, write) in update.tribe.iter().enumerate() {
                writes.push((index, place, record_of(person, write), write.fields.clone()));
            }
            case.outcome.tribe = vec![false; update.tribe.len()];
        }
        let sends: Vec<BoxFuture<'_, Sent>> = writes
            .iter()
            .map(|(_, _, record, fields)| self.send_to_tribe(record, fields).boxed())
            .collect();
        let answers: Vec<Sent> = stream::iter(sends).buffered(ABREAST).collect().await;
        let mut stopped = None;
        for ((index, place, _, fields), answer) in writes.iter().zip(answers) {
            let case = &mut cases[*index];
            match answer {
                Ok(Ok(written)) => {
                    case.outcome.tribe[*place] = true;
                    if !self.shows(case, fields, &written) {
                        case.end = Some(End::Again(0));
                    }
                }
                Ok(Err(error)) => {
                    case.unknown |= error.is_unknown();
                    case.end = Some(self.end_of(case, &error));
                }
                Err(error) => stopped = Some(error),
            }
        }
        stopped.map_or(Ok(()), Err)
    }

    async fn send_to_tribe(&self, record: &Record, fields: &Fields) -> Sent {
        self.step_allowed()?;
        let limit = self.held.time_limit().await?;
        let sent = limited(limit, self.land.crm.update(record, fields)).await;
        crash::point("tribe-written");
        Ok(sent)
    }

    /// Whether Tribe's answer shows what was written; an answer without a body says nothing.
    fn shows(&self, case: &Case, fields: &Fields, written: &BTreeMap<Field, Reading>) -> bool {
        let fingerprints = self.fingerprints(case.person);
        let lens = self.lens(&fingerprints);
        fields
            .iter()
            .all(|(field, value)| match written.get(field) {
                None | Some(Reading::Unreadable) => true,
                Some(shown) => {
                    let planned = value.clone().map_or(Reading::Empty, Reading::Value);
                    lens.mark(*field, shown) == lens.mark(*field, &planned)
                }
            })
    }

    async fn write_outlook(&mut self, cases: &mut [Case]) -> Result<(), Error> {
        let mut ops: Vec<(usize, Op)> = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let Some(plan) = case
                .plan
                .as_ref()
                .filter(|_| !matches!(case.end, Some(End::Park(_))))
            else {
                continue;
            };
            match &plan.next {
                Next::Create(create) => {
                    let op = Op::Create(Box::new(NewContact {
                        properties: create.properties.clone(),
                        stamp: self.stamp(case.person),
                        category: self.land.policy.category.clone(),
                    }));
                    ops.push((index, op));
                }
                Next::Update(update) => {
                    if let (Some(patch), Some(contact)) = (&update.patch, case.contact()) {
                        let op = Op::Patch {
                            id: contact.id.clone(),
                            if_match: contact.etag.clone(),
                            patch: Box::new(patch.clone()),
                        };
                        ops.push((index, op));
                    }
                }
                _ => {}
            }
        }
        let mut chunks = ops.chunks(BATCH);
        while let Some(chunk) = chunks.next() {
            let batch: Vec<Op> = chunk.iter().map(|(_, op)| op.clone()).collect();
            let outlook = &self.engine.ports.outlook;
            let sent: Result<_, Error> =
                async { Ok(graph!(self, |call| outlook.run(call, &batch))) }.await;
            crash::point("outlook-written");
            let failed = match sent {
                Ok(Ok(answers)) => {
                    // One item's rest is the whole mailbox's.
                    let rest = remote::Error::longest_rest(&answers);
                    for ((index, _), answer) in chunk.iter().zip(answers) {
                        self.take_answer(&mut cases[*index], answer);
                    }
                    rest.map(Error::Remote)
                }
                Ok(Err(error)) => {
                    for (index, _) in chunk {
                        self.take_answer(&mut cases[*index], Err(error.clone()));
                    }
                    matches!(error, remote::Error::Throttled { .. }).then_some(Error::Remote(error))
                }
                Err(error) => {
                    let unsent =
                        remote::Error::Transient("the job ended before it was sent".to_owned());
                    for (index, _) in chunk {
                        self.take_answer(&mut cases[*index], Err(unsent.clone()));
                    }
                    Some(error)
                }
            };
            if let Some(error) = failed {
                let unsent = remote::Error::Transient("an earlier batch failed".to_owned());
                for (index, _) in chunks.flatten() {
                    self.take_answer(&mut cases[*index], Err(unsent.clone()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn take_answer(&mut self, case: &mut Case, answer: Result<Done, remote::Error>) {
        let creates = matches!(
            case.plan.as_ref().map(|plan| &plan.next),
            Some(Next::Create(_))
        );
        match answer {
            Ok(Done::Contact(contact)) => {
                case.outcome.patch_failed = false;
                if let Some(listing) = &mut self.listing {
                    listing.learn(case.person, &contact);
                }
                case.outcome.answer = Some(*contact);
            }
            Ok(Done::Found(_)) => case.end = Some(End::Again(0)),
            // The create may have happened: the intent stays and is looked for.
            Err(error) if creates && error.is_unknown() => {
                case.end = Some(End::Wait(looks_after_ms(case.attempts)));
            }
            Err(error) => {
                if creates {
                    case.changes.push(self.not_created(case));
                } else {
                    case.unknown |= error.is_unknown();
                }
                case.end = Some(match error {
                    // The whole mailbox rests: whoever puts off the job's hints says how long.
                    remote::Error::Throttled { .. } => End::PutOff,
                    error => self.end_of(case, &error),
                });
            }
        }
    }

    /// The create certainly did not happen: the intent may be repeated at once.
    fn not_created(&self, case: &Case) -> Change {
        let former = case.row.as_ref().map(|row| row.link.clone());
        let link = match former {
            Some(link) if link.state != LinkState::Intent => link,
            _ => Link {
                settles_at_ms: 0,
                ..Link::intent(tribelink_plan::person::Kind::Contact)
            },
        };
        self.put_link(case, link)
    }

    pub(super) fn put_link(&self, case: &Case, link: Link) -> Change {
        self.put_link_of(case, link, case.outcome.answer.as_ref())
    }

    /// The same, where Graph answered a write with this contact.
    pub(super) fn put_link_of(&self, case: &Case, link: Link, answer: Option<&Contact>) -> Change {
        let outlook_ms = case.modified_ms(&link, answer);
        Change::PutLink(Box::new(LinkRow {
            environment: self.user.environment.clone(),
            user: self.user.id,
            person: case.person,
            link,
            changed_ms: self.engine.now(),
            outlook_ms,
            ahead: None,
        }))
    }

    /// Records an adopted or moved contact, stamped first where it has no stamp yet (R12, R13).
    pub(super) async fn relink(
        &mut self,
        case: &mut Case,
        link: Link,
        rule: Rule,
        stamp: bool,
    ) -> Result<(), Error> {
        if self.engine.settings.shadow {
            let line = (rule, format!("{SHADOW}: would adopt"), Vec::new());
            self.tell(case, vec![line]).await?;
            case.end = Some(End::Done);
            return Ok(());
        }
        let Some(id) = link.contact.clone() else {
            case.end = Some(End::Again(0));
            return Ok(());
        };
        if stamp {
            let known: Option<&Contact> = case.matches.iter().find(|contact| contact.id == id);
            let ops = [Op::StampIt {
                id: id.clone(),
                if_match: known.and_then(|contact| contact.etag.clone()),
                display_name: known
                    .and_then(|contact| contact.display_name.value().map(str::to_owned)),
                stamp: self.stamp(case.person),
            }];
            let outlook = &self.engine.ports.outlook;
            let answers = graph!(self, |call| outlook.run(call, &ops))?;
            crash::point("contact-stamped");
            match answers.into_iter().next() {
                Some(Ok(Done::Contact(contact))) => {
                    if let Some(listing) = &mut self.listing {
                        listing.learn(case.person, &contact);
                    }
                }
                Some(Err(error)) => {
                    case.end = Some(self.end_of(case, &error));
                    return Ok(());
                }
                _ => {
                    case.end = Some(End::Again(0));
                    return Ok(());
                }
            }
        }
        let subject = Subject {
            environment: &self.user.environment,
            user: self.user.id,
            person: case.person,
            contact: Some(&id),
            cause: case.source,
            at_ms: self.engine.now(),
            pass: self.held.lease().fence,
        };
        let note = if case
            .row
            .as_ref()
            .is_some_and(|row| row.link.contact.is_some())
        {
            "found again"
        } else {
            "adopted"
        };
        let put = self.put_link(case, link);
        let line = subject.link_changed(rule, note);
        if let Change::PutLink(row) = &put {
            case.row = Some((**row).clone());
        }
        self.held.commit(vec![put, line]).await
    }
}

fn writes_outlook(plan: &Plan) -> bool {
    match &plan.next {
        Next::Create(_) => true,
        Next::Update(update) => update.patch.is_some(),
        _ => false,
    }
}

fn record_of(person: tribelink_plan::ids::PersonId, write: &TribeWrite) -> Record {
    match &write.relationship {
        None => Record::Person(person),
        Some((set, id)) => Record::Relationship(set.clone(), *id),
    }
}

/// When to look for a create of unknown outcome: four times over more than a minute and a half.
fn looks_after_ms(attempts: u32) -> i64 {
    [2_000, 20_000, 40_000]
        .get(attempts as usize)
        .copied()
        .unwrap_or(40_000)
}
