//! `hashicorp/setup-terraform`: the Terraform of this machine, with the wrapper that makes its words outputs.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use cutover_executor::BuiltinLog;

use super::{Left, Tool, on_path, pick};
use crate::{Error, action::Context};

const TERRAFORM: Tool = Tool {
    name: "Terraform",
    program: "terraform",
    asks: &["version"],
    cache: "terraform",
    versions: &[("~/.tfenv/versions", "")],
};

/// Runs the real one, and gives on what it said and how it ended. 2 is what `plan` says of a difference.
const WRAPPER: &str = r#"#!/usr/bin/env bash
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
REAL "$@" > >(tee "$kept/stdout") 2> >(tee "$kept/stderr" >&2)
code=$?
wait
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    mark="end_of_$$_$RANDOM$RANDOM"
    for name in stdout stderr; do
        printf '%s<<%s\n' "$name" "$mark"
        cat "$kept/$name"
        printf '\n%s\n' "$mark"
    done >> "$GITHUB_OUTPUT"
    echo "exitcode=$code" >> "$GITHUB_OUTPUT"
fi
[ "$code" -eq 2 ] && exit 0
exit "$code"
"#;

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = context.input("terraform_version").unwrap_or_default();
    let found = pick(context, log, &TERRAFORM, asked).await?;
    let mut left = on_path(&found);
    if context.flag("terraform_wrapper", true)? {
        let folder = context.place.temp.join("_terraform");
        wrap(&folder, &found.program)?;
        left.env
            .insert("TERRAFORM_CLI_PATH".to_owned(), found.bin.to_string());
        left.path.push(folder.into_string());
    }
    if let Some(token) = context.input("cli_config_credentials_token") {
        let host = context.input("cli_config_credentials_hostname");
        let host = host.unwrap_or("app.terraform.io");
        log.add_masks(&[token])?;
        let name = host.replace('-', "__").replace('.', "_");
        left.env
            .insert(format!("TF_TOKEN_{name}"), token.to_owned());
    }
    Ok(left)
}

fn wrap(folder: &Utf8Path, real: &Utf8Path) -> Result<(), Error> {
    let place = folder.join("terraform");
    let quoted = format!("'{}'", real.as_str().replace('\'', "'\\''"));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&place, WRAPPER.replace("REAL", &quoted)))
        .and_then(|()| std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)));
    written.map_err(Error::io("write", &place))
}
