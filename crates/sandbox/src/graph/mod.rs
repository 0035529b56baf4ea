//! Microsoft Graph v1.0: contacts of mailboxes, as the Graph reference describes them.
//!
//! # Map
//! - here: what it remembers, and the [`Switches`] for behaviour that is unknown or occasional.
//! - [`routes`]: HTTP: who calls, limits, handshakes; [`batch`]: `$batch`.
//! - [`api`]: one call, decided without HTTP, and calls on folders; [`items`]: calls on contacts.
//! - [`mailbox`]: folders and contacts and what can happen to them; [`contact`]: the resource.
//! - [`odata`], [`extended`]: query options, filters, extended properties. [`delta`]: change tracking.
//! - [`subscription`]: who wants to know; [`notify`]: what they are told, and how delivery fares;
//!   [`rich`]: notifications with content.
//! - [`throttle`]: limits. [`fail`]: refusals and answers.
//! - [`control`]: what Outlook, its user and a tester do: `/_sandbox/graph/…`.

mod api;
mod batch;
mod contact;
mod control;
mod delta;
mod extended;
mod fail;
mod items;
mod mailbox;
mod notify;
mod odata;
mod rich;
mod routes;
mod subscription;
mod throttle;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use control::complete_card;
pub use notify::{delivered, next_event_ms, tick, token_lost};
pub use routes::{Permit, admit, refused_on_demand, router};

use crate::state::{Options, State, User};
use contact::View;
use mailbox::{Mailbox, Now};

/// Behaviour that the reference marks unknown, occasional or different between mailboxes; set with
/// `POST /_sandbox/graph/switches`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// `If-Match` on contacts is honoured (412), or ignored.
    pub honour_if_match: bool,
    /// A deleted contact answers GET by id with 200 and the deleted items as its folder, or 404.
    pub deleted_visible: bool,
    /// DELETE answers 404 although it deletes.
    pub delete_answers_404: bool,
    /// A copy with a photo vanishes when its original is deleted.
    pub photo_copies_vanish: bool,
    /// `permanentDelete` of a contact with a birthday answers 204 and deletes nothing.
    pub purge_spares_birthdays: bool,
    /// Too many e-mail addresses or phones are refused with 400, or cut.
    pub overflow_refused: bool,
    /// A change of an address's name alone is ignored.
    pub ignore_email_name: bool,
    /// Birthdays keep the time they were written with, or get 11:59.
    pub birthday_as_written: bool,
    /// Initials are derived where none are given.
    pub derive_initials: bool,
    /// Longer strings are refused with 400.
    pub max_string: Option<usize>,
    /// The extended-property filter sees a new value only after this time.
    pub filter_lag_ms: i64,
    /// Open extensions in a POST body are kept (they are echoed either way).
    pub keep_inline_extensions: bool,
    /// How many generations of delta tokens survive per folder.
    pub delta_generations: u64,
    /// Rows on a page of delta where none is asked for.
    pub delta_page: usize,
    /// A round begins with an empty page.
    pub delta_empty_page: bool,
    /// The last row of a page comes again on the next.
    pub delta_repeat: bool,
    /// Known contacts come with their changed properties only.
    pub delta_partial: bool,
    /// Removals that can be undone say `changed`.
    pub delta_reason_changed: bool,
    /// 410 comes with a `Location`.
    pub delta_location: bool,
    /// The next so many nextLinks are dead when they are used.
    pub delta_next_dies: u64,
    /// Calls at once per app and mailbox.
    pub concurrency: usize,
    /// Calls in ten minutes per app and mailbox.
    pub requests_per_window: u64,
    /// `Retry-After` of a concurrency refusal, in seconds.
    pub retry_after_s: u64,
    /// Notifications leave this much later; those for the same URL that wait together travel in one POST.
    pub notify_delay_ms: i64,
    /// Items in one POST at most.
    pub notify_batch: usize,
    /// Deletions are announced (reference 4.3: not dependable).
    pub notify_deleted: bool,
    /// One save is announced as `created` and `updated`.
    pub notify_twice: bool,
    /// A subscription to the default folder hears of the folders below too.
    pub notify_child_folders: bool,
    /// Resource paths in notifications come in lower case.
    pub notify_lower_case: bool,
    /// What the validation tokens of notifications with content claim otherwise.
    pub validation_claims: serde_json::Map<String, Value>,
    /// Batch answers come in another order.
    pub batch_reorder: bool,
    /// Subscriptions a mailbox holds at most.
    pub subscriptions_per_mailbox: usize,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            honour_if_match: true,
            deleted_visible: false,
            delete_answers_404: false,
            photo_copies_vanish: false,
            purge_spares_birthdays: false,
            overflow_refused: false,
            ignore_email_name: false,
            birthday_as_written: false,
            derive_initials: true,
            max_string: None,
            filter_lag_ms: 0,
            keep_inline_extensions: false,
            delta_generations: 5,
            delta_page: 50,
            delta_empty_page: false,
            delta_repeat: false,
            delta_partial: false,
            delta_reason_changed: false,
            delta_location: false,
            delta_next_dies: 0,
            concurrency: 4,
            requests_per_window: 10_000,
            retry_after_s: 1,
            notify_delay_ms: 50,
            notify_batch: 20,
            notify_deleted: true,
            notify_twice: false,
            notify_child_folders: false,
            notify_lower_case: false,
            validation_claims: serde_json::Map::new(),
            batch_reorder: true,
            subscriptions_per_mailbox: 1000,
        }
    }
}

