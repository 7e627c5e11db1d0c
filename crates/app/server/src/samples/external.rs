//! Numbers of somebody else's for triggers: asked for at their interval for as long as a deployment is
//! watched. What is not answered in time, or is no number, is a gap; it is never waited for.

use std::{collections::BTreeMap, sync::Arc};

use cutover_model::{
    Timestamp,
    delivery::{ExternalMetric, MetricSource, RollbackTrigger},
};
use futures_util::future;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::{Control, answer, command, drive::notify::filled_in};

/// The values in force, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(Arc<Mutex<BTreeMap<String, Known>>>);

/// A value, and for how long it counts.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: f64,
    until: Timestamp,
}

impl Values {
    /// Those that count at this time.
    pub(super) fn at(&self, now: Timestamp) -> BTreeMap<String, f64> {
        let known = self.0.lock();
        let in_force = known.iter().filter(|(_, known)| known.until >= now);
        in_force
            .map(|(name, known)| (name.clone(), known.value))
            .collect()
    }

    fn put(&self, name: &str, known: Option<Known>) {
        let mut values = self.0.lock();
        match known {
            Some(known) => values.insert(name.to_owned(), known),
            None => values.remove(name),
        };
    }
}

/// Each metric of the triggers, once.
pub(super) fn metrics(triggers: &[RollbackTrigger]) -> Vec<ExternalMetric> {
    let by_name: BTreeMap<&str, &ExternalMetric> = triggers
        .iter()
        .filter_map(|trigger| trigger.source.as_ref())
        .map(|metric| (metric.name.as_str(), metric))
        .collect();
    by_name.into_values().cloned().collect()
}

/// Asks until it is dropped; does not end.
pub(super) async fn ask_all(control: &Control, metrics: &[ExternalMetric], values: &Values) {
    future::join_all(metrics.iter().map(|metric| keep(control, metric, values))).await;
    future::pending::<()>().await;
}

async fn keep(control: &Control, metric: &ExternalMetric, values: &Values) {
    let mut rings = tokio::time::interval(metric.interval.to_std());
    rings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_silent = false;
    loop {
        rings.tick().await;
        let asked = tokio::time::timeout(metric.timeout.to_std(), ask(control, metric)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {}", metric.timeout)));
        match answer {
            Ok(value) => {
                let until = control.now() + metric.interval + metric.timeout;
                values.put(&metric.name, Some(Known { value, until }));
                is_silent = false;
            }
            Err(why) => {
                values.put(&metric.name, None);
                // Said once, not with each try.
                if !std::mem::replace(&mut is_silent, true) {
                    let why = control.without_secrets(&why);
                    tracing::warn!(metric = metric.name, why, "a metric has no value");
                }
            }
        }
    }
}

async fn ask(control: &Control, metric: &ExternalMetric) -> Result<f64, String> {
    match &metric.from {
        MetricSource::Prometheus {
            url,
            query,
            headers,
        } => {
            let url = format!("{}/api/v1/query", url.trim_end_matches('/'));
            let body = get(control, &url, &[("query", query)], headers).await?;
            of_prometheus(&body)
        }
        MetricSource::Http {
            url,
            pointer,
            headers,
        } => {
            let body = get(control, url, &[], headers).await?;
            let value = body.pointer(pointer);
            let value = value.ok_or_else(|| format!("the answer has nothing at `{pointer}`"))?;
            number(value)
        }
        MetricSource::Command { argv } => {
            let env = control.base_env().iter();
            let env = env.map(|(name, value)| (name.as_str(), value.as_str()));
            let said = command::run(argv, env).await?;
            if said.code != Some(0) {
                return Err(match said.code {
                    Some(code) => format!("exit code {code}"),
                    None => "it was killed".to_owned(),
                });
            }
            of_text(&said.out)
        }
    }
}

/// Secrets are put in here and now; they lie in no store.
async fn get(
    control: &Control,
    url: &str,
    query: &[(&str, &String)],
    headers: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let secrets = control.secrets();
    let url = filled_in(url, secrets)?;
    let client = answer::client().map_err(|error| error.to_string())?;
    let mut request = client.get(url).query(query);
    for (name, value) in headers {
        request = request.header(name, filled_in(value, secrets)?);
    }
    // The address may hold a secret.
    let no_answer = |error: reqwest::Error| error.without_url().to_string();
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    let text = answer::text(response).await.map_err(no_answer)?;
    serde_json::from_str(&text).map_err(|_| "the answer is not JSON".to_owned())
}

/// The one value of an instant query: a scalar, or a vector of one.
fn of_prometheus(body: &Value) -> Result<f64, String> {
    if body["status"] != "success" {
        let why = body["error"].as_str().unwrap_or("nothing");
        return Err(format!("the query failed: {why}"));
    }
    let result = &body["data"]["result"];
    match body["data"]["resultType"].as_str() {
        Some("scalar") => number(&result[1]),
        Some("vector") => match result.as_array().map(Vec::as_slice) {
            Some([one]) => number(&one["value"][1]),
            Some([]) => Err("the query has no result".to_owned()),
            Some(many) => Err(format!(
                "the query has {} results; it must have one",
                many.len()
            )),
            None => Err("the answer is not Prometheus'".to_owned()),
        },
        _ => Err("the query gives no instant values".to_owned()),
    }
}

/// The last line that says something.
fn of_text(text: &str) -> Result<f64, String> {
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.ok_or("it printed nothing")?;
    number(&Value::String(last.trim().to_owned()))
}

/// A number, also one that is written as a text. What is not finite is none.
fn number(value: &Value) -> Result<f64, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.filter(|number| number.is_finite());
    number.ok_or_else(|| "the answer is not a number".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prometheus(result_type: &str, result: &Value) -> Result<f64, String> {
        of_prometheus(&json!({
            "status": "success",
            "data": { "resultType": result_type, "result": result },
        }))
    }

    #[test]
    fn an_instant_query_has_one_value() {
        let one = json!([{ "metric": {}, "value": [1_700_000_000.1, "0.25"] }]);
        assert_eq!(prometheus("vector", &one), Ok(0.25));
        assert_eq!(prometheus("scalar", &json!([1, "7"])), Ok(7.0));
        let two = json!([{ "value": [1, "1"] }, { "value": [1, "2"] }]);
        assert_eq!(
            prometheus("vector", &two).unwrap_err(),
            "the query has 2 results; it must have one"
        );
        assert!(prometheus("vector", &json!([])).is_err());
        assert!(prometheus("matrix", &json!([])).is_err());
        let not_a_number = json!([{ "value": [1, "NaN"] }]);
        assert!(prometheus("vector", &not_a_number).is_err());
        let error = json!({ "status": "error", "error": "parse error" });
        assert_eq!(
            of_prometheus(&error).unwrap_err(),
            "the query failed: parse error"
        );
    }

    #[test]
    fn a_program_says_its_number_in_the_last_line() {
        assert_eq!(of_text("looking …\n 4.5 \n\n"), Ok(4.5));
        assert!(of_text("\n").is_err());
        assert!(of_text("4 degrees").is_err());
    }

    #[test]
    fn a_value_counts_until_the_next_is_due_and_a_failure_ends_it() {
        let values = Values::default();
        let known = Known {
            value: 3.0,
            until: Timestamp(20_000),
        };
        values.put("lag", Some(known));
        assert!((values.at(Timestamp(20_000))["lag"] - 3.0).abs() < f64::EPSILON);
        assert!(values.at(Timestamp(20_001)).is_empty());
        values.put("lag", None);
        assert!(values.at(Timestamp(0)).is_empty());
    }
}
