//! `aws-actions/amazon-ecr-login`: a configuration of docker for this job alone, with the login in it. No
//! program sees the password in its arguments, and the login goes with the job.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use serde_json::{Value, json};

use super::{api::Aws, keys_of, region};
use crate::{
    Error,
    action::{Context, Done, Left},
};

/// The registry of all the world.
const PUBLIC: &str = "https://public.ecr.aws";

pub(crate) async fn login(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let is_public = match context.input("registry-type") {
        None | Some("private") => false,
        Some("public") => true,
        Some(kind) => {
            return Err(Error::Refused(format!(
                "`registry-type: {kind}` is neither `private` nor `public`"
            )));
        }
    };
    // Either way the login ends with the job, and a password is never printed.
    context.flag("skip-logout", true)?;
    context.flag("mask-password", true)?;
    let region = region(context)?;
    let keys = keys_of(&context.env).ok_or_else(|| {
        Error::Refused(
            "there are no AWS keys in the environment; `aws-actions/configure-aws-credentials` \
             sets them"
                .to_owned(),
        )
    })?;
    let aws = Aws {
        region: &region,
        env: &context.env,
        now: context.control.now(),
    };
    let logins = if is_public {
        public(&aws.ecr_public_token(&keys).await?)
    } else {
        aws.ecr_tokens(&context.words("registries"), &keys).await?
    };
    let folder = context.place.temp.join("_docker");
    let mut config = usual_config(context);
    let mut left = Left::default();
    let mut first = None;
    for login in logins["authorizationData"].as_array().into_iter().flatten() {
        let (Some(token), Some(endpoint)) = (
            login["authorizationToken"].as_str(),
            login["proxyEndpoint"].as_str(),
        ) else {
            continue;
        };
        let bytes = BASE64_STANDARD.decode(token).unwrap_or_default();
        let pair = String::from_utf8(bytes).unwrap_or_default();
        let Some((user, password)) = pair.split_once(':') else {
            return Err(Error::Refused("ECR gave a token that is none".to_owned()));
        };
        log.add_masks(&[token, password])?;
        let registry = endpoint
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        config["auths"][&registry] = json!({ "auth": token });
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = registry.chars().map(plain).collect();
        left = left
            .output(&format!("docker_username_{name}"), user)
            .withheld(&format!("docker_password_{name}"), password);
        log.line(&format!("logged in at {registry}"));
        first.get_or_insert(registry);
    }
    let registry =
        first.ok_or_else(|| Error::Refused("ECR gave no login for any registry".to_owned()))?;
    write(&folder, &config)?;
    left.env
        .insert("DOCKER_CONFIG".to_owned(), folder.into_string());
    Ok(Done::Succeeded(left.output("registry", registry)))
}

/// The one login at the public registry, in the form of those at private ones.
fn public(answer: &Value) -> Value {
    let token = &answer["authorizationData"]["authorizationToken"];
    json!({ "authorizationData": [{ "authorizationToken": token, "proxyEndpoint": PUBLIC }] })
}

/// What docker is configured with otherwise goes on holding: proxies, contexts, other logins of the job.
fn usual_config(context: &Context) -> Value {
    let own = context
        .env
        .get("DOCKER_CONFIG")
        .map(camino::Utf8PathBuf::from);
    let folder = own.or_else(|| Some(context.home()?.join(".docker")));
    let text = folder.and_then(|folder| std::fs::read_to_string(folder.join("config.json")).ok());
    let config: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let mut config = config.filter(Value::is_object).unwrap_or_else(|| json!({}));
    if !config["auths"].is_object() {
        config["auths"] = json!({});
    }
    // A store of credentials would be asked instead of the file.
    if let Some(config) = config.as_object_mut() {
        config.remove("credsStore");
    }
    config
}

fn write(folder: &Utf8Path, config: &Value) -> Result<(), Error> {
    let place = folder.join("config.json");
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600);
        file.open(&place)?.write_all(config.to_string().as_bytes())
    });
    written.map_err(Error::io("write", &place))
}
