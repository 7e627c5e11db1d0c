//! `on:`: the events with their activity types, filters and inputs.
//!
//! Keys of `workflow_dispatch` that nobody knows are let through, as the service does.

use super::{
    ANY, BOOLEAN, Definition, FILLED, FILLED_LIST, FILLED_OR_LIST, Mapping, NULL, NUMBER, Property,
    STRING, Shape, loose, mapping, may, must,
};

/// An event whose only key is `types`, of these words.
macro_rules! typed {
    ($name:ident: $($word:literal)+ $(; $($extra:expr),+)?) => {
        mod $name {
            use super::{Definition, NULL, Shape, mapping, may};
            #[expect(unused_imports, reason = "some events have filters beside the types")]
            use super::{FILLED_LIST, FILLED_OR_LIST};

            static WORD: Definition = Definition::new(Shape::Words(&[$($word),+]));
            static WORDS: Definition = Definition::new(Shape::Sequence(&WORD));
            static TYPES: Definition = Definition::new(Shape::OneOf(&[&WORD, &WORDS]));
            static KEYS: Definition = Definition::new(mapping(&[
                may("types", &TYPES),
                $($($extra,)+)?
            ]));
            pub(super) static EVENT: Definition = Definition::new(Shape::OneOf(&[&NULL, &KEYS]));
        }
    };
}

typed!(branch_protection_rule: "created" "edited" "deleted");
typed!(check_run: "created" "rerequested" "completed" "requested_action");
typed!(check_suite: "completed");
typed!(discussion: "created" "edited" "deleted" "transferred" "pinned" "unpinned" "labeled" "unlabeled"
    "locked" "unlocked" "category_changed" "answered" "unanswered");
typed!(discussion_comment: "created" "edited" "deleted");
typed!(image_version: "created" "ready" "deleted";
    may("names", &FILLED_OR_LIST), may("versions", &FILLED_OR_LIST));
typed!(issue_comment: "created" "edited" "deleted");
typed!(issues: "opened" "edited" "deleted" "transferred" "pinned" "unpinned" "closed" "reopened"
    "assigned" "unassigned" "labeled" "unlabeled" "locked" "unlocked" "milestoned" "demilestoned"
    "typed" "untyped" "field_added" "field_removed");
typed!(label: "created" "edited" "deleted");
// The service lets paths stand and does not look at them.
typed!(merge_group: "checks_requested";
    may("branches", &FILLED_OR_LIST), may("branches-ignore", &FILLED_OR_LIST),
    may("paths", &FILLED_OR_LIST), may("paths-ignore", &FILLED_OR_LIST));
typed!(milestone: "created" "closed" "opened" "edited" "deleted");
typed!(project: "created" "closed" "reopened" "edited" "deleted");
typed!(project_card: "created" "moved" "converted" "edited" "deleted");
typed!(project_column: "created" "updated" "moved" "deleted");
typed!(pull_request: "assigned" "unassigned" "labeled" "unlabeled" "opened" "edited" "closed" "reopened"
    "synchronize" "converted_to_draft" "ready_for_review" "locked" "unlocked" "milestoned"
    "demilestoned" "enqueued" "dequeued" "stacked" "unstacked" "review_requested"
    "review_request_removed" "auto_merge_enabled" "auto_merge_disabled";
    may("branches", &FILLED_OR_LIST), may("branches-ignore", &FILLED_OR_LIST),
    may("paths", &FILLED_OR_LIST), may("paths-ignore", &FILLED_OR_LIST));
typed!(pull_request_review: "submitted" "edited" "dismissed");
typed!(pull_request_review_comment: "created" "edited" "deleted");
typed!(registry_package: "published" "updated");
typed!(release: "published" "unpublished" "created" "edited" "deleted" "prereleased" "released");
typed!(watch: "started");
typed!(workflow_run: "requested" "completed" "in_progress";
    may("workflows", &FILLED_OR_LIST),
    may("branches", &FILLED_OR_LIST), may("branches-ignore", &FILLED_OR_LIST));

static PUSH: Definition = Definition::new(Shape::OneOf(&[&NULL, &PUSH_KEYS]));
static PUSH_KEYS: Definition = Definition::new(mapping(&[
    may("branches", &FILLED_OR_LIST),
    may("branches-ignore", &FILLED_OR_LIST),
    may("tags", &FILLED_OR_LIST),
    may("tags-ignore", &FILLED_OR_LIST),
    may("paths", &FILLED_OR_LIST),
    may("paths-ignore", &FILLED_OR_LIST),
]));

static REPOSITORY_DISPATCH: Definition =
    Definition::new(Shape::OneOf(&[&NULL, &REPOSITORY_DISPATCH_KEYS]));
static REPOSITORY_DISPATCH_KEYS: Definition =
    Definition::new(mapping(&[may("types", &FILLED_OR_LIST)]));

static SCHEDULE: Definition = Definition::new(Shape::Sequence(&CRON));
static CRON: Definition =
    Definition::new(mapping(&[must("cron", &FILLED), may("timezone", &FILLED)]));

