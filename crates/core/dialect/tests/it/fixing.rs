//! What lint mends, and that it mends nothing else.

use std::collections::BTreeMap;

use cutover_dialect::{Fix, Lock, SourceTree, apply, fixes, lint};

use crate::{PATH, dedent, tree};

/// The files after all that is safe to mend, again and again until nothing is left.
fn mended(mut tree: SourceTree, is_safe: bool) -> (SourceTree, Vec<Fix>) {
    let mut made = Vec::new();
    for _ in 0..10 {
        let said = lint(&tree, PATH);
        let mut found = fixes(&tree, PATH, &said);
        found.extend(fixes(&tree, "act/action.yml", &said));
        found.retain(|fix| fix.is_safe || !is_safe);
        let (files, done): (BTreeMap<String, String>, _) = apply(&tree, &found);
        if files.is_empty() {
            break;
        }
        made.extend(done.into_iter().cloned());
        for (path, text) in files {
            tree.insert(path, text);
        }
    }
    (tree, made)
}

#[track_caller]
fn check_steps(steps: &str, expected: &str) {
    let around = |steps: &str| {
        let steps: String = dedent(steps)
            .lines()
            .flat_map(|line| ["      ", line, "\n"])
            .collect();
        format!("on: issues\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
    };
    let (files, _) = mended(tree(&[(PATH, &around(steps))]), true);
    let said = str::from_utf8(files.get(PATH).unwrap()).unwrap();
    let expected = around(expected);
    assert!(said == expected, "said:\n{said}\nexpected:\n{expected}");
}

#[test]
fn text_of_strangers_becomes_a_variable() {
    check_steps(
        "
        # about it
        - run: echo ${{ github.event.issue.title }}   # why
        - name: two
          run: |
            echo \"Title: ${{github.event.issue.title}}!\" '${{ github.head_ref }}'
            X=${{ github.event.comment.body || 'none' }} make \"$(echo \"${{ github.event.issue.title }}\")\"
          env: # there already
            B: 1   # one
        - env:
            TITLE: ${{ github.event.issue.title }}
          run: echo \"$ISSUE_TITLE ${{ github.event.issue.title }} ${{ github.event.issue.body }}\"
        ",
        "
        # about it
        - env:
            ISSUE_TITLE: ${{ github.event.issue.title }}
          run: echo \"$ISSUE_TITLE\"   # why
        - name: two
          run: |
            echo \"Title: ${ISSUE_TITLE}!\" ''\"$HEAD_REF\"''
            X=\"$COMMENT_BODY\" make \"$(echo \"${ISSUE_TITLE_2}\")\"
          env: # there already
            ISSUE_TITLE: ${{github.event.issue.title}}
            HEAD_REF: ${{ github.head_ref }}
            COMMENT_BODY: ${{ github.event.comment.body || 'none' }}
            ISSUE_TITLE_2: ${{ github.event.issue.title }}
            B: 1   # one
        - env:
            ISSUE_BODY: ${{ github.event.issue.body }}
            TITLE: ${{ github.event.issue.title }}
          run: echo \"$ISSUE_TITLE ${TITLE} ${ISSUE_BODY}\"
        ",
    );
}

#[test]
fn what_comes_by_a_detour_becomes_a_variable_too() {
    check_steps(
        "
        - id: get
          run: echo \"title=${{ github.event.issue.title }}\" >> \"$GITHUB_OUTPUT\"
        - run: echo ${{ steps.get.outputs.title }}
        ",
        "
        - id: get
          env:
            ISSUE_TITLE: ${{ github.event.issue.title }}
          run: echo \"title=${ISSUE_TITLE}\" >> \"$GITHUB_OUTPUT\"
        - env:
            GET_TITLE: ${{ steps.get.outputs.title }}
          run: echo \"$GET_TITLE\"
        ",
    );
}

#[test]
fn what_is_in_doubt_stays_as_it_is() {
    let steps = "
        - { run: 'echo ${{ github.head_ref }}' }
        - run: ${{ github.head_ref }}
        - run: \"echo ${{ github.head_ref }}\"
        - run: 'echo ''${{ github.head_ref }}'''
        - run: >
            echo ${{ github.head_ref }}
            more
        - shell: pwsh
          run: echo ${{ github.head_ref }}
        - run: |
            ${{ github.event.comment.body }}
            make && ${{ github.event.comment.body }}
            # ${{ github.head_ref }}
            bash -c \"${{ github.head_ref }}\"
            jq \\
              \".x = ${{ github.head_ref }}\" a.json
            /usr/bin/sed \"s/x/${{ github.head_ref }}/\"
            for it in ${{ github.event.issue.body }}; do echo; done
            [[ x =~ ${{ github.head_ref }} ]]
            echo \"\\${{ github.head_ref }}\"
            echo $(( ${{ github.head_ref }} ))
            echo ${{ github.head_ref }}
        - run: |
            cat <<END
            ${{ github.head_ref }}
            END
        - env:
            A: 1
          run: echo ${{ env.A && github.head_ref }}
        - env: &env
            A: 1
          run: echo ${{ github.head_ref }}
        - run: echo `echo ${{ github.head_ref }}`
        ";
    check_steps(steps, steps);
}

#[test]
fn outputs_are_written_to_their_file_where_an_echo_stands_alone() {
    check_steps(
        "
        - run: echo ::set-output name=a::$(pwd)
        - run: echo ::set-output name=a::$X
        - run: |
            echo \"::set-output name=a::${X} and ${{ github.head_ref }}\"
            echo '::save-state name=b::1'  
              echo \"::set-output name=c::a\" && make
            if x; then echo \"::set-output name=c::a\"; fi
            echo \"::set-output name=c::a%0Ab\"
            make | \\
            echo \"::set-output name=c::a\"
        ",
        "
        - run: echo ::set-output name=a::$(pwd)
        - run: echo a=$X >> \"$GITHUB_OUTPUT\"
        - env:
            HEAD_REF: ${{ github.head_ref }}
          run: |
            echo \"a=${X} and ${HEAD_REF}\" >> \"$GITHUB_OUTPUT\"
            echo 'b=1' >> \"$GITHUB_STATE\"  
              echo \"::set-output name=c::a\" && make
            if x; then echo \"::set-output name=c::a\"; fi
            echo \"::set-output name=c::a%0Ab\"
            make | \\
            echo \"::set-output name=c::a\"
        ",
    );
}

#[test]
fn an_action_gets_the_commit_of_the_lock_and_the_lock_its_name() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let hash = "89abcdef0123456789abcdef0123456789abcdef";
    let lock = format!("# by cutover\na/b@v4 {commit} {hash}\nc/d@v1 {commit} {hash}\n");
    let text = "
        on: push
        jobs:
          a:
            runs-on: x
            steps:
              - uses: a/b/deep@v4
              - name: x
                uses: 'A/b@v4' # why
              - { uses: a/b@v4 }
              - uses: e/f@v1
        ";
    let files = tree(&[(PATH, text), (Lock::PATH, &lock)]);
    let notes = lint(&files, PATH);
    let notes = notes.iter().filter(|it| it.code == "CUT-1099");
    assert_eq!(notes.count(), 3);
    let (files, made) = mended(files, true);
    let said = str::from_utf8(files.get(PATH).unwrap()).unwrap();
    assert!(
        said.contains(&format!("- uses: a/b/deep@{commit} # v4\n")),
        "{said}"
    );
    assert!(
        said.contains(&format!("uses: 'A/b@{commit}' # v4 # why\n")),
        "{said}"
    );
    assert!(
        said.contains("- { uses: a/b@v4 }\n      - uses: e/f@v1\n"),
        "{said}"
    );
    let said = str::from_utf8(files.get(Lock::PATH).unwrap()).unwrap();
    assert_eq!(
        said,
        format!(
            "# by cutover\na/b@v4 {commit} {hash}\na/b@{commit} {commit} {hash}\nc/d@v1 {commit} {hash}\n"
        )
    );
    let (lock, faults) = Lock::read(&files);
    assert!(faults.is_empty() && lock.unwrap().get("a/b", commit).is_some());
    assert_eq!(made.len(), 2);
}

