//! Contents that wait for the worker: sealed as they came, in bounds, for minutes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Mutex as AsyncMutex;
use tribelink_plan::ids::{ContactId, Etag, UserId};

use crate::{
    graph::{Publisher, rich::Encrypted},
    remote::Error,
};

/// Bytes of all contents that wait; the eldest make room. A content has some kilobytes, and the worker
/// comes to it within a second.
const MOST_BYTES: usize = 32 << 20;
/// How many are remembered at most, those that were taken among them.
const MOST: usize = 10_000;
/// How long one waits: a hint that was put off is read, whatever it brought along.
const KEPT_MS: i64 = 10 * 60_000;
/// One token comes for each application and tenant, and this service has one of each.
const MOST_PROOFS: usize = 16;
/// Longest token that is looked at; real ones have about 2,000 characters.
const LONGEST_PROOF: usize = 8 << 10;

/// The tokens of a delivery, and what came of their check: all its contents share it.
pub struct Proofs {
    tokens: Vec<String>,
    held: AsyncMutex<Option<bool>>,
}

impl Proofs {
    /// `validationTokens` as they came.
    pub fn new(tokens: Vec<String>) -> Proofs {
        let usable = !tokens.is_empty()
            && tokens.len() <= MOST_PROOFS
            && tokens.iter().all(|token| token.len() <= LONGEST_PROOF);
        Proofs {
            tokens,
            held: AsyncMutex::new((!usable).then_some(false)),
        }
    }

    /// Whether every one of them is the publisher's; `None` where its keys could not be had.
    pub async fn hold(&self, publisher: &dyn Publisher) -> Option<bool> {
        let mut held = self.held.lock().await;
        if held.is_none() {
            for token in &self.tokens {
                match publisher.publishes(token).await {
                    Ok(()) => {}
                    Err(Error::Rejected { .. }) => {
                        *held = Some(false);
                        return *held;
                    }
                    Err(error) => {
                        tracing::info!(%error, "the publisher's keys could not be had");
                        return None;
                    }
                }
            }
            *held = Some(true);
        }
        *held
    }
}

/// One content with what proves it.
pub struct Content {
    pub(super) sealed: Encrypted,
    pub(super) etag: Etag,
    pub(super) proofs: Arc<Proofs>,
}

impl Content {
    /// A content of a delivery with these tokens.
    pub fn new(sealed: &Encrypted, etag: &Etag, proofs: &Arc<Proofs>) -> Content {
        Content {
            sealed: sealed.clone(),
            etag: etag.clone(),
            proofs: Arc::clone(proofs),
        }
    }
}

type Key = (UserId, ContactId);

struct Kept {
    content: Content,
    number: u64,
}

#[derive(Default)]
struct Held {
    kept: HashMap<Key, Kept>,
    /// In the order of arrival, with the time; a number that is no longer its key's is passed over.
    order: VecDeque<(Key, u64, i64)>,
    bytes: usize,
    number: u64,
}

impl Held {
    fn remove(&mut self, key: &Key) -> Option<Content> {
        let kept = self.kept.remove(key)?;
        self.bytes -= kept.content.sealed.size();
        Some(kept.content)
    }

    fn make_room(&mut self, now_ms: i64) {
        while let Some((key, number, at_ms)) = self.order.front() {
            let stands = self
                .kept
                .get(key)
                .is_some_and(|kept| kept.number == *number);
            let full = self.bytes > MOST_BYTES || self.order.len() > MOST;
            let goes = full || now_ms - at_ms >= KEPT_MS;
            if stands && !goes {
                return;
            }
            let key = key.clone();
            self.order.pop_front();
            if stands {
                self.remove(&key);
            }
        }
    }
}

/// What waits, by whose it is and which contact it tells of; a later one takes the place of an
/// earlier one.
#[derive(Default)]
pub struct Contents(Mutex<Held>);

impl Contents {
    /// Keeps one.
    pub fn put(&self, user: UserId, contact: ContactId, content: Content, now_ms: i64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user, contact);
        held.remove(&key);
        held.number += 1;
        let number = held.number;
        held.bytes += content.sealed.size();
        held.order.push_back((key.clone(), number, now_ms));
        held.kept.insert(key, Kept { content, number });
        held.make_room(now_ms);
    }

    /// Takes one out that tells of this state.
    pub fn take(&self, user: UserId, contact: &ContactId, etag: &str) -> Option<Content> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user, contact.clone());
        let fits = held.kept.get(&key)?.content.etag.as_str() == etag;
        fits.then(|| held.remove(&key)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn content(etag: &str, bytes: usize) -> Content {
        let row = json!({
            "data": "d".repeat(bytes), "dataKey": "k", "dataSignature": "s",
            "encryptionCertificateId": "c",
        });
        let proofs = Arc::new(Proofs::new(vec!["t".to_owned()]));
        Content::new(&Encrypted::of(&row).unwrap(), &Etag::from(etag), &proofs)
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[test]
    fn a_content_is_taken_once_and_only_for_the_state_it_tells_of() {
        let contents = Contents::default();
        let id = ContactId::from("A");
        contents.put(user(1), id.clone(), content("1", 9), 0);
        contents.put(user(1), id.clone(), content("2", 9), 0);
        assert!(contents.take(user(1), &id, "1").is_none(), "replaced");
        assert!(contents.take(user(2), &id, "2").is_none(), "another's");
        assert!(contents.take(user(1), &id, "2").is_some());
        assert!(contents.take(user(1), &id, "2").is_none(), "taken");
        assert_eq!(contents.0.lock().unwrap().bytes, 0);
    }

    #[test]
    fn the_eldest_make_room_and_nothing_waits_for_ever() {
        let contents = Contents::default();
        let id = |number: usize| ContactId::from(number.to_string().as_str());
        let big = 200 << 10;
        for number in 0..400 {
            contents.put(user(1), id(number), content("e", big), 0);
        }
        assert!(contents.0.lock().unwrap().bytes <= MOST_BYTES);
        assert!(contents.take(user(1), &id(0), "e").is_none());
        assert!(contents.take(user(1), &id(399), "e").is_some());
        contents.put(user(1), id(9_999), content("e", 9), KEPT_MS);
        let held = contents.0.lock().unwrap();
        assert_eq!((held.kept.len(), held.order.len()), (1, 1));
    }

    /// Says what the token says.
    struct Says;

    #[async_trait]
    impl Publisher for Says {
        async fn publishes(&self, token: &str) -> Result<(), Error> {
            match token {
                "good" => Ok(()),
                "away" => Err(Error::Transient("away".to_owned())),
                _ => Err(Error::Rejected {
                    status: 0,
                    code: token.to_owned(),
                }),
            }
        }
    }

    #[tokio::test]
    async fn a_delivery_is_believed_only_where_all_of_its_tokens_hold() {
        let hold = async |tokens: &[&str]| {
            let tokens = tokens.iter().map(|token| (*token).to_owned());
            Proofs::new(tokens.collect()).hold(&Says).await
        };
        assert_eq!(hold(&["good"]).await, Some(true));
        assert_eq!(hold(&["good", "good"]).await, Some(true));
        assert_eq!(hold(&["good", "bad"]).await, Some(false));
        assert_eq!(hold(&[]).await, Some(false));
        assert_eq!(hold(&["away"]).await, None);
        assert_eq!(hold(&["good"; MOST_PROOFS + 1]).await, Some(false));
        assert_eq!(hold(&[&"x".repeat(LONGEST_PROOF + 1)]).await, Some(false));
    }
}
