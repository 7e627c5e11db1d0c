//! What a bad matrix is told, before anything is evaluated.

use crate::check;

#[test]
fn a_matrix_is_held_to_its_shape() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: x
            strategy:
              fail-fast: no
              max-parallel: 1.5
              parallel: 1
              matrix:
                os: linux
                empty: []
                v: [1, '${{ secrets.A }}']
                include: { os: x }
                exclude: [{ o: linux }, 3]
            steps: [{ run: echo }]
          b:
            runs-on: x
            strategy: ${{ fromJSON('{}') }}
            steps: [{ run: echo }]
        ",
        "
            6:18 1012 `fail-fast` must be `true`, `false` or one `${{ }}`, and is a text
            7:21 1012 `max-parallel` must be a whole number or one `${{ }}`, and is a number
            8:7 1010 unknown key `parallel` in `strategy` | did you mean `max-parallel`?
            10:13 1012 `os` must be a list or one `${{ }}`, and is a text
            11:16 1013 `empty` must not be empty
            12:21 1030 context `secrets` is not available here | available here: `github`, `inputs`, `needs`, `vars`
            13:18 1012 `include` must be a list, and is a mapping
            14:21 1061 the matrix has no `o` to exclude | known here: `v`
            14:33 1012 `exclude` must be a mapping or one `${{ }}`, and is a number
            ",
    );
}

#[test]
fn a_matrix_has_at_most_256_legs() {
    let list = |length: usize| {
        let names: Vec<String> = (0..length).map(|n| format!("x{n}")).collect();
        format!("[{}]", names.join(", "))
    };
    let many = vec!["{ a: 1 }"; 257].join(", ");
    // `A`, `B` and `C` stand for lists of 16, 17 and 100 values.
    for (matrix, holds) in [
        ("{ a: A, b: A }", true),
        ("{ a: A, b: B }", false),
        ("{ a: A, b: B, exclude: [{ b: x0 }] }", true),
        ("{ a: A, b: A, include: [{ a: x0, c: 1 }] }", true),
        ("{ a: A, b: A, include: [{ a: y }] }", false),
        ("{ a: C, b: C, c: C, d: C }", false),
        ("{ a: C, b: '${{ fromJSON(github.ref) }}', c: C }", true),
        (&format!("{{ include: [{many}] }}"), false),
    ] {
        let matrix = matrix
            .replace('A', &list(16))
            .replace('B', &list(17))
            .replace('C', &list(100));
        let workflow = format!(
            "
            on: push
            jobs:
              a:
                runs-on: x
                strategy:
                  matrix: {matrix}
                steps: [{{ run: echo }}]
            "
        );
        let too_many = "6:15 1060 the matrix has more than 256 combinations";
        check(&workflow, if holds { "" } else { too_many });
    }
}
