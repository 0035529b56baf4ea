//! Rich notifications: the changed contact comes with the hint, so that the read falls away (Graph
//! reference 4.5). An option; off, nothing here is ever asked.
//!
//! A content only saves a read. It waits in this process's memory, sealed as it came, until the
//! mailbox worker would read that very contact; what does not hold, is late, or came to another
//! replica is simply read. Nothing of it is kept in a database or a log.
//!
//! # Map
//! - here: [`Rich`], what intake, engine and chores ask of it.
//! - [`contents`]: what waits. [`certificates`]: what contents are sealed for.
//!
//! What a content looks like and how one opens, [`crate::graph::rich`] knows; who publishes,
//! [`crate::graph::publisher`].

pub mod certificates;
pub mod contents;

use std::sync::Arc;

use tribelink_plan::{
    contact::Contact,
    ids::{ContactId, Etag, UserId},
};

use self::{
    certificates::Certificates,
    contents::{Content, Contents, Proofs},
};
use crate::{
    clock::Clock,
    graph::{
        Publisher,
        rich::{Encrypted, Refusal as Unopened},
        wire,
    },
    random::Random,
    store::{Certificate, Change, Store},
    telemetry::meter,
    vault::Vault,
};

/// What became of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It spared a read.
    Used,
    /// It may be older than what is known, or is none of the newest hint.
    Late,
    /// Keys, certificate or database could not be had: nobody knows.
    Unavailable,
    /// No token of the publisher came with it, or one that does not hold.
    Token,
    /// It is sealed for another certificate than its subscription named.
    Certificate,
    /// It is about another contact, or another state of it, than the item says.
    Contact,
    /// It does not open.
    Unopened(Unopened),
}

impl Outcome {
    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Used => "used",
            Outcome::Late => "late",
            Outcome::Unavailable => "unavailable",
            Outcome::Token => "token",
            Outcome::Certificate => "certificate",
            Outcome::Contact => "contact",
            Outcome::Unopened(why) => why.name(),
        }
    }

    /// Whether whoever sent it may be somebody else than Graph.
    fn is_refusal(self) -> bool {
        !matches!(self, Outcome::Used | Outcome::Late | Outcome::Unavailable)
    }
}

/// Counts what became of a content; a refusal is an event of security as well.
pub fn came_of(user: UserId, outcome: Outcome) {
    meter::content(outcome.name());
    if outcome.is_refusal() {
        let why = outcome.name();
        tracing::warn!(event = "content_refused", %user, why, "the content of a notification was refused; the contact is read instead");
    }
}

/// A content as intake hands it over: its sender was recognised by the `clientState`.
pub struct Arrived<'a> {
    /// Whose.
    pub user: UserId,
    /// The contact that the item names.
    pub contact: &'a ContactId,
    /// The etag that the item names.
    pub etag: &'a Etag,
    /// The certificate that the subscription named.
    pub certificate: Option<&'a str>,
    /// The content, where it was of the documented form.
    pub content: &'a Result<Encrypted, Unopened>,
}

/// Rich notifications of this process.
pub struct Rich {
    enabled: bool,
    contents: Contents,
    certificates: Certificates,
    publisher: Arc<dyn Publisher>,
    clock: Arc<dyn Clock>,
}

impl Rich {
    /// `enabled` is `microsoft.rich_notifications`.
    pub fn new(
        enabled: bool,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        publisher: Arc<dyn Publisher>,
    ) -> Rich {
        Rich {
            enabled,
            contents: Contents::default(),
            certificates: Certificates::new(store, vault, Arc::clone(&clock), random),
            publisher,
            clock,
        }
    }

    /// The certificate that the next subscription names, made where none lives long enough; `None`:
    /// subscriptions carry no contents.
    ///
    /// # Errors
    /// The store or the system's cryptography failed; safe to repeat.
    pub async fn certificate(&self) -> Result<Option<Certificate>, certificates::Error> {
        match self.enabled {
            true => self.certificates.current().await.map(Some),
            false => Ok(None),
        }
    }

    /// Forgets the certificates that no live subscription names.
    ///
    /// # Errors
    /// The store could not be read; safe to repeat.
    pub async fn tidy(&self) -> Result<Change, crate::store::Error> {
        let below = match self.enabled {
            true => self.certificates.newest().await?,
            false => i64::MAX,
        };
        let now_ms = self.clock.now_ms();
        Ok(Change::TidyCertificates { below, now_ms })
    }

    /// Keeps the contents of a delivery until the worker comes to them. Nothing is checked yet but
    /// what costs nothing: the sender waits.
    pub fn keep<'a>(&self, proofs: Option<&[String]>, items: impl Iterator<Item = Arrived<'a>>) {
        if !self.enabled {
            return;
        }
        let proofs = Arc::new(Proofs::new(proofs.unwrap_or_default().to_vec()));
        let now_ms = self.clock.now_ms();
        for item in items {
            match item.content {
                Err(why) => came_of(item.user, Outcome::Unopened(*why)),
                Ok(sealed) if item.certificate != Some(sealed.certificate_id.as_str()) => {
                    came_of(item.user, Outcome::Certificate);
                }
                Ok(sealed) => {
                    let content = Content::new(sealed, item.etag, &proofs);
                    self.contents
                        .put(item.user, item.contact.clone(), content, now_ms);
                }
            }
        }
    }

    /// Takes the content that tells of this state of a contact.
    pub fn take(&self, user: UserId, contact: &ContactId, etag: &str) -> Option<Content> {
        self.contents.take(user, contact, etag)
    }

    /// Opens one. What it does not answer was counted, and is to be read.
    pub async fn open(
        &self,
        user: UserId,
        contact: &ContactId,
        content: &Content,
    ) -> Option<Contact> {
        match self.try_open(contact, content).await {
            Ok(told) => Some(told),
            Err(outcome) => {
                came_of(user, outcome);
                None
            }
        }
    }

    async fn try_open(&self, contact: &ContactId, content: &Content) -> Result<Contact, Outcome> {
        match content.proofs.hold(self.publisher.as_ref()).await {
            Some(true) => {}
            Some(false) => return Err(Outcome::Token),
            None => return Err(Outcome::Unavailable),
        }
        let opener = self
            .certificates
            .opener(&content.sealed.certificate_id)
            .await;
        let opener = opener.map_err(|error| {
            tracing::error!(%error, "the key of a notification's content could not be had");
            Outcome::Unavailable
        })?;
        let opener = opener.ok_or(Outcome::Certificate)?;
        let row = opener.open(&content.sealed).map_err(Outcome::Unopened)?;
        let form = Outcome::Unopened(Unopened::Form);
        let told = wire::contact(&row, true).map_err(|_| form)?;
        // Graph signs the content and not the item around it.
        if told.id != *contact || told.etag.as_ref() != Some(&content.etag) {
            return Err(Outcome::Contact);
        }
        Ok(told)
    }
}
