//! The actions that this binary has built in: their names and inputs. What they do is done by the server.

use serde::{Deserialize, Serialize};

/// The actions that this binary has built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// `actions/checkout`: the sources of the run's revision into the workspace.
    Checkout,
    /// `cutover/gate@v1`: reports → verdict.
    Gate,
    /// `cutover/release@v1`: commits → version, changelog, tag.
    Release,
    /// `cutover/build@v1`: sources → image or bundle, by digest.
    Build,
    /// `cutover/deploy@v1`: digest → environment.
    Deploy,
    /// `actions/cache`: restored now, saved after the last step.
    Cache,
    /// `actions/cache/restore`.
    CacheRestore,
    /// `actions/cache/save`.
    CacheSave,
    /// `actions/upload-artifact`: files → an artifact of the run.
    UploadArtifact,
    /// `actions/download-artifact`: artifacts → files.
    DownloadArtifact,
    /// `actions/setup-node`: the node of this machine.
    SetupNode,
    /// `actions/setup-python`: the Python of this machine.
    SetupPython,
    /// `actions/setup-go`: the Go of this machine.
    SetupGo,
    /// `actions/setup-java`: the Java of this machine.
    SetupJava,
    /// `actions-rust-lang/setup-rust-toolchain`: the Rust of this machine.
    SetupRust,
    /// `dtolnay/rust-toolchain`: the same, with the toolchain as the version of the action.
    RustToolchain,
    /// `hashicorp/setup-terraform`: the Terraform of this machine.
    SetupTerraform,
    /// `aws-actions/configure-aws-credentials`: keys, or a role by an id token → the environment.
    AwsCredentials,
    /// `aws-actions/amazon-ecr-login`: a login at the registry, for this job.
    EcrLogin,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Checkout,
        Self::Gate,
        Self::Release,
        Self::Build,
        Self::Deploy,
        Self::Cache,
        Self::CacheRestore,
        Self::CacheSave,
        Self::UploadArtifact,
        Self::DownloadArtifact,
        Self::SetupNode,
        Self::SetupPython,
        Self::SetupGo,
        Self::SetupJava,
        Self::SetupRust,
        Self::RustToolchain,
        Self::SetupTerraform,
        Self::AwsCredentials,
        Self::EcrLogin,
    ];

    /// The name as `uses:` writes it, without the version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checkout => "actions/checkout",
            Self::Gate => "cutover/gate",
            Self::Release => "cutover/release",
            Self::Build => "cutover/build",
            Self::Deploy => "cutover/deploy",
            Self::Cache => "actions/cache",
            Self::CacheRestore => "actions/cache/restore",
            Self::CacheSave => "actions/cache/save",
            Self::UploadArtifact => "actions/upload-artifact",
            Self::DownloadArtifact => "actions/download-artifact",
            Self::SetupNode => "actions/setup-node",
            Self::SetupPython => "actions/setup-python",
            Self::SetupGo => "actions/setup-go",
            Self::SetupJava => "actions/setup-java",
            Self::SetupRust => "actions-rust-lang/setup-rust-toolchain",
            Self::RustToolchain => "dtolnay/rust-toolchain",
            Self::SetupTerraform => "hashicorp/setup-terraform",
            Self::AwsCredentials => "aws-actions/configure-aws-credentials",
            Self::EcrLogin => "aws-actions/amazon-ecr-login",
        }
    }

    /// The inputs that it does something about.
    pub const fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Checkout => &[
                "repository",
                "ref",
                "token",
                "ssh-key",
                "ssh-known-hosts",
                "ssh-strict",
                "ssh-user",
                "persist-credentials",
                "path",
                "clean",
                "filter",
                "sparse-checkout",
                "sparse-checkout-cone-mode",
                "fetch-depth",
                "fetch-tags",
                "show-progress",
                "lfs",
                "submodules",
                "set-safe-directory",
                "github-server-url",
            ],
            Self::Gate => &["gate", "junit", "coverage"],
            Self::Release => &["dry-run"],
            Self::Build => &["service", "version"],
            Self::Deploy => &["service", "environment", "release", "strategy"],
            Self::Cache => &[
                "path",
                "key",
                "restore-keys",
                "upload-chunk-size",
                "enableCrossOsArchive",
                "fail-on-cache-miss",
                "lookup-only",
            ],
            Self::CacheRestore => &[
                "path",
                "key",
                "restore-keys",
                "enableCrossOsArchive",
                "fail-on-cache-miss",
                "lookup-only",
            ],
            Self::CacheSave => &["path", "key", "upload-chunk-size", "enableCrossOsArchive"],
            Self::UploadArtifact => &[
                "name",
                "path",
                "if-no-files-found",
                "retention-days",
                "compression-level",
                "overwrite",
                "include-hidden-files",
                "archive",
            ],
            Self::DownloadArtifact => &[
                "name",
                "artifact-ids",
                "path",
                "pattern",
                "merge-multiple",
                "skip-decompress",
                "digest-mismatch",
                "github-token",
                "repository",
                "run-id",
            ],
            Self::SetupNode
            | Self::SetupPython
            | Self::SetupGo
            | Self::SetupJava
            | Self::SetupRust
            | Self::RustToolchain
            | Self::SetupTerraform
            | Self::AwsCredentials
            | Self::EcrLogin => self.inputs_of_set_up(),
        }
    }

    /// Those of the actions that prepare a job for others.
    const fn inputs_of_set_up(self) -> &'static [&'static str] {
        match self {
            Self::SetupNode => &[
                "node-version",
                "node-version-file",
                "architecture",
                "check-latest",
                "registry-url",
                "scope",
                "always-auth",
                "token",
                "mirror",
                "mirror-token",
                "cache",
                "cache-dependency-path",
                "package-manager-cache",
            ],
            Self::SetupPython => &[
                "python-version",
                "python-version-file",
                "architecture",
                "allow-prereleases",
                "freethreaded",
                "token",
                "check-latest",
                "update-environment",
                "cache",
                "cache-dependency-path",
            ],
            Self::SetupGo => &[
                "go-version",
                "go-version-file",
                "architecture",
                "token",
                "check-latest",
                "cache",
                "cache-dependency-path",
            ],
            Self::SetupJava => &[
                "java-version",
                "java-version-file",
                "distribution",
                "java-package",
                "architecture",
                "token",
                "check-latest",
                "cache",
                "cache-dependency-path",
            ],
            Self::SetupRust => &["toolchain", "target", "components", "rustflags", "cache"],
            Self::RustToolchain => &["toolchain", "target", "targets", "components"],
            Self::SetupTerraform => &[
                "terraform_version",
                "terraform_wrapper",
                "cli_config_credentials_hostname",
                "cli_config_credentials_token",
            ],
            Self::AwsCredentials => &[
                "aws-access-key-id",
                "aws-secret-access-key",
                "aws-session-token",
                "aws-region",
                "role-to-assume",
                "web-identity-token-file",
                "role-chaining",
                "audience",
                "role-duration-seconds",
                "role-external-id",
                "role-session-name",
                "role-skip-session-tagging",
                "inline-session-policy",
                "managed-session-policies",
                "allowed-account-ids",
                "mask-aws-account-id",
                "output-credentials",
                "output-env-credentials",
                "unset-current-credentials",
                "use-existing-credentials",
                "force-skip-oidc",
                "disable-retry",
                "retry-max-attempts",
                "special-characters-workaround",
            ],
            Self::EcrLogin => &[
                "registries",
                "registry-type",
                "mask-password",
                "skip-logout",
            ],
            Self::Checkout
            | Self::Gate
            | Self::Release
            | Self::Build
            | Self::Deploy
            | Self::Cache
            | Self::CacheRestore
            | Self::CacheSave
            | Self::UploadArtifact
            | Self::DownloadArtifact => &[],
        }
    }

    /// Inputs that the action has and that change nothing here: whoever gives one is told so.
    pub const fn idle_inputs(self) -> &'static [&'static str] {
        match self {
            Self::Cache => &["save-always"],
            Self::SetupPython => &["ignore-platform-version", "pip-version"],
            Self::SetupGo => &["go-download-base-url", "stable"],
            Self::SetupJava => &[
                "cache-jdk",
                "cache-read-only",
                "force-download",
                "gpg-passphrase",
                "gpg-passphrase-env-var",
                "gpg-private-key",
                "job-status",
                "mvn-toolchain-id",
                "mvn-toolchain-vendor",
                "overwrite-settings",
                "problem-matcher",
                "server-id",
                "server-password",
                "server-password-env-var",
                "server-username",
                "server-username-env-var",
                "settings-path",
                "show-download-progress",
                "verify-signature",
                "verify-signature-public-key",
            ],
            Self::SetupRust => &[
                "cache-all-crates",
                "cache-bin",
                "cache-directories",
                "cache-key",
                "cache-on-failure",
                "cache-provider",
                "cache-save-if",
                "cache-shared-key",
                "cache-workspace-crates",
                "cache-workspaces",
                "matcher",
                "override",
            ],
            Self::AwsCredentials => &["action-timeout-s"],
            Self::Checkout
            | Self::Gate
            | Self::Release
            | Self::Build
            | Self::Deploy
            | Self::CacheRestore
            | Self::CacheSave
            | Self::UploadArtifact
            | Self::DownloadArtifact
            | Self::SetupNode
            | Self::RustToolchain
            | Self::SetupTerraform
            | Self::EcrLogin => &[],
        }
    }

    /// Inputs that the action has and that are not there yet: without them it would do something else.
    pub const fn later_inputs(self) -> &'static [&'static str] {
        match self {
            Self::SetupPython => &["pip-install"],
            Self::SetupJava => &["cache-path", "jdk-file", "jdkFile", "set-default"],
            Self::SetupRust => &["rust-src-dir"],
            Self::AwsCredentials => &[
                "aws-profile",
                "http-proxy",
                "no-proxy",
                "overwrite-aws-profile",
            ],
            Self::EcrLogin => &["http-proxy"],
            Self::Checkout
            | Self::Gate
            | Self::Release
            | Self::Build
            | Self::Deploy
            | Self::Cache
            | Self::CacheRestore
            | Self::CacheSave
            | Self::UploadArtifact
            | Self::DownloadArtifact
            | Self::SetupNode
            | Self::SetupGo
            | Self::RustToolchain
            | Self::SetupTerraform => &[],
        }
    }

    /// Whether nobody has it but this binary.
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Gate | Self::Release | Self::Build | Self::Deploy
        )
    }

    /// The inputs without which it cannot work.
    pub const fn required_inputs(self) -> &'static [&'static str] {
        match self {
            Self::Deploy => &["environment"],
            Self::Cache | Self::CacheRestore | Self::CacheSave => &["path", "key"],
            Self::UploadArtifact => &["path"],
            Self::Checkout
            | Self::Gate
            | Self::Release
            | Self::Build
            | Self::DownloadArtifact
            | Self::SetupNode
            | Self::SetupPython
            | Self::SetupGo
            | Self::SetupJava
            | Self::SetupRust
            | Self::RustToolchain
            | Self::SetupTerraform
            | Self::AwsCredentials
            | Self::EcrLogin => &[],
        }
    }

    /// Whether it also does something after the last step of the job, once it has begun.
    pub const fn has_post(self) -> bool {
        match self {
            Self::Cache
            | Self::SetupNode
            | Self::SetupPython
            | Self::SetupGo
            | Self::SetupJava
            | Self::SetupRust => true,
            Self::Checkout
            | Self::Gate
            | Self::Release
            | Self::Build
            | Self::Deploy
            | Self::CacheRestore
            | Self::CacheSave
            | Self::UploadArtifact
            | Self::DownloadArtifact
            | Self::RustToolchain
            | Self::SetupTerraform
            | Self::AwsCredentials
            | Self::EcrLogin => false,
        }
    }

    /// The input that its version stands for: `dtolnay/rust-toolchain@1.90`.
    pub fn input_of_version(self, version: &str) -> Option<&'static str> {
        let is_plain = matches!(version, "v1" | "master");
        (self == Self::RustToolchain && !is_plain).then_some("toolchain")
    }
}
