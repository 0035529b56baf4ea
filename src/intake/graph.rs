//! What Graph's notifications and lifecycle events point at, and who may say so (pure).

use secrecy::ExposeSecret as _;
use tribelink_plan::ids::{ContactId, Etag};

use crate::{
    graph::{
        notice::{Lifecycle, Notice, Sender},
        rich::{Encrypted, Refusal},
    },
    sealed::{same, sha256},
    store::{Source, Target},
};

/// Whether its `clientState` is the one whose SHA-256 was kept for the subscription.
pub fn is_authentic(sender: &Sender, hash: &[u8; 32]) -> bool {
    let state = sender.client_state.as_ref();
    state.is_some_and(|state| same(&sha256(state.expose_secret().as_bytes()), hash))
}

/// What an item asks to be looked at.
pub trait Points {
    /// Under which name such items are counted.
    const NAME: &'static str;
    /// As which source they are kept.
    const SOURCE: Source;

    /// Who says so.
    fn sender(&self) -> &Sender;

    /// What is to be looked at.
    fn target(&self) -> Target;

    /// What it brought along: the contact, its etag and the content.
    fn content(&self) -> Option<(&ContactId, &Etag, &Result<Encrypted, Refusal>)> {
        None
    }
}

impl Points for Notice {
    const NAME: &'static str = "notification";
    const SOURCE: Source = Source::Notification;

    fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The contact, or the whole mailbox when it names none.
    fn target(&self) -> Target {
        match &self.contact {
            Some(id) => Target::Contact {
                id: id.clone(),
                etag: self.etag.as_ref().map(|etag| etag.0.clone()),
            },
            None => Target::Delta,
        }
    }

    fn content(&self) -> Option<(&ContactId, &Etag, &Result<Encrypted, Refusal>)> {
        Some((
            self.contact.as_ref()?,
            self.etag.as_ref()?,
            self.content.as_ref()?,
        ))
    }
}

impl Points for Lifecycle {
    const NAME: &'static str = "lifecycle";
    const SOURCE: Source = Source::Lifecycle;

    fn sender(&self) -> &Sender {
        &self.sender
    }

    fn target(&self) -> Target {
        Target::Lifecycle {
            event: self.event.name().to_owned(),
            subscription: self.sender.subscription.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::notice::Event;

    fn sender(client_state: Option<&str>) -> Sender {
        Sender {
            subscription: "s".to_owned(),
            client_state: client_state.map(Into::into),
        }
    }

    #[test]
    fn only_the_whole_client_state_proves_the_sender() {
        let hash = sha256(b"secret");
        assert!(is_authentic(&sender(Some("secret")), &hash));
        for wrong in [Some("Secret"), Some("secre"), Some(""), None] {
            assert!(!is_authentic(&sender(wrong), &hash), "{wrong:?}");
        }
        let nothing = sha256(b"");
        assert!(!is_authentic(&sender(None), &nothing));
    }

    #[test]
    fn an_item_points_at_its_contact_or_the_mailbox_or_the_subscription() {
        let notice = |contact: Option<&str>, etag: Option<&str>| Notice {
            sender: sender(None),
            contact: contact.map(ContactId::from),
            etag: etag.map(Etag::from),
            content: None,
        };
        assert_eq!(
            notice(Some("A="), Some("W/e")).target(),
            Target::Contact {
                id: ContactId::from("A="),
                etag: Some("W/e".to_owned())
            }
        );
        assert_eq!(notice(None, Some("W/e")).target(), Target::Delta);
        let event = Lifecycle {
            sender: sender(None),
            event: Event::SubscriptionRemoved,
        };
        assert_eq!(
            event.target(),
            Target::Lifecycle {
                event: "subscriptionRemoved".to_owned(),
                subscription: "s".to_owned()
            }
        );
    }
}
