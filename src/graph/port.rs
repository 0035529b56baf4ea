//! What the engine asks of Microsoft Graph and of the Microsoft identity platform.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tribelink_plan::{
    contact::{Contact, ContactPatch, Stamp},
    ids::{ContactId, Etag, FolderId},
};

use crate::remote::Error;

/// One operation on a mailbox's contacts. Several go out as one `$batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads a contact by its id, in any folder, stamp included.
    Read(ContactId),
    /// Finds contacts by stamp, with one request for each folder.
    FindByStamp {
        /// The stamp.
        stamp: Stamp,
        /// Where to look: a mailbox's list of contacts is its default folder's alone (Graph
        /// reference 2.5, 7).
        folders: Vec<Folder>,
    },
    /// Finds contacts that have an address, in the default folder (Graph reference 2.6).
    FindByAddress(String),
    /// Creates a contact in the default folder, stamped.
    Create(Box<NewContact>),
    /// Changes just these properties.
    Patch {
        /// Which.
        id: ContactId,
        /// The etag that was read.
        if_match: Option<Etag>,
        /// What.
        patch: Box<ContactPatch>,
    },
    /// Puts the stamp on an adopted contact.
    StampIt {
        /// Which.
        id: ContactId,
        /// The etag that was read.
        if_match: Option<Etag>,
        /// `displayName` as it stands, since a PATCH without it has it composed anew.
        display_name: Option<String>,
        /// The stamp.
        stamp: Stamp,
    },
}

/// A contact to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewContact {
    /// Its properties.
    pub properties: ContactPatch,
    /// Its stamp.
    pub stamp: Stamp,
    /// An Outlook category.
    pub category: Option<String>,
}

/// What an operation answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The contact as read or as written.
    Contact(Box<Contact>),
    /// What a search found, in the order of the answer.
    Found(Vec<Contact>),
}

/// A page of contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactPage {
    /// The contacts, stamps included.
    pub items: Vec<Contact>,
    /// `@odata.nextLink`.
    pub next: Option<String>,
}

/// A page of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaPage {
    /// Ids with their etags; a later row of the same id wins.
    pub changed: Vec<(ContactId, Option<Etag>)>,
    /// Ids that left the folder.
    pub removed: Vec<ContactId>,
    /// Where it goes on.
    pub link: DeltaLink,
}

/// Where a delta goes on. Opaque, replayed to the letter, same origin only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaLink {
    /// More pages follow.
    Next(String),
    /// The round ended; the next round starts here.
    Delta(String),
}

/// A contact folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its id.
    pub id: FolderId,
    /// Whether it is the default one.
    pub is_default: bool,
}

/// Who a token belongs to (`/me`).
#[derive(Clone)]
pub struct Me {
    /// Object id.
    pub id: String,
    /// `mail`
    pub mail: Option<String>,
    /// `userPrincipalName`
    pub user_principal_name: Option<String>,
}

/// A subscription to be created.
#[derive(Clone)]
pub struct NewSubscription {
    /// Notifications.
    pub notification_url: String,
    /// Lifecycle events.
    pub lifecycle_url: String,
    /// Resource, such as `/me/contacts`.
    pub resource: String,
    /// Sent back with every item.
    pub client_state: SecretString,
    /// When it ends.
    pub expires: Timestamp,
    /// Its items carry the contact, sealed for this.
    pub sealed_for: Option<SealedFor>,
}

/// What its items' contents are sealed for (Graph reference 4.5).
#[derive(Clone)]
pub struct SealedFor {
    /// What they name it by.
    pub id: String,
    /// X.509, DER.
    pub certificate: Vec<u8>,
}

/// A subscription as Graph shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionInfo {
    /// Graph's id.
    pub id: String,
    /// Resource.
    pub resource: String,
    /// Where it notifies.
    pub notification_url: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// Contacts of one mailbox. Every method takes the mailbox's access token and a time limit for
