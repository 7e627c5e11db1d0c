//! The page of a deployment: where it stands, what can be done about it, what was seen, what happened.

use cutover_judge::{Finding, Signal, Verdict};
use cutover_model::{Timestamp, guard::Hold};
use cutover_store::DeploymentRow;
use maud::{Markup, html};

use super::page::{Lists, approvals, badge, clock, frame, of, percent, services, took, with_lists};
use crate::{
    deliver::inspect::Cost,
    view::{CheckView, DeploymentView, FreezeView, LockView, Status},
};

/// A deployment.
pub(super) fn deployment(
    view: &DeploymentView,
    lists: &Lists,
    status: &Status,
    now: Timestamp,
) -> Markup {
    let row = &view.deployment;
    let content = html! {
        (card(view, now))
        (approvals(&of(&status.approvals, row.id.as_str())))
        (held(row, view.hold.as_ref()))
        (frozen(row, &status.freezes))
        (turns(row, status))
        @if let Some(traffic) = &view.traffic { (services(traffic)) }
        @if let Some(verdict) = &view.judge { (evidence(verdict)) }
        (checks(&view.checks))
        (counted(&view.cost))
        section.way {
            h2 { "What is to happen" }
            ol { @for step in &view.steps { li { (step) } } }
        }
        section.timeline {
            h2 { "What happened" }
            ol {
                @for moment in &view.timeline {
                    li { time { (clock(moment.at)) } " " (moment.line) }
                }
            }
        }
    };
    let name = format!("{} {} → {}", row.service, row.version, row.environment);
    let state = row.state.replace('_', " ");
    let main = with_lists(lists, now, row.id.as_str(), &content);
    frame(
        &format!("{name} · {state}"),
        Some(&format!("{name}: {state}")),
        &main,
    )
}

/// Where it stands, and the buttons.
fn card(view: &DeploymentView, now: Timestamp) -> Markup {
    let row = &view.deployment;
    html! {
        section.card {
            h1 { (row.service) " " (row.version) " → " (row.environment) " " (badge(&row.state)) }
            p.facts {
                (row.strategy.replace('_', "-")) " · " (row.cause) " · "
                code { (row.digest.short()) } " · "
                (took(Some(row.created_at), row.finished_at, now))
            }
            p { (view.line) }
            @if let (None, None, Some(why)) = (row.outcome, &view.paused_by, &row.reason) {
                // One that waits says for what already.
                @if !view.line.contains(why) { p.facts { (why) } }
            }
            @if let Some(reason) = &view.break_glass {
                p.bad { "No freeze keeps it; the glass was broken: " (reason) }
            }
            (buttons(view))
            @if !view.detail.is_empty() { pre.hint { (view.detail.join("\n")) } }
            @if let Some(previous) = &view.previous { p.facts { "before it: " (previous) } }
            @if !view.shifts.is_empty() {
                ol.shifts {
                    @for shift in &view.shifts {
                        li { b { (percent(shift.percent)) } " at " (clock(shift.at)) }
                    }
                }
            }
        }
    }
}

/// What a person can do about a deployment. Whoever has no token yet is asked for one by the browser.
fn buttons(view: &DeploymentView) -> Markup {
    let row = &view.deployment;
    let id = &row.id;
    let service = format!("{{\"service\":\"{}\"}}", row.service);
    // The step that is seen is the one that is meant: a second click does not skip the next.
    let step = format!("{{\"step\":{}}}", view.step);
    html! {
        @if !view.verbs.is_empty() || view.goes_back_to.is_some() {
            p.verbs {
                @for verb in &view.verbs {
                    button type="button" data-post={ "/api/v1/deployments/" (id) "/" (verb) }
                        data-body=[(*verb == "promote").then_some(&step)]
                        data-sure=[(*verb == "abort").then_some("Stop it, and send traffic back?")] { (verb) }
                }
                @if let Some(version) = &view.goes_back_to {
                    button type="button" data-post={ "/api/v1/environments/" (row.environment) "/rollback" }
                        data-body=(service)
                        data-sure={ "Go back to " (version) "? " (row.environment) " is held then." }
                        { "roll back to " (version) }
                }
            }
        }
    }
}