static CALL: Definition = Definition::new(Shape::OneOf(&[&NULL, &CALL_KEYS]));
static CALL_KEYS: Definition = Definition::new(mapping(&[
    may("inputs", &CALL_INPUTS),
    may("secrets", &CALL_SECRETS),
    may("outputs", &CALL_OUTPUTS),
]));
static CALL_INPUTS: Definition = Definition::new(loose(&FILLED, &CALL_INPUT));
static CALL_INPUT: Definition = Definition::new(mapping(&[
    may("description", &STRING),
    must("type", &CALL_TYPE),
    may("required", &BOOLEAN),
    may("default", &CALL_DEFAULT),
    may("deprecationMessage", &STRING),
]));
static CALL_TYPE: Definition = Definition::new(Shape::Words(&["string", "boolean", "number"]));
static CALL_DEFAULT: Definition = Definition::within(
    &["github", "inputs", "vars"],
    Shape::OneOf(&[&STRING, &BOOLEAN, &NUMBER]),
);
static CALL_SECRETS: Definition = Definition::new(loose(&FILLED, &CALL_SECRET));
static CALL_SECRET: Definition = Definition::new(Shape::OneOf(&[&NULL, &CALL_SECRET_KEYS]));
static CALL_SECRET_KEYS: Definition = Definition::new(mapping(&[
    may("description", &STRING),
    may("required", &BOOLEAN),
]));
static CALL_OUTPUTS: Definition = Definition::new(loose(&FILLED, &CALL_OUTPUT));
static CALL_OUTPUT: Definition = Definition::new(mapping(&[
    may("description", &STRING),
    must("value", &CALL_VALUE),
]));
static CALL_VALUE: Definition =
    Definition::within(&["github", "inputs", "vars", "jobs"], Shape::Text);

static DISPATCH: Definition = Definition::new(Shape::OneOf(&[&NULL, &DISPATCH_KEYS]));
static DISPATCH_KEYS: Definition = Definition::new(Shape::Mapping(Mapping {
    properties: &[may("inputs", &DISPATCH_INPUTS)],
    loose: Some((&STRING, &ANY)),
}));
static DISPATCH_INPUTS: Definition = Definition::new(Shape::OneOf(&[&NULL, &DISPATCH_INPUTS_KEYS]));
static DISPATCH_INPUTS_KEYS: Definition = Definition::new(loose(&FILLED, &DISPATCH_INPUT));
static DISPATCH_INPUT: Definition = Definition::new(Shape::OneOf(&[&NULL, &DISPATCH_INPUT_KEYS]));
static DISPATCH_INPUT_KEYS: Definition = Definition::new(Shape::Mapping(Mapping {
    properties: &[
        may("description", &STRING),
        may("type", &DISPATCH_TYPE),
        may("required", &BOOLEAN),
        may("default", &DISPATCH_DEFAULT),
        may("options", &FILLED_LIST),
    ],
    loose: Some((&STRING, &ANY)),
}));
static DISPATCH_TYPE: Definition = Definition::new(Shape::Words(&[
    "string",
    "boolean",
    "number",
    "environment",
    "choice",
]));
static DISPATCH_DEFAULT: Definition = Definition::new(Shape::OneOf(&[&STRING, &BOOLEAN, &NUMBER]));

const EVENTS: &[Property] = &[
    may("branch_protection_rule", &branch_protection_rule::EVENT),
    may("check_run", &check_run::EVENT),
    may("check_suite", &check_suite::EVENT),
    may("create", &NULL),
    may("delete", &NULL),
    may("deployment", &NULL),
    may("deployment_status", &NULL),
    may("discussion", &discussion::EVENT),
    may("discussion_comment", &discussion_comment::EVENT),
    may("fork", &NULL),
    may("gollum", &NULL),
    may("image_version", &image_version::EVENT),
    may("issue_comment", &issue_comment::EVENT),
    may("issues", &issues::EVENT),
    may("label", &label::EVENT),
    may("merge_group", &merge_group::EVENT),
    may("milestone", &milestone::EVENT),
    may("page_build", &NULL),
    may("project", &project::EVENT),
    may("project_card", &project_card::EVENT),
    may("project_column", &project_column::EVENT),
    may("public", &NULL),
    may("pull_request", &pull_request::EVENT),
    may("pull_request_comment", &issue_comment::EVENT),
    may("pull_request_review", &pull_request_review::EVENT),
    may(
        "pull_request_review_comment",
        &pull_request_review_comment::EVENT,
    ),
    may("pull_request_target", &pull_request::EVENT),
    may("push", &PUSH),
    may("registry_package", &registry_package::EVENT),
    may("release", &release::EVENT),
    may("repository_dispatch", &REPOSITORY_DISPATCH),
    may("schedule", &SCHEDULE),
    may("status", &NULL),
    may("watch", &watch::EVENT),
    may("workflow_call", &CALL),
    may("workflow_dispatch", &DISPATCH),
    may("workflow_run", &workflow_run::EVENT),
];

/// Every event with its definition.
pub(in super::super) fn events() -> &'static [Property] {
    EVENTS
}

/// The names of [`EVENTS`].
const NAMES: [&str; EVENTS.len()] = {
    let mut names = [""; EVENTS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = EVENTS[at].name;
        at += 1;
    }
    names
};

static NAME: Definition = Definition::new(Shape::Words(&NAMES));
static NAME_LIST: Definition = Definition::new(Shape::Sequence(&NAME));
static BY_NAME: Definition = Definition::new(mapping(EVENTS));

/// `on:`, in its three forms.
pub(super) static ON: Definition = Definition::new(Shape::OneOf(&[&NAME, &NAME_LIST, &BY_NAME]));
