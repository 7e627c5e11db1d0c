//! The judge is asked what follows when a step has been watched to its end. It is always answered: where
//! nobody has looked, a person must.

use std::time::Duration;

use cutover_model::{Timestamp, delivery::Judgement};
use cutover_rollout::{
    Input,
    watch::{Advice, Verdict},
};

use super::Work;

/// How long the last second of a step may take until it is told.
const LAST_SECOND: Duration = Duration::from_secs(10);

impl Work {
    pub(super) async fn judge(&self, at: Timestamp, step: u32) {
        let mut verdicts = self.verdicts.subscribe();
        tokio::time::sleep(at.since(self.control.now()).to_std()).await;
        verdicts.mark_unchanged();
        let told = tokio::time::timeout(LAST_SECOND, verdicts.changed()).await;
        let verdict = verdicts.borrow().clone();
        let (judgement, reason) = meaning(verdict.filter(|_| matches!(told, Ok(Ok(())))));
        self.mailbox.observe(Input::Judged {
            step,
            until: at,
            judgement,
            reason,
        });
    }
}

/// What follows for the step.
fn meaning(verdict: Option<Verdict>) -> (Judgement, String) {
    let Some(verdict) = verdict else {
        let why = "nobody has told how the last second of the step went";
        return (Judgement::Pause, why.to_owned());
    };
    let judgement = match verdict.advice {
        Advice::Promote => Judgement::Promote,
        Advice::Wait | Advice::Pause => Judgement::Pause,
        Advice::Rollback => Judgement::Rollback,
    };
    (judgement, verdict.sentence)
}

#[cfg(test)]
mod tests {
    use cutover_judge::Judge;
    use cutover_model::delivery::{JudgeSpec, OnInsufficient};

    use super::*;

    #[test]
    fn where_nobody_has_looked_a_person_must() {
        assert_eq!(meaning(None).0, Judgement::Pause);
        let judge = Judge::new(&JudgeSpec {
            on_insufficient: OnInsufficient::Promote,
            ..JudgeSpec::default()
        });
        let (judgement, why) = meaning(Some(judge.verdict(true)));
        assert_eq!(judgement, Judgement::Pause);
        assert_eq!(why, "no second of traffic has been told");
    }
}
