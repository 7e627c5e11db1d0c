//! Hooks and smoke tests being asked: commands of the server's machine, webhooks, requests to the
//! candidate's own addresses. What an answer means is decided elsewhere.

use std::collections::BTreeMap;

use cutover_model::{
    Duration as Length,
    event::Check,
    guard::{Expectation, HookAct, HookVerdict, Smoke, SmokeRequest},
};
use cutover_rollout::Input;
use serde::Deserialize;

use super::Work;
use crate::{
    answer::{client, text},
    command,
    drive::notify,
};

/// How much of it goes into a reason.
const REASON_LIMIT: usize = 300;
/// The exit code of `sysexits.h` for "try again later".
const EX_TEMPFAIL: i32 = 75;

/// What came of asking.
struct Answer {
    verdict: HookVerdict,
    reason: String,
    after: Option<Length>,
}

impl Answer {
    fn new(verdict: HookVerdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            reason: reason.into(),
            after: None,
        }
    }

    fn error(reason: impl Into<String>) -> Self {
        Self::new(HookVerdict::Error, reason)
    }

    const fn is_yes(&self) -> bool {
        matches!(self.verdict, HookVerdict::Success)
    }
}

impl Work {
    /// Asks, and says what was answered. The answer is lost when something else was ordered meanwhile:
    /// then nobody waits for it.
    pub(super) async fn run_check(&self, check: Check, attempt: u32, generation: u64) {
        let facts = self.facts(&check, attempt).await;
        let asking = self.ask(&check, &facts);
        let answer = tokio::select! {
            answer = asking => answer,
            () = self.late() => return,
        };
        // What is cut off first is no longer known for a secret.
        let reason = shortened(&self.control.without_secrets(&answer.reason));
        self.mailbox.observe(Input::CheckEnded {
            generation,
            verdict: answer.verdict,
            reason,
            after: answer.after,
        });
    }

    async fn ask(&self, check: &Check, facts: &BTreeMap<&'static str, String>) -> Answer {
        let guards = &self.spec.guards;
        match check {
            Check::Smoke => match &guards.smoke {
                Some(smoke) => within(smoke.timeout, self.smoke(smoke, facts)).await,
                None => Answer::new(HookVerdict::Success, "nothing to ask"),
            },
            Check::Hook { index, .. } => {
                let hook = usize::try_from(*index)
                    .ok()
                    .and_then(|index| guards.hooks.get(index));
                let Some(hook) = hook else {
                    return Answer::error("there is no such hook");
                };
                match &hook.act {
                    HookAct::Command { argv, env } => {
                        within(hook.timeout, self.command(argv, env, facts)).await
                    }
                    HookAct::Webhook { url } => {
                        within(hook.timeout, self.webhook(url, facts)).await
                    }
                }
            }
        }
    }

