//! What widely used actions do with the token.

use super::{CONTENTS, Level, TOKENS};
use crate::github::lint::model::{Step, Text};

use Level::{Read, Write};

type Scope = (&'static str, Level);

/// Actions that need none, by name.
const NOTHING: [&str; 40] = [
    "actions-rs/toolchain",
    "actions/cache",
    "actions/setup-dotnet",
    "actions/setup-go",
    "actions/setup-java",
    "actions/setup-node",
    "actions/setup-python",
    "actions/upload-artifact",
    "actions/upload-pages-artifact",
    "android-actions/setup-android",
    "astral-sh/ruff-action",
    "astral-sh/setup-uv",
    "bufbuild/buf-setup-action",
    "cutover/build",
    "cutover/deploy",
    "cutover/gate",
    "cutover/release",
    "denoland/setup-deno",
    "docker/build-push-action",
    "docker/metadata-action",
    "docker/setup-buildx-action",
    "docker/setup-qemu-action",
    "dtolnay/rust-toolchain",
    "erlef/setup-beam",
    "google-github-actions/setup-gcloud",
    "gradle/wrapper-validation-action",
    "haskell-actions/setup",
    "hashicorp/setup-terraform",
    "helm/kind-action",
    "ilammy/msvc-dev-cmd",
    "jdx/mise-action",
    "julia-actions/setup-julia",
    "msys2/setup-msys2",
    "oven-sh/setup-bun",
    "pnpm/action-setup",
    "ruby/setup-ruby",
    "shivammathur/setup-php",
    "subosito/flutter-action",
    "swatinem/rust-cache",
    "taiki-e/install-action",
];

/// Actions with what they need, whatever they are given.
const KNOWN: [(&str, &[Scope]); 26] = [
    ("actions/add-to-project", &[]),
    (
        "actions/attest",
        &[
            ("attestations", Write),
            (CONTENTS, Read),
            ("id-token", Write),
        ],
    ),
    (
        "actions/attest-build-provenance",
        &[
            ("attestations", Write),
            (CONTENTS, Read),
            ("id-token", Write),
        ],
    ),
    ("actions/checkout", &[(CONTENTS, Read)]),
    ("actions/configure-pages", &[("pages", Read)]),
    ("actions/create-release", &[(CONTENTS, Write)]),
    ("actions/dependency-review-action", &[(CONTENTS, Read)]),
    (
        "actions/deploy-pages",
        &[("id-token", Write), ("pages", Write)],
    ),
    (
        "actions/first-interaction",
        &[("issues", Write), ("pull-requests", Write)],
    ),
    (
        "actions/labeler",
        &[(CONTENTS, Read), ("pull-requests", Write)],
    ),
    (
        "actions/stale",
        &[
            ("actions", Write),
            ("issues", Write),
            ("pull-requests", Write),
        ],
    ),
    ("actions/upload-release-asset", &[(CONTENTS, Write)]),
    (
        "dependabot/fetch-metadata",
        &[(CONTENTS, Read), ("pull-requests", Read)],
    ),
    ("github/codeql-action/analyze", CODE_SCANNING),
    ("github/codeql-action/autobuild", CODE_SCANNING),
    ("github/codeql-action/init", CODE_SCANNING),
    ("github/codeql-action/upload-sarif", CODE_SCANNING),
    ("golangci/golangci-lint-action", &[(CONTENTS, Read)]),
    (
        "googleapis/release-please-action",
        &[
            (CONTENTS, Write),
            ("issues", Write),
            ("pull-requests", Write),
        ],
    ),
    ("jamesives/github-pages-deploy-action", &[(CONTENTS, Write)]),
    (
        "marocchino/sticky-pull-request-comment",
        &[("pull-requests", Write)],
    ),
    ("ncipollo/release-action", &[(CONTENTS, Write)]),
    (
        "peter-evans/create-or-update-comment",
        &[("issues", Write), ("pull-requests", Write)],
    ),
    (
        "peter-evans/create-pull-request",
        &[(CONTENTS, Write), ("pull-requests", Write)],
    ),
    ("peaceiris/actions-gh-pages", &[(CONTENTS, Write)]),
    ("softprops/action-gh-release", &[(CONTENTS, Write)]),
];

const CODE_SCANNING: &[Scope] = &[
    ("actions", Read),
    (CONTENTS, Read),
    ("security-events", Write),
];

/// Actions that ask for an id token when an input is given.
const WITH_ID: [(&str, &str); 4] = [
    ("aws-actions/configure-aws-credentials", "role-to-assume"),
    ("azure/login", "client-id"),
    ("codecov/codecov-action", "use_oidc"),
    ("google-github-actions/auth", "workload_identity_provider"),
];

/// What a step that uses an action needs; `None` when nobody knows.
pub(super) fn needed(uses: Text<'_>, step: &Step<'_>) -> Option<Vec<Scope>> {
    let lower = uses.lower();
    if lower.starts_with("docker://") {
        let names_token = step.with.iter().any(|(_, value)| has_token(*value));
        return (!names_token).then(Vec::new);
    }
    let (name, _) = lower.split_once('@')?;
    let given = |input: &str| {
        let mut with = step.with.iter();
        with.find(|(own, _)| own.text().eq_ignore_ascii_case(input))
            .map(|(_, value)| value.lower())
    };
    if NOTHING.contains(&name) || name.starts_with("actions/cache/") {
        return Some(Vec::new());
    }
    if let Some((_, input)) = WITH_ID.iter().find(|(own, _)| *own == name) {
        let asks = given(input).is_some_and(|value| value != "false");
        return Some(asks.then_some(("id-token", Write)).into_iter().collect());
    }
    match name {
        "actions/download-artifact" => {
            let is_of_other_run = given("run-id").is_some();
            return Some(
                is_of_other_run
                    .then_some(("actions", Read))
                    .into_iter()
                    .collect(),
            );
        }
        "docker/login-action" => {
            let is_own = given("registry").is_some_and(|value| value.contains("ghcr.io"));
            return Some(is_own.then_some(("packages", Write)).into_iter().collect());
        }
        "pypa/gh-action-pypi-publish" => {
            let asks = given("password").is_none();
            return Some(asks.then_some(("id-token", Write)).into_iter().collect());
        }
        _ => {}
    }
    let (_, scopes) = KNOWN.iter().find(|(own, _)| *own == name)?;
    let mut scopes = scopes.to_vec();
    if name == "actions/dependency-review-action" && given("comment-summary-in-pr").is_some() {
        scopes.push(("pull-requests", Write));
    }
    if name == "actions/stale" && given("delete-branch").is_some() {
        scopes.push((CONTENTS, Write));
    }
    Some(scopes)
}

fn has_token(value: Text<'_>) -> bool {
    let lower = value.lower();
    TOKENS.iter().any(|token| lower.contains(token))
}