/// each request; none repeats anything.
///
/// # Errors
/// Reads fail with [`Error::Transient`], [`Error::Throttled`], [`Error::Unauthorised`] or
/// [`Error::Unusable`]. Writes may fail with [`Error::OutcomeUnknown`].
#[async_trait]
pub trait Outlook: Send + Sync {
    /// Runs operations: one as a plain request, up to 20 as one `$batch`, whose answers come in the
    /// order asked. The outer error says that no item has an answer of its own; after it, writes of
    /// the batch have an unknown outcome unless the error says that nothing was sent.
    async fn run(&self, call: &Call<'_>, ops: &[Op]) -> Result<Vec<Result<Done, Error>>, Error>;

    /// Lists a folder's contacts with stamps, up to 1,000 a page.
    async fn list(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        next: Option<&str>,
    ) -> Result<ContactPage, Error>;

    /// Every contact folder, nested ones included, the default one first.
    async fn folders(&self, call: &Call<'_>) -> Result<Vec<Folder>, Error>;

    /// One page of a folder's delta; without a link a new round starts with everything.
    async fn delta(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        link: Option<&str>,
    ) -> Result<DeltaPage, Error>;

    /// Creates a subscription. [`Error::Exists`]: list and adopt or remove.
    async fn subscribe(
        &self,
        call: &Call<'_>,
        subscription: &NewSubscription,
    ) -> Result<SubscriptionInfo, Error>;

    /// Renews one; [`Error::NotFound`]: it is gone.
    async fn renew(
        &self,
        call: &Call<'_>,
        id: &str,
        expires: Timestamp,
    ) -> Result<SubscriptionInfo, Error>;

    /// Every subscription of this application that the token may see.
    async fn subscriptions(&self, call: &Call<'_>) -> Result<Vec<SubscriptionInfo>, Error>;

    /// Ends one; a missing one counts as ended.
    async fn unsubscribe(&self, call: &Call<'_>, id: &str) -> Result<(), Error>;

    /// Whose token it is.
    async fn me(&self, call: &Call<'_>) -> Result<Me, Error>;
}

/// What every call to Graph carries.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The mailbox's access token.
    pub token: &'a SecretString,
    /// The request's time limit.
    pub timeout: std::time::Duration,
}

/// Tokens as Microsoft issued them.
#[derive(Clone)]
pub struct Issued {
    /// Access token.
    pub access: SecretString,
    /// The newest refresh token, where one was returned.
    pub refresh: Option<SecretString>,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

/// Who signed in, from a checked id_token.
#[derive(Clone)]
pub struct Identity {
    /// `tid`
    pub tenant: String,
    /// `oid`
    pub object: String,
    /// `preferred_username` or `email`; evidence only.
    pub address: Option<String>,
}

/// What a browser is sent to Microsoft with.
pub struct Authorize<'a> {
    /// Single-use state.
    pub state: &'a str,
    /// Nonce of the id_token.
    pub nonce: &'a str,
    /// PKCE challenge (S256).
    pub challenge: &'a str,
    /// Address to suggest.
    pub login_hint: Option<&'a str>,
    /// Exact redirect URI.
    pub redirect_uri: &'a str,
    /// `consent`, `select_account`, …
    pub prompt: Option<&'a str>,
    /// Only who they are: neither their contacts nor a refresh token.
    pub identity_only: bool,
}

/// The Microsoft identity platform for this application.
///
/// # Errors
/// [`Error::ConsentNeeded`]: that user must sign in again. [`Error::Application`]: an administrator
/// must act. [`Error::Transient`]: repeat; a refresh is safe to repeat with the old token (Graph
/// reference 1.3).
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Where to send the browser.
    fn authorize_url(&self, authorize: &Authorize<'_>) -> Result<url::Url, Error>;

    /// Exchanges a code and checks the id_token: signature, `aud`, `iss`, `tid`, `exp`, nonce.
    async fn exchange(
        &self,
        code: &str,
        verifier: &SecretString,
        nonce: &str,
        redirect_uri: &str,
    ) -> Result<(Issued, Identity), Error>;

    /// Refreshes.
    async fn refresh(&self, refresh: &SecretString) -> Result<Issued, Error>;
}

/// Who publishes notifications with contents.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Whether a validation token is Graph's, for this application and tenant.
    ///
    /// # Errors
    /// [`Error::Rejected`] with a code that names the claim: it proves nothing. Other errors say that
    /// the keys could not be had, and are safe to repeat.
    async fn publishes(&self, token: &str) -> Result<(), Error>;
}