    /// What every hook is told.
    async fn facts(&self, check: &Check, attempt: u32) -> BTreeMap<&'static str, String> {
        let (spec, deployment) = (&self.spec, &self.deployment);
        let (point, weight) = match check {
            Check::Smoke => ("smoke", deployment.weight()),
            Check::Hook { point, weight, .. } => (point.word(), *weight),
        };
        let points = weight.basis_points();
        let mut facts = BTreeMap::from([
            ("CUTOVER_DEPLOYMENT", spec.id.to_string()),
            ("CUTOVER_ENVIRONMENT", spec.environment.clone()),
            ("CUTOVER_SERVICE", spec.release.service.clone()),
            ("CUTOVER_VERSION", spec.release.version.clone()),
            ("CUTOVER_DIGEST", spec.release.package.digest().to_string()),
            ("CUTOVER_REVISION", spec.release.revision.0.clone()),
            ("CUTOVER_POINT", point.to_owned()),
            (
                "CUTOVER_WEIGHT",
                format!("{}.{:02}", points / 100, points % 100),
            ),
            ("CUTOVER_STEP", deployment.step().to_string()),
            ("CUTOVER_ATTEMPT", attempt.to_string()),
            (
                "CUTOVER_IDEMPOTENCY_KEY",
                format!("{}-{}", spec.id, question(check, deployment.said())),
            ),
        ]);
        if let Some(current) = deployment.current() {
            facts.insert("CUTOVER_PREVIOUS_VERSION", current.version.clone());
        }
        if let Some(reason) = deployment.reason() {
            facts.insert("CUTOVER_REASON", reason.to_owned());
        }
        if let Some((_, url)) = self.candidates().await.into_iter().next() {
            facts.insert("CUTOVER_CANDIDATE_URL", url);
        }
        facts
    }

    /// The candidate's instances with the addresses at which they answer themselves.
    async fn candidates(&self) -> Vec<(String, String)> {
        let table = self.control.routes().table().await;
        let side = table
            .routes
            .get(&self.route())
            .and_then(|route| route.side(self.id()));
        side.into_iter()
            .flat_map(|side| &side.upstreams)
            .map(|upstream| (upstream.id.clone(), format!("http://{}", upstream.address)))
            .collect()
    }

    async fn command(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        facts: &BTreeMap<&'static str, String>,
    ) -> Answer {
        let ours = self.control.base_env().iter();
        let ours = ours.map(|(name, value)| (name.as_str(), value.as_str()));
        let told = facts.iter().map(|(name, value)| (*name, value.as_str()));
        let own = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let said = match command::run(argv, ours.chain(told).chain(own)).await {
            Ok(said) => said,
            Err(why) => return Answer::error(why),
        };
        let text = self.log(&[said.out, said.err]);
        match said.code {
            Some(0) => Answer::new(HookVerdict::Success, text),
            Some(EX_TEMPFAIL) => Answer::new(HookVerdict::Later, text),
            Some(code) => Answer::new(HookVerdict::Failure, format!("exit code {code}: {text}")),
            None => Answer::error(format!("it was killed: {text}")),
        }
    }

    /// Keeps the output in the server's log; gives its last line.
    fn log(&self, outputs: &[String]) -> String {
        let mut last = "";
        for line in outputs.iter().flat_map(|output| output.lines()) {
            if !line.trim().is_empty() {
                last = line;
                let line = self.control.without_secrets(line);
                tracing::info!(deployment = %self.id(), line, "a check says");
            }
        }
        if last.is_empty() {
            "it said nothing".to_owned()
        } else {
            last.to_owned()
        }
    }

    async fn webhook(&self, url: &str, facts: &BTreeMap<&'static str, String>) -> Answer {
        let url = match notify::filled_in(url, self.control.secrets()) {
            Ok(url) => url,
            Err(why) => return Answer::error(why),
        };
        let body: BTreeMap<String, &String> = facts
            .iter()
            .map(|(name, value)| {
                let name = name.strip_prefix("CUTOVER_").unwrap_or(name);
                (name.to_ascii_lowercase(), value)
            })
            .collect();
        let client = match client() {
            Ok(client) => client,
            Err(error) => return Answer::error(error.to_string()),
        };
        let key = facts.get("CUTOVER_IDEMPOTENCY_KEY");
        let sent = client
            .post(url)
            .header("idempotency-key", key.map_or("", String::as_str))
            .json(&body)
            .send()
            .await;
        match sent {
            Ok(response) if response.status().is_success() => {
                verdict_of(&text(response).await.unwrap_or_default())
            }
            Ok(response) => Answer::error(format!("it answered {}", response.status())),
            // The address may hold a secret.
            Err(error) => Answer::error(error.without_url().to_string()),
        }
    }

    async fn smoke(&self, smoke: &Smoke, facts: &BTreeMap<&'static str, String>) -> Answer {
        let candidates = self.candidates().await;
        if candidates.is_empty() {
            return Answer::error("the candidate has no instance to ask");
        }
        let client = match client() {
            Ok(client) => client,
            Err(error) => return Answer::error(error.to_string()),
        };
        let mut asked = 0;
        for (id, url) in candidates {
            for request in &smoke.requests {
                let answer = smoke_request(&client, &url, request).await;
                if !answer.is_yes() {
                    let reason = format!("{id}: {}", answer.reason);
                    return Answer { reason, ..answer };
                }
                asked += 1;
            }
            if !smoke.command.is_empty() {
                let mut facts = facts.clone();
                facts.insert("CUTOVER_CANDIDATE_URL", url);
                let answer = self.command(&smoke.command, &BTreeMap::new(), &facts).await;
                if !answer.is_yes() {
                    return answer;
                }
                asked += 1;
            }
        }
        Answer::new(HookVerdict::Success, format!("{asked} of {asked} held"))
    }
}

/// Names a question among all of its deployment. One that found no answer is put again under the same
/// name, for it may have been heard; one that was answered with "later" is another the next time.
fn question(check: &Check, said: &[cutover_rollout::Said]) -> String {
    let answers = said
        .iter()
        .filter(|said| said.check == *check && said.verdict != HookVerdict::Error)
        .count();
    match check {
        Check::Smoke => format!("smoke-{answers}"),
        Check::Hook {
            point,
            weight,
            index,
        } => {
            let points = weight.basis_points();
            format!("{}-{index}-{points}-{answers}", point.word())
        }
    }
}

async fn within(limit: Length, asking: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(limit.to_std(), asking)
        .await
        .unwrap_or_else(|_| Answer::error(format!("no answer within {limit}")))
}

/// What a webhook may answer.
#[derive(Deserialize)]
struct Said {
    verdict: String,
    #[serde(default)]
    reason: Option<String>,
    /// `30s`, or a number of seconds.
    #[serde(default)]
    after: Option<serde_json::Value>,
}

