//! Chance as a port.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Draws random bytes. Cryptographically strong in the service, seeded in a simulation.
pub trait Random: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        use aws_lc_rs::rand::SecureRandom as _;
        // The generator of the library cannot fail once the process runs; were it to, no secret
        // may be made from what is in the buffer.
        if aws_lc_rs::rand::SystemRandom::new().fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

/// An unguessable text of 43 characters (32 bytes), fit for URLs and headers.
pub fn token(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A UUID of version 7: ordered by time.
pub fn uuid(random: &dyn Random, now_ms: i64) -> uuid::Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or_default(), &bytes)
        .into_uuid()
}
