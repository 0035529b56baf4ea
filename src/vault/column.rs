//! The sealed columns by name. The name and the row's key are bound into each ciphertext: changing
//! either makes what is stored unreadable.

/// The key of an environment's fingerprints. Row: the environment's id.
pub const FINGERPRINT_KEY: &str = "environments.fingerprint_key";
/// Settings of an environment added over the API. Row: the environment's id.
pub const ENVIRONMENT_SETTINGS: &str = "environments.settings";
/// A webhook's secret. Row: the environment's id, `/`, Tribe's id of the webhook.
pub const WEBHOOK_SECRET: &str = "webhooks.secret";
/// A mailbox's address. Row: the user's id.
pub const MAILBOX: &str = "users.mailbox";
/// An address that an administrator allowed. Row: the user's id.
pub const ALLOW_MAILBOX: &str = "users.allow_mailbox";
/// A refresh token. Row: the user's or the environment's id.
pub const REFRESH_TOKEN: &str = "tokens.refresh";
/// An access token. Row: the user's or the environment's id.
pub const ACCESS_TOKEN: &str = "tokens.access";
/// PKCE verifier and nonce of a pending sign-in. Row: the hash of its state, in hex.
pub const SIGN_IN_PROOF: &str = "sign_ins.proof";
/// Values of an audit line. Row: the user's id, `/`, the person's id.
pub const AUDIT_VALUES: &str = "audit.values";
/// Values of a held change. Row: the user's id, `/`, the person's id, `/`, the rule.
pub const HELD_VALUES: &str = "held.values";
/// An answer kept for an idempotency key. Row: the hash of the key, in hex.
pub const ANSWER_BODY: &str = "answers.body";
/// What a pass is about to write for a link. Row: the user's id, `/`, the person's id, `/ahead`.
pub const LINK_AHEAD: &str = "links.ahead";
/// The private key of a certificate for contents of notifications. Row: the certificate's id.
pub const CERTIFICATE_KEY: &str = "certificates.private_key";
