//! Where the random bytes of SASL exchanges come from.

use std::io;

use crate::auth::sasl::Nonce;

/// A nonce from the system's random source.
pub(super) fn fresh() -> io::Result<Nonce> {
    let mut bytes = [0; Nonce::RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(Nonce::from_random(bytes))
}
