//! The port's methods, each from requests and the form of their answers.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tribelink_plan::{
    contact::Contact,
    ids::{ContactId, Etag, FolderId},
};

use super::{Ask, Client};
use crate::{
    graph::{
        Call, ContactPage, DeltaPage, Done, Folder, Me, NewSubscription, Op, Outlook,
        SubscriptionInfo, query,
        wire::{self, Missing},
    },
    remote::{Error, answer::Act},
};

/// Rows of a delta page: small pages keep a mailbox worker's lease short, and a page that dies
/// with its cursor costs little.
const DELTA_PAGE: usize = 200;

/// More folders than this are not walked: a mailbox with so many is not kept by a person.
const MAX_FOLDERS: usize = 1000;

fn bad_date(_: wire::BadDate) -> Error {
    Error::Rejected {
        status: 0,
        code: "birthday".to_owned(),
    }
}

fn too_many_folders() -> Error {
    Error::Rejected {
        status: 0,
        code: "too_many_folders".to_owned(),
    }
}

fn contacts(folder: &Folder) -> String {
    if folder.is_default {
        query::CONTACTS.to_owned()
    } else {
        query::contacts_of(&folder.id)
    }
}

impl Client {
    /// The default folder, by name, else by one of its contacts (Graph reference 2.5).
    async fn default_folder(&self, call: &Call<'_>) -> Result<FolderId, Error> {
        let by_name = Ask::get("folders", query::DEFAULT_FOLDER);
        match self.plain(call, &by_name).await {
            Ok(row) => wire::folder(&row).map_err(|missing| by_name.missing(missing)),
            Err(Error::NotFound | Error::Rejected { .. }) => {
                let by_contact = Ask::get("folders", query::ONE_CONTACT);
                let page = self.plain(call, &by_contact).await?;
                let (rows, _) = wire::list(&page).map_err(|missing| by_contact.missing(missing))?;
                rows.iter()
                    .find_map(wire::folder_of)
                    .ok_or_else(|| by_contact.missing(Missing("default folder")))
            }
            Err(error) => Err(error),
        }
    }

    /// The folders of a list that may go on.
    async fn folder_rows(
        &self,
        call: &Call<'_>,
        ask: &Ask,
        first: Value,
    ) -> Result<Vec<FolderId>, Error> {
        let mut ids = Vec::new();
        let mut page = first;
        loop {
            let (rows, next) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
            for row in rows {
                ids.push(wire::folder(row).map_err(|missing| ask.missing(missing))?);
            }
            let Some(next) = next.map(str::to_owned) else {
                return Ok(ids);
            };
            if ids.len() > MAX_FOLDERS {
                return Err(too_many_folders());
            }
            page = self.page(call, ask, Some(&next)).await?;
        }
    }

    /// The requests that an operation needs.
    fn asks(&self, op: &Op) -> Result<Vec<Ask>, Error> {
        let patch = |endpoint, id: &ContactId, if_match: &Option<Etag>, body| {
            Ask::write(endpoint, Method::PATCH, query::contact(id), body)
                .if_match(if_match.as_ref())
        };
        let ask = match op {
            Op::Read(id) => Ask::get("read", query::read(id)),
            Op::FindByAddress(address) => Ask::get("find_by_address", query::by_address(address)),
            Op::FindByStamp { stamp, folders } => {
                let ask = |folder: &Folder| {
                    let path = query::by_stamp(&contacts(folder), stamp);
                    Ask::get("find_by_stamp", path)
                };
                return Ok(folders.iter().map(ask).collect());
            }
            Op::Create(new) => {
                let body = wire::create(new).map_err(bad_date)?;
                Ask::write("create", Method::POST, query::CONTACTS, body)
            }
            Op::Patch {
                id,
                if_match,
                patch: change,
            } => {
                let body = wire::patch(change).map_err(bad_date)?;
                patch("patch", id, if_match, body.into())
            }
            Op::StampIt {
                id,
                if_match,
                display_name,
                stamp,
            } => {
                let body = wire::stamp_it(display_name.as_deref(), stamp);
                patch("stamp", id, if_match, body)
            }
        };
        Ok(vec![ask])
    }

    /// The outcome of an operation from those of its requests.
    fn done(op: &Op, asks: &[Ask], outcomes: Vec<Result<Value, Error>>) -> Result<Done, Error> {
        if let Some(rest) = Error::longest_rest(&outcomes) {
            return Err(rest);
        }
        let mut found = Vec::new();
        for (ask, outcome) in asks.iter().zip(outcomes) {
            let missing = |missing| ask.missing(missing);
            match op {
                Op::FindByStamp { .. } | Op::FindByAddress(_) => {
                    let page = match outcome {
                        // The folder went meanwhile, and its contacts with it.
                        Err(Error::NotFound) => continue,
                        page => page?,
                    };
                    let (rows, _) = wire::list(&page).map_err(missing)?;
                    for row in rows {
                        let contact = wire::contact(row, true).map_err(missing)?;
                        if found.iter().all(|known: &Contact| known.id != contact.id) {
                            found.push(contact);
                        }
                    }
                }
                Op::Read(_) | Op::Create(_) | Op::Patch { .. } | Op::StampIt { .. } => {
                    let stamped = matches!(op, Op::Read(_));
                    let contact = wire::contact(&outcome?, stamped).map_err(missing)?;
                    return Ok(Done::Contact(Box::new(contact)));
                }
            }
        }
        Ok(Done::Found(found))
    }
}