#[test]
fn permissions_are_written_only_by_who_asks_for_more_than_what_is_safe() {
    let text = "on: push\n# about jobs\njobs:\n  a: { runs-on: x, steps: [{ run: echo }] }\n";
    let (files, made) = mended(tree(&[(PATH, text)]), true);
    assert!(made.is_empty() && files.get(PATH) == Some(text.as_bytes()));
    let (files, made) = mended(tree(&[(PATH, text)]), false);
    assert_eq!(made.len(), 1);
    let said = str::from_utf8(files.get(PATH).unwrap()).unwrap();
    let new = "# about jobs\npermissions:\n  contents: read\n\njobs:\n";
    assert!(said.contains(new), "{said}");
}

#[test]
fn an_action_of_ones_own_is_mended_too() {
    let workflow = "
        on: issues
        jobs:
          a:
            runs-on: x
            steps: [{ uses: ./act, with: { title: '${{ github.event.issue.title }}' } }]
        ";
    let action = "
        inputs: { title: {} }
        runs:
          using: composite
          steps:
            - run: echo ${{ inputs.title }}
              shell: bash
        ";
    let (files, made) = mended(tree(&[(PATH, workflow), ("act/action.yml", action)]), true);
    assert_eq!(made.len(), 1);
    let said = str::from_utf8(files.get("act/action.yml").unwrap()).unwrap();
    let new = "    - env:\n        TITLE: ${{ inputs.title }}\n      run: echo \"$TITLE\"\n      shell: bash\n";
    assert!(said.contains(new), "{said}");
}

#[test]
fn what_is_ignored_or_not_right_is_not_mended() {
    let ignored = "
        on: issues
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - run: echo ${{ github.event.issue.title }} # cutover: ignore[CUT-1031]
        ";
    assert!(mended(tree(&[(PATH, ignored)]), true).1.is_empty());
    let twice = "
        on: issues
        on: push
        jobs:
          a: &a
            runs-on: ubuntu-latest
            <<: *a
            steps:
              - run: echo ${{ github.event.issue.title }}
        ";
    assert!(mended(tree(&[(PATH, twice)]), true).1.is_empty());
}
