//! One order: account, authorizations, challenges, certificate. What is said over the wire is the
//! business of the crate below.

use std::{io, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};

use super::{
    challenges::{Challenges, Shown},
    vault::{Given, Vault},
};
use crate::{control::Acme, tls::Fault};

/// How long the authority may take to look, and how long to sign.
const LOOKING: Duration = Duration::from_mins(1);

/// Why there is no certificate. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("the authority did not do it: {0}")]
    Authority(#[from] Error),
    #[error("the authority took longer than {} s", super::ORDER.as_secs())]
    Slow,
    #[error("the authority offers no HTTP-01 for `{host}`")]
    NoHttp01 { host: String },
    #[error("the authority does not believe that `{host}` is ours: {reason}")]
    NotOurs { host: String, reason: String },
    #[error("the authority refused the order")]
    Refused,
    #[error("what the authority gave cannot be used: {0}")]
    Unusable(#[from] Fault),
    #[error("what the authority gave has expired; is the clock right?")]
    Expired,
    #[error("what the authority gave is not for `{host}`")]
    Uncovered { host: String },
    #[error("cannot keep `{path}`: {source}")]
    Keep {
        path: Utf8PathBuf,
        source: io::Error,
    },
}

/// Asks an authority for a certificate.
pub(super) async fn order(
    vault: &Vault,
    acme: &Acme,
    challenges: &Arc<Challenges>,
) -> Result<Given, OrderError> {
    let account = account(vault, acme).await?;
    let hosts = acme.hosts.iter().cloned().map(Identifier::Dns);
    let hosts: Vec<_> = hosts.collect();
    let begun = account.new_order(&NewOrder::new(&hosts)).await;
    let mut order = begun.inspect_err(|error| {
        if is_unknown_account(error) {
            vault.forget_account(acme);
        }
    })?;
    let patience = RetryPolicy::default().timeout(LOOKING);
    let shown = show(&mut order, challenges).await?;
    let status = order.poll_ready(&patience).await;
    drop(shown);
    match status {
        Ok(OrderStatus::Ready) => {}
        // Invalid, with or without a reason of the order itself; that of a host says more.
        Ok(_) => return Err(why_invalid(&mut order).await.unwrap_or(OrderError::Refused)),
        Err(error) => return Err(why_invalid(&mut order).await.unwrap_or(error.into())),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&patience).await?;
    Ok(Given { key, chain })
}

/// The account with the authority, made once and kept. To order is to agree to its terms.
async fn account(vault: &Vault, acme: &Acme) -> Result<Account, OrderError> {
    let builder = match &acme.ca_file {
        Some(file) => Account::builder_with_root(file)?,
        None => Account::builder()?,
    };
    if let Some(known) = vault.account(acme) {
        return Ok(builder.from_credentials(known).await?);
    }
    let contact: Vec<_> = acme.contact.iter().map(String::as_str).collect();
    let asked = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = acme.directory().to_owned();
    let (account, credentials) = builder.create(&asked, directory, None).await?;
    vault.keep_account(acme, &credentials)?;
    Ok(account)
}

fn is_unknown_account(error: &Error) -> bool {
    let Error::Api(problem) = error else {
        return false;
    };
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.ends_with(":accountDoesNotExist")
}

/// Lets the authority find what it asks for, and tells it that it may look.
async fn show(order: &mut Order, challenges: &Arc<Challenges>) -> Result<Vec<Shown>, OrderError> {
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let host = authorization.identifier().to_string();
        let mut challenge = authorization
            .challenge(ChallengeType::Http01)
            .ok_or_else(|| OrderError::NoHttp01 { host: host.clone() })?;
        let answer = challenge.key_authorization();
        shown.push(challenges.show(&challenge.token, answer.as_str()));
        // Some authorities look before they answer.
        challenge.set_ready().await.map_err(|error| match error {
            Error::Api(problem) => not_ours(host, &problem),
            other => other.into(),
        })?;
    }
    Ok(shown)
}

/// What the authority says of the host that it could not find.
async fn why_invalid(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let host = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let problem = state.challenges.iter().find_map(|one| one.error.as_ref());
        if let Some(problem) = problem {
            return Some(not_ours(host, problem));
        }
    }
    None
}

fn not_ours(host: String, problem: &Problem) -> OrderError {
    OrderError::NotOurs {
        host,
        reason: problem.to_string(),
    }
}
