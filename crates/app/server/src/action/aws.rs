//! `aws-actions/configure-aws-credentials` and `aws-actions/amazon-ecr-login`: keys for the steps after them,
//! and a login at the registry that ends with the job.

mod api;
mod ecr;
mod sign;

use std::collections::BTreeMap;

use cutover_executor::BuiltinLog;

pub(super) use self::ecr::login;
use self::{api::Aws, sign::Keys};
use super::{Context, Done, Left};
use crate::Error;

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN";
const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

pub(super) async fn credentials(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let region = region(context)?;
    let mut env = context.env.clone();
    if context.flag("unset-current-credentials", false)? {
        env.retain(|name, _| ![ID, SECRET, SESSION].contains(&name.as_str()));
    }
    let aws = Aws {
        region: &region,
        env: &env,
        now: context.control.now(),
    };
    for flag in ["disable-retry", "special-characters-workaround"] {
        context.flag(flag, false)?;
    }
    context.number("retry-max-attempts")?;
    let given = given(context)?;
    let usual = keys_of(&env);
    if context.flag("use-existing-credentials", false)?
        && let Some(keys) = &usual
        && let Ok(who) = aws
            .sts(&[("Action", "GetCallerIdentity")], Some(keys))
            .await
    {
        let account = who.get("Account").cloned().unwrap_or_default();
        allowed(context, &account)?;
        log.line("there are credentials that hold; they are left as they are");
        return Ok(Done::Succeeded(exported(context, &region, keys, &account)?));
    }
    let keys = match context.input("role-to-assume") {
        Some(role) => {
            let by = by(context, given, usual)?;
            assume(context, log, &aws, role, &by).await?
        }
        None => given.or(usual).ok_or_else(|| {
            Error::Refused(
                "there are no credentials: give `aws-access-key-id` and `aws-secret-access-key`, or \
                 `role-to-assume` with `permissions: id-token: write`"
                    .to_owned(),
            )
        })?,
    };
    let secrets = [
        keys.id.as_str(),
        &keys.secret,
        keys.session.as_deref().unwrap_or_default(),
    ];
    log.add_masks(&secrets)?;
    let who = aws
        .sts(&[("Action", "GetCallerIdentity")], Some(&keys))
        .await?;
    let account = who.get("Account").cloned().unwrap_or_default();
    allowed(context, &account)?;
    let hides_account = context.flag("mask-aws-account-id", false)?;
    if hides_account {
        log.add_masks(&[&account])?;
    }
    log.line(&format!("account {account}, region {region}"));
    Ok(Done::Succeeded(exported(
        context, &region, &keys, &account,
    )?))
}

/// What later steps find.
fn exported(context: &Context, region: &str, keys: &Keys, account: &str) -> Result<Left, Error> {
    let mut left = Left::default().withheld("aws-account-id", account);
    let mut set = |name: &str, value: &str| left.env.insert(name.to_owned(), value.to_owned());
    if context.flag("output-env-credentials", true)? {
        set("AWS_REGION", region);
        set("AWS_DEFAULT_REGION", region);
        set(ID, &keys.id);
        set(SECRET, &keys.secret);
        // One of earlier keys would not fit to these.
        set(SESSION, keys.session.as_deref().unwrap_or_default());
    }
    if context.flag("output-credentials", false)? {
        left = left
            .withheld("aws-access-key-id", &keys.id)
            .withheld("aws-secret-access-key", &keys.secret)
            .withheld(
                "aws-session-token",
                keys.session.as_deref().unwrap_or_default(),
            );
    }
    Ok(left)
}

fn region(context: &Context) -> Result<String, Error> {
    let said = context.input("aws-region");
    let usual = || {
        let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        names.iter().find_map(|name| context.env.get(*name))
    };
    let region = said.or_else(|| usual().map(String::as_str));
    let region = region.filter(|region| !region.is_empty()).ok_or_else(|| {
        Error::Refused("say `aws-region`, or set `AWS_REGION` for the job".to_owned())
    })?;
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !region.chars().all(is_fine) {
        return Err(Error::Refused(format!("`{region}` is no region")));
    }
    Ok(region.to_owned())
}

/// The keys of the inputs.
fn given(context: &Context) -> Result<Option<Keys>, Error> {
    let (id, secret) = (
        context.input("aws-access-key-id"),
        context.input("aws-secret-access-key"),
    );
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Keys {
            id: id.to_owned(),
            secret: secret.to_owned(),
            session: context.input("aws-session-token").map(ToOwned::to_owned),
        })),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(Error::Refused(
            "`aws-access-key-id` and `aws-secret-access-key` go together; a secret that does not \
             exist is empty"
                .to_owned(),
        )),
    }
}

/// The keys of the environment.
fn keys_of(env: &BTreeMap<String, String>) -> Option<Keys> {
    let of = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    Some(Keys {
        id: of(ID)?,
        secret: of(SECRET)?,
        session: of(SESSION),
    })
}

/// Refuses an account that is none of those which are wanted.
fn allowed(context: &Context, account: &str) -> Result<(), Error> {
    let wanted = context.words("allowed-account-ids");
    if wanted.is_empty() || wanted.iter().any(|one| one == account) {
        return Ok(());
    }
    Err(Error::Refused(
        "the credentials are of an account that `allowed-account-ids` does not name".to_owned(),
    ))
}

/// By what a role is taken.
enum By {
    Keys(Keys),
    /// An id token of the job.
    IdToken,
    /// A token that somebody has written into a file.
    File(String),
}