/// 2xx is a yes, unless the body says otherwise.
fn verdict_of(body: &str) -> Answer {
    let is_silent = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .is_none_or(|value| value.get("verdict").is_none());
    if is_silent {
        return Answer::new(HookVerdict::Success, "it answered with a yes");
    }
    let said: Said = match serde_json::from_str(body) {
        Ok(said) => said,
        Err(error) => return Answer::error(format!("its answer cannot be read: {error}")),
    };
    let verdict = match said.verdict.as_str() {
        "continue" => HookVerdict::Success,
        "pause" => HookVerdict::Inconclusive,
        "rollback" => HookVerdict::Failure,
        "retry" => HookVerdict::Later,
        other => {
            return Answer::error(format!(
                "it answered `{other}`; there is `continue`, `pause`, `rollback` and `retry`"
            ));
        }
    };
    let after = said.after.and_then(|after| match after {
        serde_json::Value::Number(seconds) => seconds.as_u64().map(Length::from_secs),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let reason = said
        .reason
        .unwrap_or_else(|| format!("it answered `{}`", said.verdict));
    Answer {
        verdict,
        reason,
        after,
    }
}

async fn smoke_request(client: &reqwest::Client, url: &str, wanted: &SmokeRequest) -> Answer {
    let what = format!("{} {}", wanted.method, wanted.path);
    let Ok(method) = wanted.method.parse::<reqwest::Method>() else {
        return Answer::error(format!("`{}` is no method", wanted.method));
    };
    let mut request = client.request(method, format!("{url}{}", wanted.path));
    for (name, value) in &wanted.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &wanted.body {
        request = request.body(body.clone());
    }
    let limit = wanted.expect.within;
    let asking = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>((status, text(response).await?))
    };
    match tokio::time::timeout(limit.to_std(), asking).await {
        Ok(Ok((status, body))) => match objection(&wanted.expect, status, &body) {
            Some(why) => Answer::new(HookVerdict::Failure, format!("{what} {why}")),
            None => Answer::new(HookVerdict::Success, what),
        },
        Ok(Err(error)) => Answer::error(format!("{what}: {}", error.without_url())),
        Err(_) => Answer::new(
            HookVerdict::Failure,
            format!("{what} took longer than {limit}"),
        ),
    }
}

/// Why an answer is not what is wanted, if it is not.
fn objection(wanted: &Expectation, status: u16, body: &str) -> Option<String> {
    let fits = if wanted.status.is_empty() {
        (200..300).contains(&status)
    } else {
        wanted.status.contains(&status)
    };
    if !fits {
        let head: String = body.chars().take(100).collect();
        return Some(format!("answered {status}: {head}"));
    }
    if let Some(missing) = wanted
        .body_contains
        .iter()
        .find(|part| !body.contains(part.as_str()))
    {
        return Some(format!("answered without `{missing}` in its body"));
    }
    if wanted.json.is_empty() {
        return None;
    }
    let Ok(json) = serde_json::from_str::<serde_json::Value>(body) else {
        return Some("answered with a body that is not JSON".to_owned());
    };
    wanted.json.iter().find_map(|(pointer, value)| {
        let there = json.pointer(pointer);
        (there != Some(value)).then(|| match there {
            Some(there) => format!("answered {there} at `{pointer}`, not {value}"),
            None => format!("answered nothing at `{pointer}`"),
        })
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(REASON_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_yes_unless_it_says_otherwise() {
        assert_eq!(verdict_of("").verdict, HookVerdict::Success);
        assert_eq!(verdict_of("ok").verdict, HookVerdict::Success);
        assert_eq!(verdict_of(r#"{"ok":true}"#).verdict, HookVerdict::Success);
        let no = verdict_of(r#"{"verdict":"rollback","reason":"error budget"}"#);
        assert_eq!(
            (no.verdict, no.reason.as_str()),
            (HookVerdict::Failure, "error budget")
        );
        let later = verdict_of(r#"{"verdict":"retry","after":"30s"}"#);
        assert_eq!(later.verdict, HookVerdict::Later);
        assert_eq!(later.after, Some(Length::from_secs(30)));
        assert_eq!(
            verdict_of(r#"{"verdict":"pause"}"#).verdict,
            HookVerdict::Inconclusive
        );
        assert_eq!(
            verdict_of(r#"{"verdict":"perhaps"}"#).verdict,
            HookVerdict::Error
        );
        assert_eq!(verdict_of(r#"{"verdict":1}"#).verdict, HookVerdict::Error);
    }

    #[test]
    fn an_expectation_says_what_it_misses() {
        let wanted = Expectation {
            status: Vec::new(),
            body_contains: vec!["items".to_owned()],
            json: BTreeMap::from([("/count".to_owned(), 3.into())]),
            within: Length::from_secs(1),
        };
        let said = |status, body| objection(&wanted, status, body);
        assert_eq!(said(200, r#"{"items":[],"count":3}"#), None);
        assert_eq!(said(500, "boom").unwrap(), "answered 500: boom");
        assert_eq!(
            said(204, "{}").unwrap(),
            "answered without `items` in its body"
        );
        assert_eq!(
            said(200, r#"{"items":[],"count":4}"#).unwrap(),
            "answered 4 at `/count`, not 3"
        );
        assert_eq!(
            said(200, "items").unwrap(),
            "answered with a body that is not JSON"
        );
    }
}