/// The hold of a rollback, and how it is lifted.
fn held(row: &DeploymentRow, hold: Option<&Hold>) -> Markup {
    let service = format!("{{\"service\":\"{}\"}}", row.service);
    html! {
        @if let Some(hold) = hold {
            section.question {
                h2 { "Held" small { " since " (clock(hold.since)) } }
                p { (hold.reason) ". Nothing but what serves is deployed here until somebody lifts that." }
                p.verbs {
                    button type="button" data-post={ "/api/v1/environments/" (row.environment) "/resume" }
                        data-body=(service) { "lift hold" }
                    }
                @if hold.deployment != row.id {
                    p.facts { a href={ "/deployments/" (hold.deployment) } { (hold.deployment) } }
                }
            }
        }
    }
}

/// Freezes of its environment.
fn frozen(row: &DeploymentRow, freezes: &[FreezeView]) -> Markup {
    let is_here = |freeze: &&FreezeView| {
        let environment = freeze.environment.as_deref();
        environment.is_none_or(|environment| environment == row.environment)
    };
    html! {
        @for freeze in freezes.iter().filter(is_here) {
            section.question {
                h2 { "Frozen"
                    @if let Some(until) = freeze.until { small { " until " (until) } }
                    @else { small { " until it is lifted" } } }
                p { (freeze.reason)
                    @if let Some(by) = &freeze.by { " (by " (by) ")" } @else { " (cutover.yml)" } }
            }
        }
    }
}

/// Who has the place, and who waits for it.
fn turns(row: &DeploymentRow, status: &Status) -> Markup {
    let here =
        |place: &&LockView| place.environment == row.environment && place.service == row.service;
    html! {
        @for place in status.locks.iter().filter(here) {
            section.turns {
                h2 { "Who deploys here" }
                @if let Some(holder) = &place.holder {
                    p {
                        @if holder.deployment == row.id { "this one" }
                        @else { a href={ "/deployments/" (holder.deployment) } { (holder.deployment) } }
                        small { " since " (clock(holder.since)) }
                    }
                }
                @if !place.queue.is_empty() {
                    ol {
                        @for turn in &place.queue {
                            li { a href={ "/deployments/" (turn.deployment) } { (turn.deployment) }
                                @if turn.frozen { small { " kept by a freeze" } } }
                        }
                    }
                }
            }
        }
    }
}

/// What the judge knows, signal by signal.
fn evidence(verdict: &Verdict) -> Markup {
    html! {
        section.counted {
            h2 { "The judge" " " (badge(verdict.word.word())) }
            p { (verdict.sentence) }
            @if !verdict.findings.is_empty() {
                div.wide {
                    table {
                        tr { th {} th { "candidate" } th { "current" } th { "evidence" } th { "enough at" } }
                        @for finding in verdict.findings.iter().filter(|it| is_fed(it)) { (found(finding)) }
                    }
                }
            }
        }
    }
}

/// An instance of the candidate that ends takes it back without being weighed.
fn is_fed(finding: &Finding) -> bool {
    finding.signal != Signal::Restarts || finding.candidate + finding.current > 0
}

fn found(finding: &Finding) -> Markup {
    let name = match finding.signal {
        Signal::Errors => "bad answers",
        Signal::Latency => "slow answers",
        Signal::Restarts => "restarts",
        Signal::Alone => "bad answers, alone",
    };
    html! {
        tr {
            th { (name) }
            td { (finding.candidate_bad) " of " (finding.candidate) }
            td { (finding.current_bad) " of " (finding.current) }
            td { (format!("{:.1}", finding.ln_evidence.exp())) }
            td { (format!("{:.0}", finding.ln_limit.exp())) }
        }
    }
}

/// What hooks and the smoke test have said.
fn checks(checks: &[CheckView]) -> Markup {
    html! {
        @if !checks.is_empty() {
            section.timeline {
                h2 { "Smoke test and hooks" }
                ol {
                    @for check in checks {
                        li { time { (clock(check.at)) } " " (badge(check.verdict)) " " (check.name)
                            @if check.attempt > 1 { small { " try " (check.attempt) } }
                            ": " span class=(if check.is_yes { "" } else { "bad" }) { (check.reason) } }
                    }
                }
            }
        }
    }
}

/// What was counted while it was watched.
fn counted(cost: &Cost) -> Markup {
    html! {
        @if cost.seconds > 0 {
            section.counted {
                h2 { "While it was watched" small { " " (cost.seconds) " s" } }
                table {
                    tr { th {} th { "requests" } th { "5xx" } th { "bad" } }
                    @for (name, side) in [("candidate", &cost.candidate), ("current", &cost.current)] {
                        tr { th { (name) } td { (side.requests) } td { (side.errors_5xx) } td { (side.bad) } }
                    }
                }
                @for (cause, count) in &cost.ledger { p.facts { (cause) ": " (count) } }
            }
        }
    }
}
