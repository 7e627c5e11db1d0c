//! Files that are no YAML, or more of it than we take, or not there at all.

use cutover_dialect::{Options, SourceTree, compile, lint};

use crate::{PATH, check, push, render};

#[test]
fn yaml_is_held_to_its_rules() {
    check(
        "on: push\njobs: [\n",
        "
            2:7 1001 the file is no YAML: unclosed bracket '['
            ",
    );
    check(
        "on: push\n\tjobs: x\n",
        "
            1:5 1001 the file is no YAML: while scanning a plain scalar, found a tab
            ",
    );
    check("", "1:1 1001 the file is empty");
    check(
        "on: push\non: push\njobs: {}\n",
        "
            2:1 1003 key `on` is there twice; the first is in line 1 | remove one of them
            3:7 1013 `jobs` must not be empty
            ",
    );
    check(
        "---\non: push\n---\njobs: {}\n",
        "
            3:1 1004 a second document begins here | put it into a file of its own
            ",
    );
    check(
        "on: push\njobs: *nowhere\n",
        "
            2:7 1004 alias `*nowhere` names no anchor before it
            ",
    );
    check(
        "on: push\njobs: &a\n  b: *a\n",
        "
            3:3 1011 job `b` needs `steps`
            3:3 1011 job `b` needs `runs-on`
            3:6 1004 alias `*a` stands inside the value that it names, from line 2 on
            3:6 1013 job `b` must not be empty
            ",
    );
    check("on: push\nx: !!binary aGk=\njobs: !mine {}\n", "
            2:1 1010 unknown key `x` in a workflow | known here: `concurrency`, `defaults`, `description`, `env`, `jobs`, `name`, `on`, `permissions`, `run-name`
            2:4 1004 tag `!!binary` is not supported | remove the tag
            3:7 1004 tag `!mine` is not supported | remove the tag
            3:7 1013 `jobs` must not be empty
            ");
    check("on: !!int x\n? [a]\n: b\n<<: {}\njobs: {}\n", "
            1:5 1004 `x` is not a whole number, as tag `!!int` says
            1:5 1040 unknown event `x` | known here: `branch_protection_rule`, `check_run`, `check_suite`, `create`, `delete`, `deployment_status`, `deployment`, `discussion_comment`, `discussion`, `fork`, `gollum`, `image_version`, `issue_comment`, `issues`, `label`, `merge_group`, `milestone`, `page_build`, `project_card`, `project_column`, `project`, `public`, `pull_request_comment`, `pull_request_review`, `pull_request`
            2:3 1004 a key must be a scalar
            4:1 1004 the merge key `<<` is not supported | write the keys out, or use an alias for the whole mapping
            5:7 1013 `jobs` must not be empty
            ");
    check(
        "- on\n- push\n",
        "
            1:1 1011 a workflow needs `on`
            1:1 1011 a workflow needs `jobs`
            1:1 1012 a workflow must be a mapping, and is a list
            ",
    );
    check(
        "just text\n",
        "
            1:1 1011 a workflow needs `on`
            1:1 1011 a workflow needs `jobs`
            1:1 1012 a workflow must be a mapping, and is a text
            ",
    );
}

#[test]
fn a_file_that_is_not_there_or_not_text() {
    let none = SourceTree::new();
    assert_eq!(
        render(&lint(&none, PATH)),
        "0:0 1005 there is no file `.github/workflows/ci.yml`\n"
    );
    let mut binary = SourceTree::new();
    binary.insert(PATH, b"on: \xff\xfe".to_vec());
    assert_eq!(
        render(&lint(&binary, PATH)),
        "1:1 1001 the file is not UTF-8 text | save it as UTF-8\n"
    );
    let compiled = compile(&none, PATH, &push(), Options::default());
    assert_eq!(compiled.plan, None);
}
