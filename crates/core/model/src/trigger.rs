//! `rollback_triggers:`: a number that somebody measures, and how long it may be beyond a threshold.
//! What is seen of it second by second, and when it fires, is in the crate `judge`.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::Duration;

/// One entry of `rollback_triggers:`: taken back when the metric has been beyond the threshold for
/// the whole duration. What is absent is what the bare three keys have always meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackTrigger {
    /// Which.
    pub metric: Metric,
    /// In thousandths of the metric's unit, so that the type stays `Eq`: seconds for times, errors
    /// a minute, hosts, percent for rates.
    pub threshold_milli: u64,
    /// For how long it must hold.
    pub duration: Duration,
    /// On which side of the threshold it is too much; absent: see [`Metric::operator`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// What is made of the values of a window; absent: see [`Metric::statistic`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<Statistic>,
    /// How much time one value is made of, in whole seconds; absent: see [`Metric::window`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// What a second without data is.
    #[serde(default, skip_serializing_if = "Missing::is_default")]
    pub missing: Missing,
    /// It does not fire with fewer requests than this in the whole duration.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_requests: u64,
    /// Whose traffic is looked at.
    #[serde(default, skip_serializing_if = "Scope::is_default")]
    pub scope: Scope,
    /// Where the values of [`Metric::External`] come from; absent for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ExternalMetric>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What can be looked at. The first three have the names that load balancers of AWS give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// The time of answers, in seconds.
    TargetResponseTime,
    /// Answers 500–599.
    #[serde(rename = "HTTPCode_Target_5XX_Count")]
    Target5xxCount,
    /// Instances that are healthy.
    HealthyHostCount,
    /// Answers 500–599 among all, in percent.
    ErrorRate,
    /// Requests.
    RequestCount,
    /// A number of somebody else's: [`RollbackTrigger::source`].
    External,
}

/// On which side of the threshold a value is beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// Above.
    #[serde(rename = ">")]
    Above,
    /// Above, or the threshold itself.
    #[serde(rename = ">=")]
    AtLeast,
    /// Below.
    #[serde(rename = "<")]
    Below,
    /// Below, or the threshold itself.
    #[serde(rename = "<=")]
    AtMost,
}

/// What is made of the values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The greatest.
    Max,
    /// All together.
    Sum,
    /// How many values there are.
    Count,
    /// For an error rate the share of the window; otherwise the sum for each second.
    Rate,
}

/// What a second is in which there is nothing to look at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Not beyond the threshold: it ends a breach.
    #[default]
    NotBreaching,
    /// Beyond the threshold.
    Breaching,
    /// As the last second that had data.
    Ignore,
}

/// Whose traffic a trigger looks at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The candidate's alone.
    #[default]
    Candidate,
    /// Both sides together.
    All,
}

/// A number that is asked for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalMetric {
    /// What people call it; its values come under this name.
    pub name: String,
    /// How it is asked for.
    pub from: MetricSource,
    /// How often. A value counts until the next is due.
    pub interval: Duration,
    /// How long one answer may take; after that there is none.
    pub timeout: Duration,
}

