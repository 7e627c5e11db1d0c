//! What a deployment must get past on its way: hooks, smoke tests, limits of time; and what a rollback
//! means for those that come after it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{DeploymentId, Duration, Timestamp, delivery::Digest};

/// How long a deployment may go without progress, when nobody says otherwise.
pub const USUAL_DEADLINE: Duration = Duration::from_mins(10);
/// How long it may be paused, when nobody says otherwise.
pub const USUAL_PAUSE_LIMIT: Duration = Duration::from_mins(7 * 24 * 60);

/// The checks and limits of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guards {
    /// In the order written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// What the candidate is asked before it gets traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Smoke>,
    /// How long it may go without progress. Time in which it is paused or watched does not count.
    pub progress_deadline: Duration,
    /// How long one pause may last.
    pub pause_limit: Duration,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            hooks: Vec::new(),
            smoke: None,
            progress_deadline: USUAL_DEADLINE,
            pause_limit: USUAL_PAUSE_LIMIT,
        }
    }
}

impl Guards {
    /// Whether nobody said anything.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// When a hook is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    /// Before the candidate's first instance starts.
    BeforeStart,
    /// The candidate is healthy and has no traffic yet.
    AfterStart,
    /// Before the candidate's share grows.
    BeforeStep,
    /// The share has been watched long enough.
    AfterStep,
    /// Before the candidate gets all the traffic.
    BeforePromotion,
    /// The candidate has all the traffic, and the old side still runs where the strategy keeps it.
    AfterPromotion,
    /// Traffic is back, and the candidate is gone.
    AfterRollback,
    /// It ends without having succeeded.
    OnFailure,
}

impl HookPoint {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 8] = [
        Self::BeforeStart,
        Self::AfterStart,
        Self::BeforeStep,
        Self::AfterStep,
        Self::BeforePromotion,
        Self::AfterPromotion,
        Self::AfterRollback,
        Self::OnFailure,
    ];

    /// The word in files, in the log and on the page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BeforeStart => "before_start",
            Self::AfterStart => "after_start",
            Self::BeforeStep => "before_step",
            Self::AfterStep => "after_step",
            Self::BeforePromotion => "before_promotion",
            Self::AfterPromotion => "after_promotion",
            Self::AfterRollback => "after_rollback",
            Self::OnFailure => "on_failure",
        }
    }

    /// Whether it only tells, because nothing can be changed any more.
    pub const fn only_tells(self) -> bool {
        matches!(self, Self::AfterRollback | Self::OnFailure)
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Somebody who is asked on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// For people.
    pub name: String,
    /// When.
    pub on: HookPoint,
    /// How.
    pub act: HookAct,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How often it is asked again after an error.
    pub retries: u32,
    /// Whether its answer counts; otherwise it is only written down.
    pub required: bool,
    /// What happens when it could not be asked, all retries included.
    pub on_error: OnError,
}

/// How a hook is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HookAct {
    /// A program on the server's machine: 0 is a yes, 75 is "ask again", all else a no.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Over what every hook finds (`CUTOVER_…`).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
    },
    /// A POST of JSON; 2xx is a yes unless the body says otherwise.
    Webhook {
        /// The address; may hold `${{ secrets.NAME }}`.
        url: String,
    },
}

/// What happens when a hook could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Traffic goes back.
    #[default]
    Rollback,
    /// A person must look.
    Pause,
    /// As if it had said yes.
    Continue,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookVerdict {
    /// Yes: go on.
    Success,
    /// No: go back.
    Failure,
    /// It cannot tell: a person must.
    Inconclusive,
    /// It could not be asked: again, then by the hook's `on_error`.
    Error,
    /// Not yet: ask again later. This is an answer, so it does not use up a retry.
    Later,
}

impl HookVerdict {
    /// The word in the log and on the page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Later => "later",
        }
    }
}

/// `smoke:`, what each instance of the candidate must answer before anybody else asks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    /// Asked in order, of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<SmokeRequest>,
    /// A program on the server's machine; `CUTOVER_CANDIDATE_URL` tells it where to ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How often it is begun again after an error.
    pub retries: u32,
    /// What happens when it could not be done.
    pub on_error: OnError,
}

/// One request and what is wanted of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// With its query.
    pub path: String,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The answer that is wanted.
    pub expect: Expectation,
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// One of these; 200–299 when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<u16>,
    /// Each of these stands in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_contains: Vec<String>,
    /// Values in a JSON body, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// How long it may take.
    pub within: Duration,
}

/// `rollback:` of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackRule {
    /// Whether a rollback pins the service until somebody lifts it.
    pub hold: bool,
    /// How many releases stay ready to go back to.
    pub window: u32,
}

impl Default for RollbackRule {
    fn default() -> Self {
        Self {
            hold: true,
            window: 5,
        }
    }
}

impl RollbackRule {
    /// Whether nobody said anything.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// `on_superseded:` of an environment: what a newer deployment does to one that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSuperseded {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It sends those before it back and goes next.
    Replace,
}

impl OnSuperseded {
    /// Whether nobody said anything.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A service of an environment is pinned to what it runs, because something was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What was taken back, or what took it back.
    pub deployment: DeploymentId,
    /// The package that serves, and may be deployed again.
    pub current: Option<Digest>,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// `freeze:` of an environment: when nothing may be deployed to it. Times are in `timezone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeWindow {
    /// When.
    pub when: FreezeWhen,
    /// An IANA name.
    pub timezone: String,
    /// Why, for people.
    pub reason: String,
}

/// When a freeze holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FreezeWhen {
    /// Once, from one civil time to another: `2026-12-20T00:00:00`.
    Once {
        /// The first moment.
        from: String,
        /// The first moment after it.
        to: String,
    },
    /// Every week.
    Weekly {
        /// 1 is Monday, 7 Sunday; sorted. All when empty.
        days: Vec<u8>,
        /// Minutes after midnight at which it begins, from 0 to 1 439.
        from_minute: u16,
        /// Minutes after midnight at which it ends, from 1 to 1 440. When it is not larger than
        /// `from_minute`, it ends on the day after.
        to_minute: u16,
    },
}