#[async_trait]
impl Outlook for Client {
    async fn run(&self, call: &Call<'_>, ops: &[Op]) -> Result<Vec<Result<Done, Error>>, Error> {
        let mut asks = Vec::new();
        let mut shares = Vec::new();
        for op in ops {
            shares.push(self.asks(op).map(|mut own| {
                let from = asks.len();
                asks.append(&mut own);
                from..asks.len()
            }));
        }
        let outcomes = if asks.is_empty() {
            Vec::new()
        } else {
            self.all(call, &asks).await?
        };
        let mut outcomes = outcomes.into_iter();
        Ok(ops
            .iter()
            .zip(shares)
            .map(|(op, share)| {
                let share = share?;
                let own = outcomes.by_ref().take(share.len()).collect();
                Client::done(op, asks.get(share).unwrap_or_default(), own)
            })
            .collect())
    }

    async fn list(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        next: Option<&str>,
    ) -> Result<ContactPage, Error> {
        let ask = Ask::get("list", query::list(&contacts(folder)));
        let page = self.page(call, &ask, next).await?;
        let (rows, next) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
        let items: Result<_, _> = rows.iter().map(|row| wire::contact(row, true)).collect();
        Ok(ContactPage {
            items: items.map_err(|missing| ask.missing(missing))?,
            next: next.map(str::to_owned),
        })
    }

    async fn folders(&self, call: &Call<'_>) -> Result<Vec<Folder>, Error> {
        let default = self.default_folder(call).await?;
        let mut seen = BTreeSet::from([default.clone()]);
        let mut folders = vec![Folder {
            id: default.clone(),
            is_default: true,
        }];
        let mut asks = vec![
            Ask::get("folders", query::FOLDERS),
            Ask::get("folders", query::child_folders(&default)),
        ];
        while !asks.is_empty() {
            let mut below = Vec::new();
            let pages = self.all(call, &asks).await?;
            if let Some(rest) = Error::longest_rest(&pages) {
                return Err(rest);
            }
            for (ask, page) in asks.iter().zip(pages) {
                let page = match page {
                    // It went while we walked.
                    Err(Error::NotFound) => continue,
                    page => page?,
                };
                for id in self.folder_rows(call, ask, page).await? {
                    if seen.insert(id.clone()) {
                        below.push(Ask::get("folders", query::child_folders(&id)));
                        folders.push(Folder {
                            id,
                            is_default: false,
                        });
                    }
                }
                if folders.len() > MAX_FOLDERS {
                    return Err(too_many_folders());
                }
            }
            asks = below;
        }
        Ok(folders)
    }

    async fn delta(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        link: Option<&str>,
    ) -> Result<DeltaPage, Error> {
        let mut ask = Ask::get("delta", query::delta(&folder.id));
        let prefer = format!("{}, odata.maxpagesize={DELTA_PAGE}", query::IMMUTABLE);
        ask.item.headers.insert("Prefer", prefer);
        let page = self.page(call, &ask, link).await?;
        wire::delta(&page).map_err(|missing| ask.missing(missing))
    }

    async fn subscribe(
        &self,
        call: &Call<'_>,
        subscription: &NewSubscription,
    ) -> Result<SubscriptionInfo, Error> {
        let body = wire::subscribe(subscription);
        let ask = Ask::write("subscribe", Method::POST, "/subscriptions", body);
        let row = self.plain(call, &ask).await?;
        wire::subscription(&row).map_err(|missing| ask.missing(missing))
    }

    async fn renew(
        &self,
        call: &Call<'_>,
        id: &str,
        expires: Timestamp,
    ) -> Result<SubscriptionInfo, Error> {
        let body = wire::renew(expires);
        let ask = Ask::write("renew", Method::PATCH, query::subscription(id), body);
        let row = self.plain(call, &ask).await?;
        wire::subscription(&row).map_err(|missing| ask.missing(missing))
    }

    async fn subscriptions(&self, call: &Call<'_>) -> Result<Vec<SubscriptionInfo>, Error> {
        let ask = Ask::get("subscriptions", "/subscriptions");
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.page(call, &ask, next.as_deref()).await?;
            let (rows, link) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
            for row in rows {
                all.push(wire::subscription(row).map_err(|missing| ask.missing(missing))?);
            }
            next = link.map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    async fn unsubscribe(&self, call: &Call<'_>, id: &str) -> Result<(), Error> {
        let path = query::subscription(id);
        let ask = Ask::new(Act::Write, "unsubscribe", Method::DELETE, path);
        match self.plain(call, &ask).await {
            Ok(_) | Err(Error::NotFound | Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn me(&self, call: &Call<'_>) -> Result<Me, Error> {
        let ask = Ask::get("me", query::ME);
        let row = self.plain(call, &ask).await?;
        wire::me(&row).map_err(|missing| ask.missing(missing))
    }
}
