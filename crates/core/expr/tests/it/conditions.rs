//! `if:`.

use cutover_expr::{Contexts, JobStatus, Value, condition};

struct Job(JobStatus);

impl Contexts for Job {
    fn get(&self, name: &str) -> Option<Value> {
        (name == "env").then(|| Value::object([("go", "yes")]))
    }

    fn status(&self) -> JobStatus {
        self.0
    }

    fn status_of(&self, job: &str) -> Option<JobStatus> {
        match job {
            "good" => Some(JobStatus::Success),
            "bad" => Some(JobStatus::Failure),
            _ => None,
        }
    }
}

/// The answers after success, failure and cancellation.
fn check(text: &str, wanted: [bool; 3]) {
    let states = [JobStatus::Success, JobStatus::Failure, JobStatus::Cancelled];
    let found = states.map(|status| condition(text, &Job(status)).unwrap());
    assert_eq!(found, wanted, "{text}");
}

#[test]
fn success_is_implied_unless_the_status_is_asked_for() {
    check("", [true, false, false]);
    check("  ", [true, false, false]);
    check("success()", [true, false, false]);
    check("failure()", [false, true, false]);
    check("cancelled()", [false, false, true]);
    check("always()", [true, true, true]);
    check("!cancelled()", [true, true, false]);
    check("env.go == 'YES'", [true, false, false]);
    check("env.go == 'no' || failure()", [false, true, false]);
    check("false && always()", [false, false, false]);
    check("success('good')", [true, true, true]);
    check(
        "success('good', 'bad') || failure('good', 'bad')",
        [true, true, true],
    );
    check(
        "failure('nosuch') || success('nosuch')",
        [false, false, false],
    );
}

#[test]
fn brackets_of_a_template_are_optional_around_the_whole() {
    check("${{ env.go == 'no' }}", [false, false, false]);
    check(" ${{ always() }} ", [true, true, true]);
    // Text is true, whatever it says: so the original has it.
    check("${{ env.go == 'no' }} && false", [true, false, false]);
    check("${{ always() }} && false", [true, true, true]);
    check("${{ env.none }}${{ env.none }}", [false, false, false]);
}

#[test]
fn a_wrong_condition_is_an_error_even_if_it_would_not_be_evaluated() {
    for text in ["nosuch", "1 ==", "${{ ) }}", "${{ 1", "a ${{ nosuch }}"] {
        assert!(condition(text, &Job(JobStatus::Failure)).is_err(), "{text}");
    }
}
