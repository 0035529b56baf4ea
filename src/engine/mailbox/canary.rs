//! The canary in one mailbox: a round that begins here is typed into its contact as the user would, and
//! what a pass recorded of it proves the way. Neither touches the link.

use tribelink_plan::{
    canonical::mark,
    contact::{Change as Put, Contact, ContactPatch},
    field::Side,
    ids::ContactId,
    link::LinkState,
    reading::Reading,
};

use super::{Error, Job, case::Case, graph};
use crate::{
    canary,
    engine::retry,
    graph::{Done, Op},
    remote,
    store::{Change, Hint},
};

/// What typing came to.
enum Typed {
    /// It stands there.
    Done,
    /// There is no such contact, or nothing to type into.
    Nowhere,
    /// Graph refused this one for now.
    NotNow(remote::Error),
}

impl Job<'_> {
    /// Types a round's value into the contact. One that another round has overtaken is not typed any more;
    /// whoever waits for it goes on waiting, as long as nothing arrived.
    pub(super) async fn canary(&mut self, hint: &Hint, number: i64) -> Result<(), Error> {
        let done = Change::DropHints(vec![hint.id]);
        let store = &self.engine.ports.store;
        let round = store.canary(&self.user.environment).await?;
        let newest = round.is_some_and(|round| round.number == number);
        let Some(person) = self.land.canary().filter(|_| newest) else {
            return self.held.commit(vec![done]).await;
        };
        let row = store.link(self.user.id, person).await?;
        let link = row.map(|row| row.link);
        let link = link.filter(|link| link.state == LinkState::Linked);
        let typed = match link.and_then(|link| link.contact) {
            Some(contact) => self.type_value(contact, &canary::value(number)).await?,
            None => Typed::Nowhere,
        };
        match typed {
            Typed::Done => self.held.commit(vec![done]).await,
            Typed::Nowhere => {
                let end = Change::EndCanaryWait {
                    user: self.user.id,
                    to: Side::Tribe,
                };
                self.held.commit(vec![done, end]).await
            }
            // Nothing else of the mailbox waits for that.
            Typed::NotNow(error) => {
                tracing::info!(user = %self.user.id, %error, "the canary's value was not taken; trying again");
                let attempts = hint.hint.attempts;
                let wait_ms = retry::backoff_ms(attempts, self.chance());
                let later = Change::DelayHints {
                    ids: vec![hint.id],
                    not_before_ms: self.engine.now() + wait_ms,
                    attempts: attempts.saturating_add(1),
                };
                self.held.commit(vec![later]).await
            }
        }
    }

    async fn type_value(&mut self, id: ContactId, value: &str) -> Result<Typed, Error> {
        let ops = [Op::Read(id.clone())];
        let outlook = &self.engine.ports.outlook;
        let answers = graph!(self, |call| outlook.run(call, &ops))?;
        let contact = match answers.into_iter().next() {
            Some(Ok(Done::Contact(contact))) => contact,
            Some(Err(error)) => return refused(error),
            _ => return Ok(Typed::Nowhere),
        };
        let Some(patch) = typed(&contact, value) else {
            return Ok(Typed::Nowhere);
        };
        self.step_allowed()?;
        let ops = [Op::Patch {
            id,
            if_match: contact.etag.clone(),
            patch: Box::new(patch),
        }];
        let answers = graph!(self, |call| outlook.run(call, &ops))?;
        match answers.into_iter().next() {
            Some(Err(error)) => refused(error),
            _ => Ok(Typed::Done),
        }
    }

    /// What this pass proves, where it was about the canary.
    pub(super) async fn proven(
        &self,
        case: &Case,
        changes: &[Change],
    ) -> Result<Vec<Change>, Error> {
        if self.land.canary() != Some(case.person) {
            return Ok(Vec::new());
        }
        let recorded = changes.iter().rev().find_map(|change| match change {
            Change::PutLink(row) => Some(&row.link),
            _ => None,
        });
        let known = case.row.as_ref().map(|row| &row.link);
        let Some(link) = recorded.or(known) else {
            return Ok(Vec::new());
        };
        let store = &self.engine.ports.store;
        let Some(round) = store.canary(&self.user.environment).await? else {
            return Ok(Vec::new());
        };
        let proofs = store.canary_proofs_of(self.user.id).await?;
        let fingerprints = self.fingerprints(case.person);
        let policy = &self.land.policy;
        let mark = |value: &str| {
            let reading = Reading::Value(value.to_owned());
            mark(canary::FIELD, &reading, policy, &fingerprints)
        };
        let base = link.base.get(canary::FIELD);
        let now = self.engine.now();
        let user = self.user.id;
        let mut changes = canary::proves(user, base, &round, &proofs, mark, now);
        if changes
            .iter()
            .any(|change| matches!(change, Change::ProveCanary { .. }))
        {
            // Where the other way is late, the next chores say so again.
            changes.push(Change::ClearAlert(canary::late_key(user)));
        }
        Ok(changes)
    }
}

/// What a refusal of the one operation means; a rest is the whole mailbox's.
fn refused(error: remote::Error) -> Result<Typed, Error> {
    match error {
        remote::Error::NotFound => Ok(Typed::Nowhere),
        remote::Error::Throttled { .. } => Err(error.into()),
        error => Ok(Typed::NotNow(error)),
    }
}

/// The value in the place of the first private number; further ones stay. `None`: the numbers could not be
/// read, and what is not known is not replaced.
fn typed(contact: &Contact, value: &str) -> Option<ContactPatch> {
    let mut numbers = contact.home_phones.clone()?;
    match numbers.first_mut() {
        Some(first) => value.clone_into(first),
        None => numbers.push(value.to_owned()),
    }
    // Graph composes anew what a PATCH omits (Graph reference 2.2).
    let display_name = match &contact.display_name {
        Reading::Value(name) => Put::Set(name.clone()),
        Reading::Empty | Reading::Unreadable => Put::Leave,
    };
    Some(ContactPatch {
        display_name,
        home_phones: Put::Set(numbers),
        ..ContactPatch::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_takes_the_place_of_the_first_number_and_of_nothing_else() {
        let contact = |numbers: Option<Vec<&str>>| Contact {
            display_name: Reading::Value("Proof".to_owned()),
            home_phones: numbers.map(|all| all.into_iter().map(str::to_owned).collect()),
            ..Contact::unread(ContactId::from("A"))
        };
        let numbers = |before| {
            let patch = typed(&contact(before), "new")?;
            assert_eq!(patch.display_name, Put::Set("Proof".to_owned()));
            match patch.home_phones {
                Put::Set(numbers) => Some(numbers.join(" ")),
                _ => None,
            }
        };
        assert_eq!(
            numbers(Some(vec!["old", "further"])).as_deref(),
            Some("new further")
        );
        assert_eq!(numbers(Some(vec![])).as_deref(), Some("new"));
        assert_eq!(numbers(None), None);
    }
}
