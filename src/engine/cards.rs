//! Both cards of a person as they stand now: what a person looks at before a decision. Nothing is
//! kept; values live as long as the answer.

use std::time::Duration;

use async_trait::async_trait;
use tribelink_plan::{
    base::Mark,
    contact::Contact,
    eligibility::main_relationship,
    field::{Field, Side},
    ids::PersonId,
    link::Link,
    mapping::{Lens, tribe_reading, view},
    person::Person,
    reading::Reading,
};

use super::{Error, explain::Explain};
use crate::{
    activation::tokens,
    graph::{Call, Done, Op},
    ports::{BothCards, CardField, Cards},
    remote,
    store::User,
};

/// Time limit of the read of Outlook: somebody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

#[async_trait]
impl Cards for Explain {
    async fn cards(
        &self,
        user: &User,
        person: PersonId,
    ) -> Result<Option<BothCards>, remote::Error> {
        let engine = self.engine();
        let land = engine.land(&user.environment).await;
        let land = land.map_err(|error| match error {
            Error::Remote(error) => error,
            error => remote::Error::Transient(error.to_string()),
        })?;
        let store = &engine.ports.store;
        let row = store.link(user.id, person).await;
        let row = row.map_err(|error| remote::Error::Transient(error.to_string()))?;
        let read = land.crm.person(person).await?;
        if read.is_none() && row.is_none() {
            return Ok(None);
        }
        let link = row.map(|row| row.link);
        let contact = match &link {
            Some(link) => self.contact(user, link).await?,
            None => None,
        };
        let fingerprints = land.key.bind(user.id, person);
        let lens = Lens {
            policy: &land.policy,
            fingerprints: &fingerprints,
        };
        let pair = Pair {
            person: read.as_ref(),
            contact: contact.as_ref().and_then(Option::as_ref),
            link: link.as_ref(),
            lens,
        };
        let fields = Field::ALL
            .into_iter()
            .map(|field| pair.field(field, user, land.organization))
            .collect();
        Ok(Some(BothCards {
            link: link.as_ref().map(|link| link.state),
            in_tribe: read.is_some(),
            in_outlook: contact.map(|contact| contact.is_some()),
            fields,
        }))
    }
}

impl Explain {
    /// The link's contact; the outer `None`: it was not read, for there is no token or no contact.
    async fn contact(
        &self,
        user: &User,
        link: &Link,
    ) -> Result<Option<Option<Contact>>, remote::Error> {
        let engine = self.engine();
        let Some(id) = &link.contact else {
            return Ok(None);
        };
        let token = match engine.ports.keeper.access(user.id).await {
            Ok(token) => token,
            Err(tokens::Error::Remote(error)) => return Err(error),
            Err(_) => return Ok(None),
        };
        let call = Call {
            token: &token,
            timeout: TIMEOUT,
        };
        let ops = [Op::Read(id.clone())];
        let answers = engine.ports.outlook.run(&call, &ops).await?;
        match answers.into_iter().next() {
            Some(Ok(Done::Contact(contact))) => Ok(Some(Some(*contact))),
            Some(Err(remote::Error::NotFound)) => Ok(Some(None)),
            Some(Err(error)) => Err(error),
            _ => Ok(None),
        }
    }
}

struct Pair<'a> {
    person: Option<&'a Person>,
    contact: Option<&'a Contact>,
    link: Option<&'a Link>,
    lens: Lens<'a>,
}

impl Pair<'_> {
    fn field(
        &self,
        field: Field,
        user: &User,
        own: tribelink_plan::ids::OrganizationId,
    ) -> CardField {
        let tribe = self.person.map_or(Reading::Unreadable, |person| {
            let linked = self.link.and_then(|link| link.relationship);
            let main = linked
                .and_then(|id| person.relationship(id))
                .or_else(|| main_relationship(person, user.employee))
                .or_else(|| person.relationships.first());
            tribe_reading(person, main, field, Some(own))
        });
        let outlook = match (self.contact, self.link) {
            (Some(contact), Some(link)) => self.outlook(field, contact, link),
            _ => Reading::Unreadable,
        };
        let base = self.link.map(|link| link.base.get(field));
        let stands = |side: Side, reading: &Reading| {
            let known = base.map_or(Mark::Unknown, |base| base.of(side));
            let now = self.lens.mark(field, reading);
            (known != Mark::Unknown && now != Mark::Unknown).then(|| known == now)
        };
        CardField {
            field,
            tribe_stands: stands(Side::Tribe, &tribe),
            outlook_stands: stands(Side::Outlook, &outlook),
            tribe: tribe.value().map(str::to_owned),
            outlook: outlook.value().map(str::to_owned),
            direction: self.lens.policy.direction(field),
        }
    }

    fn outlook(&self, field: Field, contact: &Contact, link: &Link) -> Reading {
        if field == Field::DisplayName {
            return contact.display_name.clone();
        }
        let seen = view(contact, link.kind, link.slots, &link.base, self.lens);
        seen.reading(field)
    }
}