/// Who knows a number. Headers may hold `${{ secrets.NAME }}`, which the edge resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MetricSource {
    /// A Prometheus server, by an instant query with one result.
    Prometheus {
        /// Of the server.
        url: String,
        /// In PromQL.
        query: String,
        /// Sent with it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// Whoever answers GET with JSON.
    Http {
        /// What is asked.
        url: String,
        /// Where the number is in the answer, as a JSON pointer.
        pointer: String,
        /// Sent with it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// A program that prints the number.
    Command {
        /// The program and its arguments; no shell.
        argv: Vec<String>,
    },
}

/// An entry that could never mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTrigger {
    /// The sum of healthy hosts, for example.
    #[error("`{}` has no statistic `{}`; it has {}", metric.name(), statistic.word(), words(metric.statistics()))]
    Statistic {
        /// Of this.
        metric: Metric,
        /// That was asked for.
        statistic: Statistic,
    },
    /// A number of somebody's, but whose?
    #[error("`External` needs a `source`: `prometheus`, `http` or `command`")]
    NoSource,
    /// The balancer counts this one itself.
    #[error("`{0}` is counted by the balancer and takes no `source`; write `metric: External`")]
    NeedlessSource(&'static str),
    /// Not a number of buckets.
    #[error("`window` is a whole number of seconds from `1s` to `1h`, not `{0}`")]
    Window(Duration),
    /// Longer than anybody watches.
    #[error("`duration` is at most `24h`, not `{0}`")]
    Duration(Duration),
}

fn words(statistics: &[Statistic]) -> String {
    let words: Vec<String> = statistics
        .iter()
        .map(|statistic| format!("`{}`", statistic.word()))
        .collect();
    words.join(", ")
}

impl RollbackTrigger {
    /// The longest [`RollbackTrigger::duration`].
    pub const MAX_DURATION: Duration = Duration::from_mins(24 * 60);
    /// The longest [`RollbackTrigger::window`].
    pub const MAX_WINDOW: Duration = Duration::from_mins(60);

    /// One with the three keys of the founding document, and all else as its comments mean it.
    pub const fn bare(metric: Metric, threshold_milli: u64, duration: Duration) -> Self {
        Self {
            metric,
            threshold_milli,
            duration,
            operator: None,
            statistic: None,
            window: None,
            missing: Missing::NotBreaching,
            min_requests: 0,
            scope: Scope::Candidate,
            source: None,
        }
    }

    /// Whether it can mean anything.
    pub fn check(&self) -> Result<(), InvalidTrigger> {
        let metric = self.metric;
        if let Some(statistic) = self.statistic
            && !metric.statistics().contains(&statistic)
        {
            return Err(InvalidTrigger::Statistic { metric, statistic });
        }
        let is_external = metric == Metric::External;
        match &self.source {
            None if is_external => return Err(InvalidTrigger::NoSource),
            Some(_) if !is_external => return Err(InvalidTrigger::NeedlessSource(metric.name())),
            None | Some(_) => {}
        }
        if let Some(window) = self.window {
            let is_whole = window.as_millis() % 1_000 == 0;
            if !is_whole || window == Duration::ZERO || window > Self::MAX_WINDOW {
                return Err(InvalidTrigger::Window(window));
            }
        }
        if self.duration > Self::MAX_DURATION {
            return Err(InvalidTrigger::Duration(self.duration));
        }
        Ok(())
    }

    /// The operator in force.
    pub fn operator(&self) -> Operator {
        self.operator.unwrap_or(self.metric.operator())
    }

    /// The statistic in force.
    pub fn statistic(&self) -> Statistic {
        self.statistic.unwrap_or(self.metric.statistic())
    }

    /// The window in force.
    pub fn window(&self) -> Duration {
        self.window.unwrap_or(self.metric.window())
    }

    /// What people call what it looks at.
    pub fn name(&self) -> &str {
        match &self.source {
            Some(source) => &source.name,
            None => self.metric.name(),
        }
    }

    /// Says in words what was not written, and what is taken for it.
    pub fn explain(&self) -> String {
        let mut assumed = Vec::new();
        if self.operator.is_none() {
            let word = self.operator();
            assumed.push(format!("operator `{word}` ({})", word.meaning()));
        }
        if self.statistic.is_none() {
            assumed.push(format!("statistic `{}`", self.statistic().word()));
        }
        if self.window.is_none() {
            assumed.push(format!("window `{}`", self.window()));
        }
        if self.missing == Missing::NotBreaching {
            assumed.push("a second without data ends a breach (`not_breaching`)".to_owned());
        }
        if assumed.is_empty() {
            return format!("{self}; everything is written");
        }
        format!("{self}; assumed: {}", assumed.join(", "))
    }
}

impl fmt::Display for RollbackTrigger {
    /// `TargetResponseTime > 5 for 5m`, `p95 of TargetResponseTime over 30s > 5 for 5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(statistic) = self.statistic {
            write!(f, "{} of ", statistic.word())?;
        }
        f.write_str(self.name())?;
        if let Some(window) = self.window {
            write!(f, " over {window}")?;
        }
        let threshold = self.threshold_milli / 1_000;
        let rest = self.threshold_milli % 1_000;
        write!(f, " {} {threshold}", self.operator())?;
        if rest > 0 {
            write!(f, ".{}", format!("{rest:03}").trim_end_matches('0'))?;
        }
        write!(f, " for {}", self.duration)?;
        match self.missing {
            Missing::NotBreaching => {}
            Missing::Breaching => f.write_str(", missing data too")?,
            Missing::Ignore => f.write_str(", missing data aside")?,
        }
        if self.min_requests > 0 {
            write!(f, ", with at least {} requests", self.min_requests)?;
        }
        match self.scope {
            Scope::Candidate => Ok(()),
            Scope::All => f.write_str(", on both sides"),
        }
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TargetResponseTime,
        Self::Target5xxCount,
        Self::HealthyHostCount,
        Self::ErrorRate,
        Self::RequestCount,
        Self::External,
    ];

    /// The name in `cutover.yml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TargetResponseTime => "TargetResponseTime",
            Self::Target5xxCount => "HTTPCode_Target_5XX_Count",
            Self::HealthyHostCount => "HealthyHostCount",
            Self::ErrorRate => "ErrorRate",
            Self::RequestCount => "RequestCount",
            Self::External => "External",
        }
    }

    /// The operator that is meant when none is written: too few hosts or requests, too much of
    /// anything else.
    pub const fn operator(self) -> Operator {
        match self {
            Self::TargetResponseTime | Self::Target5xxCount | Self::ErrorRate | Self::External => {
                Operator::Above
            }
            Self::HealthyHostCount | Self::RequestCount => Operator::Below,
        }
    }

    /// The statistic that is meant when none is written.
    pub const fn statistic(self) -> Statistic {
        match self {
            Self::TargetResponseTime | Self::HealthyHostCount | Self::External => Statistic::Mean,
            Self::Target5xxCount | Self::RequestCount => Statistic::Sum,
            Self::ErrorRate => Statistic::Rate,
        }
    }

    /// The window that is meant when none is written: a minute for what is counted, a second for
    /// what is measured.
    pub const fn window(self) -> Duration {
        match self {
            Self::TargetResponseTime | Self::HealthyHostCount | Self::External => {
                Duration::from_secs(1)
            }
            Self::Target5xxCount | Self::ErrorRate | Self::RequestCount => Duration::from_secs(60),
        }
    }

    /// The statistics that mean something.
    pub const fn statistics(self) -> &'static [Statistic] {
        use Statistic::{Count, Max, Mean, P50, P90, P95, P99, Rate, Sum};
        match self {
            Self::TargetResponseTime
            | Self::Target5xxCount
            | Self::RequestCount
            | Self::External => &[Mean, P50, P90, P95, P99, Max, Sum, Count, Rate],
            Self::HealthyHostCount => &[Mean, P50, P90, P95, P99, Max],
            Self::ErrorRate => &[Rate, Mean, P50, P90, P95, P99, Max],
        }
    }
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Above, Self::AtLeast, Self::Below, Self::AtMost];

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Above => "the threshold is a maximum",
            Self::AtLeast => "the threshold is too much already",
            Self::Below => "the threshold is a minimum",
            Self::AtMost => "the threshold is too little already",
        }
    }

    /// Whether a value is beyond the threshold.
    pub fn is_beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Mean,
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Max,
        Self::Sum,
        Self::Count,
        Self::Rate,
    ];

    /// The word in `cutover.yml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Rate => "rate",
        }
    }
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NotBreaching, Self::Breaching, Self::Ignore];

    /// The word in `cutover.yml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotBreaching => "not_breaching",
            Self::Breaching => "breaching",
            Self::Ignore => "ignore",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    const fn is_default(&self) -> bool {
        matches!(self, Self::NotBreaching)
    }
}

impl Scope {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Candidate, Self::All];

    /// The word in `cutover.yml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::All => "all",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    const fn is_default(&self) -> bool {
        matches!(self, Self::Candidate)
    }
}

#[cfg(test)]
mod tests;
