//! One conversation with the authority, from the account to the chain (RFC 8555, section 7.1).

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::answer::{self, Answers};
use super::fault::{self, AcmeFault};
use super::store::{self, Store};
use crate::server::config::{Acme, AcmeChallenge};

/// How the authority is asked whether it has come to an end: soon at first, then at longer intervals.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// What it gave.
pub(super) struct Issued {
    pub(super) chain_pem: String,
    pub(super) key_pem: String,
}

/// Gets a certificate. What `answers` shows meanwhile is the caller's to end.
///
/// # Errors
/// Where it failed, and why.
pub(super) async fn certificate(
    acme: &Acme,
    store: &Store,
    answers: &mut Answers,
) -> Result<Issued, AcmeFault> {
    let account = account(acme, store).await?;
    let identifiers: Vec<Identifier> = acme.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = (account.new_order(&NewOrder::new(&identifiers)).await)
        .map_err(|error| AcmeFault::authority("a certificate", &error))?;
    prove(acme.challenge, &account, &mut order, answers).await?;
    let (csr, key_pem) = request(&acme.names)?;
    let failed = |error| AcmeFault::authority("the certificate of a proven name", &error);
    order.finalize_csr(&csr).await.map_err(failed)?;
    let chain_pem = order.poll_certificate(&PATIENCE).await.map_err(failed)?;
    Ok(Issued { chain_pem, key_pem })
}

/// The one that is stored; one that the authority does not know any more is replaced.
async fn account(acme: &Acme, store: &Store) -> Result<Account, AcmeFault> {
    let builder = || match &acme.directory_ca {
        Some(path) => Account::builder_with_root(path),
        None => Account::builder(),
    };
    let failed = |error| AcmeFault::authority("its directory", &error);
    let contact = acme.email.as_ref().map(|email| format!("mailto:{email}"));
    let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
    if let Some(stored) = store.account() {
        let credentials = stored.credentials;
        let json = serde_json::to_value(&credentials).unwrap_or_default();
        let account = builder().map_err(failed)?.from_credentials(credentials);
        let account = account.await.map_err(failed)?;
        // What it is not told again it keeps, and an account that it has forgotten shows here.
        match account.update_contacts(&contacts).await {
            Ok(()) => {
                if stored.email != acme.email
                    && let Ok(credentials) = serde_json::from_value(json)
                {
                    keep(acme, store, credentials).await?;
                }
                return Ok(account);
            }
            Err(instant_acme::Error::Api(problem)) if is_unknown_account(&problem) => {
                tracing::warn!("the authority does not know the account any more: making another");
            }
            Err(error) => return Err(AcmeFault::authority("the account", &error)),
        }
    }
    let wanted = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder().map_err(failed)?;
    let made = made.create(&wanted, acme.directory.clone(), None).await;
    let (account, credentials) =
        made.map_err(|error| AcmeFault::authority("its directory and an account", &error))?;
    keep(acme, store, credentials).await?;
    tracing::info!(
        directory = acme.directory,
        "account with the authority made"
    );
    Ok(account)
}

async fn keep(
    acme: &Acme,
    store: &Store,
    credentials: AccountCredentials,
) -> Result<(), AcmeFault> {
    let email = acme.email.clone();
    let account = store::Account { email, credentials };
    let store = store.clone();
    store::elsewhere(move || store.put_account(&account)).await
}

fn is_unknown_account(problem: &instant_acme::Problem) -> bool {
    (problem.r#type.as_deref()).is_some_and(|kind| kind.ends_with(":accountDoesNotExist"))
}

/// Shows the answers, asks the authority to look, and waits until it is convinced.
async fn prove(
    how: AcmeChallenge,
    account: &Account,
    order: &mut Order,
    answers: &mut Answers,
) -> Result<(), AcmeFault> {
    let kind = match how {
        AcmeChallenge::Http01 => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let failed = |error| AcmeFault::authority("its challenges", &error);
    let mut in_handshakes = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            // Proven a while ago, and that still counts.
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                let reason = format!("the authority holds it for {status:?} from the start");
                return Err(challenge_fault(&name, how, reason.to_lowercase()));
            }
        }
        let challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
            challenge_fault(&name, how, "the authority does not offer it".to_owned())
        })?;
        if how == AcmeChallenge::TlsAlpn01 {
            let digest = challenge.key_authorization().digest();
            in_handshakes.push(answer::in_handshakes(&name, digest.as_ref())?);
        }
    }
    match how {
        AcmeChallenge::Http01 => answers.over_http(account.key_thumbprint()),
        AcmeChallenge::TlsAlpn01 if in_handshakes.is_empty() => {}
        AcmeChallenge::TlsAlpn01 => answers.in_handshakes(&in_handshakes).await?,
    }
    // An authority that looks at once may tell in its very answer what it did not see.
    if let Err(error) = ask_to_look(&kind, order).await {
        let told = why_invalid(how, &kind, order).await;
        return Err(told.unwrap_or_else(|| failed(error)));
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid | OrderStatus::Processing) => Ok(()),
        Ok(OrderStatus::Invalid | OrderStatus::Pending) => Err(why_invalid(how, &kind, order)
            .await
            .unwrap_or_else(|| challenge_fault("a name", how, "no reason given".to_owned()))),
        // The order's own error names no challenge.
        Err(error) => Err(why_invalid(how, &kind, order)
            .await
            .unwrap_or_else(|| AcmeFault::authority("the outcome of its challenges", &error))),
    }
}

/// Asks the authority to look at every name that is not proven.
async fn ask_to_look(kind: &ChallengeType, order: &mut Order) -> Result<(), instant_acme::Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Pending
            && let Some(mut challenge) = authorization.challenge(kind.clone())
        {
            challenge.set_ready().await?;
        }
    }
    Ok(())
}

/// The first challenge that failed, with what the authority saw.
async fn why_invalid(
    how: AcmeChallenge,
    kind: &ChallengeType,
    order: &mut Order,
) -> Option<AcmeFault> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let state = authorization.refresh().await.ok()?;
        let mut challenges = state.challenges.iter();
        let told = challenges
            .find(|challenge| challenge.r#type == *kind)
            .and_then(|challenge| challenge.error.as_ref());
        if let Some(problem) = told {
            return Some(challenge_fault(&name, how, fault::told(problem)));
        }
    }
    None
}

fn challenge_fault(name: &str, how: AcmeChallenge, reason: String) -> AcmeFault {
    AcmeFault::Challenge {
        name: name.to_owned(),
        challenge: how.name(),
        reason,
    }
}

/// A signing request for the names (DER) and the new key (PEM): each certificate has a key of its own.
fn request(names: &[String]) -> Result<(Vec<u8>, String), AcmeFault> {
    let made = || {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate()?;
        let request = params.serialize_request(&key)?;
        Ok((request.der().to_vec(), key.serialize_pem()))
    };
    made().map_err(|error: rcgen::Error| AcmeFault::Local(format!("cannot make a key: {error}")))
}
