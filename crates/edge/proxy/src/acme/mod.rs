//! Certificates from an authority that speaks ACME (RFC 8555): when they are asked for, and kept.
//!
//! The conversation with the authority is in `order`, its questions to us in `challenges`, the times
//! in `schedule`, files in `vault`. What clients are shown is decided in `tls`.

mod authority;
mod challenges;
mod order;
mod schedule;
mod vault;

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use self::order::OrderError;
pub(crate) use self::{authority::Authority, challenges::Challenges};
use crate::{balancer::Balancer, clock};

/// How long one order may take.
const ORDER: Duration = Duration::from_mins(5);
/// How long is waited at most before the wall clock is looked at again: it may have been set.
const LOOK: Duration = Duration::from_hours(1);

/// Orders what is due, one after the other. Does not come back.
pub(crate) async fn keep(balancer: &Arc<Balancer>) {
    let authority = &balancer.keyring.authority;
    loop {
        let Some((acme, due)) = authority.next() else {
            authority.changed.notified().await;
            continue;
        };
        let wait = due.saturating_sub(clock::since_epoch());
        if !wait.is_zero() {
            tokio::select! {
                () = sleep(wait.min(LOOK)) => {}
                () = authority.changed.notified() => {}
            }
            continue;
        }
        let ordering = order::order(authority.vault(), &acme, &authority.challenges);
        let ordered = Box::pin(timeout(ORDER, ordering)).await;
        let ordered = ordered.unwrap_or(Err(OrderError::Slow));
        let vault = authority.vault().clone();
        let wanted = acme.clone();
        let kept = tokio::task::spawn_blocking(move || vault.keep(&wanted, &ordered?)).await;
        match kept {
            Ok(Ok(certificate)) => {
                authority.given(&acme, certificate);
                balancer.choose_certificates();
            }
            Ok(Err(error)) => authority.refused(&acme, &error.to_string()),
            Err(panicked) => authority.refused(&acme, &panicked.to_string()),
        }
    }
}