/// As the original chooses: keys of the inputs, a file, the keys of a role before this one when it is said so;
/// else an id token where the job may have one; else the keys of the environment.
fn by(context: &Context, given: Option<Keys>, usual: Option<Keys>) -> Result<By, Error> {
    let may_ask = context
        .granted
        .env
        .contains_key("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
        && !context.flag("force-skip-oidc", false)?;
    let is_chained = context.flag("role-chaining", false)?;
    match (given, context.input("web-identity-token-file"), usual) {
        (Some(keys), _, _) => Ok(By::Keys(keys)),
        (None, Some(file), _) => Ok(By::File(file.to_owned())),
        (None, None, Some(keys)) if is_chained || !may_ask => Ok(By::Keys(keys)),
        (None, None, None) if is_chained => Err(Error::Refused(
            "`role-chaining` takes a role by the keys of the environment, and there are none"
                .to_owned(),
        )),
        (None, None, _) => Ok(By::IdToken),
    }
}

/// Takes a role.
async fn assume(
    context: &Context,
    log: &mut BuiltinLog,
    aws: &Aws<'_>,
    role: &str,
    by: &By,
) -> Result<Keys, Error> {
    let duration = context.input("role-duration-seconds").unwrap_or("3600");
    let session = context
        .input("role-session-name")
        .unwrap_or("GitHubActions");
    let mut fields = vec![
        ("RoleArn", role),
        ("RoleSessionName", session),
        ("DurationSeconds", duration),
    ];
    if let Some(policy) = context.input("inline-session-policy") {
        fields.push(("Policy", policy));
    }
    let policies = context.lines("managed-session-policies");
    let policies: Vec<(String, &String)> = (1..)
        .zip(&policies)
        .map(|(number, arn)| (format!("PolicyArns.member.{number}.arn"), arn))
        .collect();
    fields.extend(
        policies
            .iter()
            .map(|(name, arn)| (name.as_str(), arn.as_str())),
    );
    let token;
    let tags;
    let keys = match by {
        By::Keys(keys) => {
            fields.push(("Action", "AssumeRole"));
            if let Some(external) = context.input("role-external-id") {
                fields.push(("ExternalId", external));
            }
            tags = tags_of(context)?;
            let tags = tags
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            fields.extend(tags);
            log.line(&format!("takes the role {role} by keys"));
            Some(keys)
        }
        By::IdToken => {
            let audience = context.input("audience").unwrap_or(DEFAULT_AUDIENCE);
            token = id_token(context, audience).await?;
            log.line(&format!(
                "takes the role {role} by an id token for {audience}"
            ));
            log.add_masks(&[&token])?;
            fields.extend([
                ("Action", "AssumeRoleWithWebIdentity"),
                ("WebIdentityToken", &token),
            ]);
            None
        }
        By::File(file) => {
            let place = context.place.workspace.join(file);
            let text = std::fs::read_to_string(&place).map_err(Error::io("read", &place))?;
            token = text.trim().to_owned();
            log.line(&format!("takes the role {role} by the token in {file}"));
            log.add_masks(&[&token])?;
            fields.extend([
                ("Action", "AssumeRoleWithWebIdentity"),
                ("WebIdentityToken", &token),
            ]);
            None
        }
    };
    let found = aws.sts(&fields, keys).await?;
    let of = |name: &str| {
        let missing = || Error::Refused(format!("STS gave no `{name}`"));
        found.get(name).cloned().ok_or_else(missing)
    };
    Ok(Keys {
        id: of("AccessKeyId")?,
        secret: of("SecretAccessKey")?,
        session: Some(of("SessionToken")?),
    })
}

/// The tags that the original gives a session.
fn tags_of(context: &Context) -> Result<Vec<(String, String)>, Error> {
    if context.flag("role-skip-session-tagging", false)? {
        return Ok(Vec::new());
    }
    let fact = |name: &str| context.env.get(name).cloned().unwrap_or_default();
    let tags = [
        ("GitHub", "Actions".to_owned()),
        ("Repository", fact("GITHUB_REPOSITORY")),
        ("Workflow", fact("GITHUB_WORKFLOW")),
        ("Action", context.key.step.to_string()),
        ("Actor", fact("GITHUB_ACTOR")),
        ("Commit", fact("GITHUB_SHA")),
        ("Branch", fact("GITHUB_REF")),
    ];
    let tags = tags
        .into_iter()
        .enumerate()
        .flat_map(|(index, (name, value))| {
            let prefix = format!("Tags.member.{}", index + 1);
            [
                (format!("{prefix}.Key"), name.to_owned()),
                (format!("{prefix}.Value"), tag_value(&value)),
            ]
        });
    Ok(tags.collect())
}

/// What a tag may not have becomes `_`.
fn tag_value(text: &str) -> String {
    let is_fine = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let fine = text.chars().map(|c| if is_fine(c) { c } else { '_' });
    fine.take(256).collect()
}

/// Asks our own service, as the job would.
async fn id_token(context: &Context, audience: &str) -> Result<String, Error> {
    let of = |name: &str| context.granted.env.get(name);
    let (Some(url), Some(asking)) = (
        of("ACTIONS_ID_TOKEN_REQUEST_URL"),
        of("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    ) else {
        return Err(Error::Refused(
            "this job gets no id token: it needs `permissions: id-token: write`, and a trusted run"
                .to_owned(),
        ));
    };
    let client = reqwest::Client::builder().no_proxy().build();
    let failed = |error: reqwest::Error| {
        Error::Refused(format!("no id token was given: {}", error.without_url()))
    };
    let answer = client
        .map_err(failed)?
        .get(url)
        .query(&[("audience", audience)])
        .bearer_auth(asking)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(failed)?;
    let answer: serde_json::Value = answer.json().await.map_err(failed)?;
    let token = answer["value"].as_str().map(ToOwned::to_owned);
    token.ok_or_else(|| Error::Refused("no id token was given".to_owned()))
}
