//! What a commit may do, and what must hold for it.

use tribelink_plan::{
    field::Side,
    ids::{EnvironmentId, FolderId, PersonId, UserId},
};

use super::{canary::CanaryRound, model::*, place::SealedCell, told::*};

/// What must hold at the moment of the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: the change stands for itself.
    None,
    /// This lease is still the lane's newest, and not expired at `now_ms`.
    Lease {
        /// The lease.
        lease: Lease,
        /// Now.
        now_ms: i64,
    },
}

/// One change. "Put" replaces what has the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Keeps hints.
    AddHints(Vec<NewHint>),
    /// Hints are done.
    DropHints(Vec<i64>),
    /// Hints are to be tried again later.
    DelayHints {
        /// Which.
        ids: Vec<i64>,
        /// Not before.
        not_before_ms: i64,
        /// How often they were tried.
        attempts: u32,
    },
    /// Every hint of a mailbox is dropped (disconnect).
    DropMailboxHints(UserId),
    /// Puts an environment; key: id.
    PutEnvironment(Environment),
    /// Only the chores of an environment: cursor and times, so that settings changed meanwhile stay.
    SetEnvironmentChores {
        /// Which.
        id: EnvironmentId,
        /// Up to where the poll has looked.
        polled_ms: i64,
        /// When the next chore is due.
        chores_due_ms: i64,
        /// When the last sweep ended.
        swept_ms: i64,
    },
    /// No call of this environment's API before; of two such times the later one holds.
    RestEnvironment {
        /// Which.
        id: EnvironmentId,
        /// Until when.
        until_ms: i64,
    },
    /// No call of this user's mailbox before; of two such times the later one holds.
    RestUser {
        /// Which.
        id: UserId,
        /// Until when.
        until_ms: i64,
    },
    /// Puts a webhook; key: environment and id.
    PutWebhook(Webhook),
    /// A webhook is gone.
    DropWebhook {
        /// Whose.
        environment: EnvironmentId,
        /// Which.
        id: String,
    },
    /// Puts a user; key: id. One whose (environment, employee) another has, or whose environment is
    /// not the stored one's, is a conflict.
    PutUser(Box<User>),
    /// Changes a user's state when it is still `from`; else a conflict.
    MoveUser {
        /// Which.
        id: UserId,
        /// From which state.
        from: UserState,
        /// To which.
        to: UserState,
        /// Where to return from `paused` or `needs_consent`; `None` leaves it.
        resume_state: Option<UserState>,
        /// Why; replaces the former reason.
        reason: Option<String>,
    },
    /// Only the worker's own columns of a user, so that a state changed meanwhile stays.
    SetUserChores {
        /// Which.
        id: UserId,
        /// When the next chore is due.
        chores_due_ms: i64,
        /// When the deltas last ran to their end.
        delta_ms: i64,
        /// When both sides were last seen in step.
        proven_ms: Option<i64>,
        /// No call before.
        throttled_until_ms: i64,
    },
    /// How far a long pass is.
    SetProgress {
        /// Whose.
        id: UserId,
        /// People done, and in all.
        progress: Option<(u64, u64)>,
    },
    /// The brake's columns of a user.
    SetBrake {
        /// Whose.
        id: UserId,
        /// The line is lifted for one pass.
        released: bool,
        /// Since when it counts.
        brake_since_ms: i64,
        /// What the braked pass would have done.
        braked: Option<(u64, u64)>,
    },
    /// Counts changes of R17's kind.
    CountBrake {
        /// Whose.
        user: UserId,
        /// When.
        at_ms: i64,
        /// How many.
        count: u64,
    },
    /// Saves tokens when the stored generation is still `expected` (0: none stored); else a conflict.
    /// The stored generation becomes `expected + 1` whatever `tokens.generation` says.
    PutTokens {
        /// Whose.
        user: UserId,
        /// Which.
        tokens: Tokens,
        /// The generation that was read.
        expected: i64,
    },
    /// Erases a user's tokens.
    DropTokens(UserId),
    /// The same for an environment's.
    PutEnvironmentTokens {
        /// Whose.
        environment: EnvironmentId,
        /// Which.
        tokens: Tokens,
        /// The generation that was read.
        expected: i64,
    },
    /// Keeps a pending sign-in under the SHA-256 of its `state`.
    PutSignIn {
        /// The hash.
        state_hash: [u8; 32],
        /// What is pending.
        sign_in: SignIn,
    },
    /// Puts a link; key: user and person.
    PutLink(Box<LinkRow>),
    /// Removes a link (forget).
    DropLink {
        /// Whose.
        user: UserId,
        /// For whom.
        person: PersonId,
    },
    /// All links of a user sleep, except tombstones, closed ones and intents (R20, R22).
    SleepLinks(UserId),
    /// All links, audit values, held and parked items, previews of a user are erased (`forget`).
    ForgetLinks(UserId),
    /// Puts a delta cursor; key: user and folder.
    PutCursor {
        /// Whose.
        user: UserId,
        /// Which.
        cursor: Cursor,
    },
    /// A cursor is gone.
    DropCursor {
        /// Whose.
        user: UserId,
        /// Which.
        folder: FolderId,
    },
    /// Every cursor of a user is gone.
    DropCursors(UserId),
    /// Puts a subscription; key: id.
    PutSubscription(Subscription),
    /// A subscription is gone.
    DropSubscription(String),
    /// Keeps a certificate for contents of notifications. A number or an id that is taken is a
    /// conflict: somebody else made the next one meanwhile.
    PutCertificate(Certificate),
    /// Erases the certificates that no subscription live at `now_ms` names, of lower numbers alone.
    TidyCertificates {
        /// Lower than this.
        below: i64,
        /// Now.
        now_ms: i64,
    },
    /// Puts the round of an environment's canary; key: environment.
    PutCanary(CanaryRound),
    /// A mailbox is to prove a round on the way to one side. One that waits already waits on since then.
    AwaitCanary {
        /// Whose.
        user: UserId,
        /// To which side.
        to: Side,
        /// Which round.
        round: i64,
        /// Since when, unless it waits already.
        since_ms: i64,
    },
    /// A round's value arrived; the mailbox waits on only where a later round was asked of it.
    ProveCanary {
        /// Whose.
        user: UserId,
        /// At which side.
        to: Side,
        /// Which round.
        round: i64,
        /// When.
        at_ms: i64,
        /// How long it took, in milliseconds.
        took_ms: i64,
    },
    /// A mailbox no longer waits for a value, though none arrived: it is to be asked first.
    EndCanaryWait {
        /// Whose.
        user: UserId,
        /// To which side.
        to: Side,
    },
    /// Writes an audit line; it gets its number.
    AddAudit(Box<AuditLine>),
    /// Erases the values of audit lines older than this (undo window).
    ForgetAuditValues {
        /// Older than this.
        before_ms: i64,
    },
    /// Drops audit lines older than this, of the [`super::AUDIT_DROPPED`] eldest numbers at a time:
    /// its cost does not depend on how many there are.
    DropAudit {
        /// Older than this.
        before_ms: i64,
    },
    /// Puts a held item; key: user, person and rule. It gets or keeps its number.
    PutHeld(Box<Held>),
    /// A held item is decided; one that is gone is a conflict.
    DecideHeld {
        /// Which.
        id: i64,
        /// Outlook's value (true) or Tribe's.
        accepted: bool,
    },
    /// Held items are done.
    DropHeld(Vec<i64>),
    /// Puts a parked item; key: user, person and field. It gets or keeps its number.
    PutParked(Box<Parked>),
    /// Parked items are done.
    DropParked(Vec<i64>),
    /// Starts or ends a user's preview; starting (`ready` false) drops the former items.
    PutPreview {
        /// Whose.
        user: UserId,
        /// The head.
        preview: Preview,
    },
    /// Adds items to a user's preview; key: user and person.
    AddPreviewItems {
        /// Whose.
        user: UserId,
        /// Which.
        items: Vec<PreviewItem>,
    },
    /// Raises an alert; key: its key. One that stands already stays as it is.
    RaiseAlert(Alert),
    /// An alert no longer stands.
    ClearAlert(String),
    /// Keeps the answer to a request with an idempotency key.
    PutAnswered {
        /// SHA-256 of the key.
        key_hash: [u8; 32],
        /// The answer.
        answered: Answered,
        /// When.
        at_ms: i64,
    },
    /// Puts what is sealed anew in the place of what was read there. Does nothing where something
    /// else rests by now: whoever wrote that sealed it under a key of its own choice.
    Reseal {
        /// As it was read.
        cell: SealedCell,
        /// The same content under another key.
        sealed: Sealed,
    },
    /// Erases expired sign-ins, answers older than [`super::ANSWERS_KEPT_MS`] and brake counts older
    /// than [`super::BRAKE_COUNTS_KEPT_MS`].
    Tidy {
        /// Now.
        now_ms: i64,
    },
}

impl Change {
    /// Whether it changes nothing, whatever the store holds.
    pub fn is_idle(&self) -> bool {
        match self {
            Change::AddHints(hints) => hints.is_empty(),
            Change::DropHints(ids)
            | Change::DropHeld(ids)
            | Change::DropParked(ids)
            | Change::DelayHints { ids, .. } => ids.is_empty(),
            _ => false,
        }
    }
}