/// All of Graph.
pub struct Graph {
    /// How it behaves where that is unknown or occasional.
    pub switches: Switches,
    mailboxes: BTreeMap<Uuid, Mailbox>,
    /// Names of the tenant's own addresses.
    directory: BTreeMap<String, String>,
    subscriptions: BTreeMap<String, subscription::Subscription>,
    endpoints: BTreeMap<String, notify::Endpoint>,
    throttle: throttle::Throttle,
    /// App-only access reaches these mailboxes alone (application access policy, reference 1.7).
    allowed: Option<BTreeSet<Uuid>>,
    /// Mailboxes without a licence, or moved away.
    disabled: BTreeSet<Uuid>,
}

impl Graph {
    /// Empty mailboxes for all users.
    pub fn new(_options: &Options, users: &[User], rng: &mut fastrand::Rng, _now_ms: i64) -> Self {
        Self {
            switches: Switches::default(),
            mailboxes: users
                .iter()
                .map(|user| (user.user_id, Mailbox::new(user.user_id, rng)))
                .collect(),
            directory: users
                .iter()
                .map(|user| (user.address.to_lowercase(), user.name.clone()))
                .collect(),
            subscriptions: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            throttle: throttle::Throttle::default(),
            allowed: None,
            disabled: BTreeSet::new(),
        }
    }

    /// Everything, for `GET /_sandbox/state`: `{"mailboxes": [{user_id, default_folder, folders,
    /// contacts, deleted}], "subscriptions": […]}`; contacts carry all extended properties.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mailboxes: Vec<Value> = self
            .mailboxes
            .values()
            .map(|mailbox| self.mailbox_json(mailbox))
            .collect();
        let subscriptions: Vec<Value> = self
            .subscriptions
            .values()
            .map(subscription::Subscription::describe)
            .collect();
        json!({"mailboxes": mailboxes, "subscriptions": subscriptions})
    }

    fn mailbox_json(&self, mailbox: &Mailbox) -> Value {
        let (mut live, mut deleted) = (Vec::new(), Vec::new());
        for contact in mailbox.contacts.values() {
            let view = View {
                extended: contact.extended.keys().cloned().collect(),
                extensions: Some(None),
                ..View::default()
            };
            let mut item = contact::show(contact, &view, &self.directory);
            item["immutableId"] = json!(contact.immutable_id);
            item["hasPhoto"] = json!(contact.photo.is_some());
            if mailbox.is_deleted(contact) {
                deleted.push(item)
            } else {
                live.push(item)
            }
        }
        let folders: Vec<Value> = mailbox
            .folders
            .values()
            .map(|folder| mailbox.show_folder(folder))
            .collect();
        json!({
            "user_id": mailbox.user_id, "version": mailbox.version, "default_folder": mailbox.default_folder,
            "deleted_folder": mailbox.deleted_folder, "folders": folders, "contacts": live, "deleted": deleted,
        })
    }
}

/// Runs an operation on a mailbox with time and chance, and tells those who subscribed.
fn on_mailbox<T>(
    state: &mut State,
    user_id: Uuid,
    operation: impl FnOnce(&mut Mailbox, &mut Now<'_>) -> Result<(T, Vec<mailbox::Change>), fail::Fail>,
) -> Result<T, fail::Fail> {
    let ms = state.now_ms();
    let State { graph, rng, .. } = state;
    let Graph {
        mailboxes,
        switches,
        ..
    } = graph;
    let mailbox = mailboxes
        .get_mut(&user_id)
        .ok_or_else(fail::Fail::not_found)?;
    let (result, changes) = operation(mailbox, &mut Now { ms, rng, switches })?;
    for change in changes {
        notify::changed(state, user_id, &change, ms);
    }
    Ok(result)
}
