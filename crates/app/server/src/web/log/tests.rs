use super::*;

/// Each line as `number kind group text`.
fn shown(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let text: String = line.parts.iter().map(|part| part.text.as_str()).collect();
            let group = line
                .group
                .map_or_else(String::new, |group| format!("@{group}"));
            format!("{} {:?}{group} {text}", line.number, line.kind)
        })
        .collect()
}

fn read(log: &str, size: usize) -> Vec<Line> {
    let mut found = Vec::new();
    let mut lines = Lines::default();
    for piece in log.as_bytes().chunks(size) {
        lines.push(piece, |line, _| found.push(line));
    }
    lines.finish(|line, _| found.push(line));
    found
}

#[test]
fn levels_and_groups_are_told_and_every_line_keeps_its_number() {
    let log = "one\n::group::Set up %25\ntwo\n::error file=a.rs,line=3,title=E1::no%0Amore\n\
               ::endgroup::\n##[warning]old\r\n::notice::n\n::debug::d\n[command]git clone\nlast";
    let expected = [
        "1 Plain one",
        "2 Group Set up %",
        "3 Plain@2 two",
        "4 Error@2 E1: no\nmore (a.rs:3:1)",
        "6 Warning old",
        "7 Notice n",
        "8 Debug d",
        "9 Command git clone",
        "10 Plain last",
    ];
    for size in [1, 7, 1_000] {
        assert_eq!(shown(&read(log, size)), expected, "{size}");
    }
}

#[test]
fn a_line_that_was_written_over_shows_what_it_came_to() {
    assert_eq!(
        shown(&read("10 %\r50 %\r100 %\r\nx\n", 4)),
        ["1 Plain 100 %", "2 Plain x"]
    );
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let mut lines = Lines::default();
    for _ in 0..100 {
        lines.push(&[b'x'; 1_000], |line, _| panic!("{line:?} has not ended"));
    }
    assert_eq!(lines.open.len(), LONGEST);
    let open = lines.open().unwrap();
    assert_eq!(open.parts[0].text.len(), LONGEST_OPEN);
    let mut found = Vec::new();
    lines.push(b"\n", |line, _| found.push(line));
    assert!(found[0].parts[0].text.ends_with("… 83616 bytes more"));
}

fn cut(log: &str, from: Option<u64>, size: usize) -> Window {
    let mut cut = Cut::new(from, size);
    for line in read(log, 1_000) {
        cut.take(line);
    }
    cut.finish()
}

#[test]
fn a_window_has_its_lines_and_the_head_of_the_group_it_begins_in() {
    let log = "1\n::group::g\n3\n4\n5\n::endgroup::\n7\n8\n";
    let window = |from, size| {
        let mut window = cut(log, from, size);
        let lines = shown(window.lines.make_contiguous());
        (lines, window.earlier, window.later)
    };
    let lines = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        window(None, 3),
        (
            lines(&["2 Group g", "5 Plain@2 5", "7 Plain 7", "8 Plain 8"]),
            true,
            false
        )
    );
    assert_eq!(
        window(None, 2),
        (lines(&["7 Plain 7", "8 Plain 8"]), true, false)
    );
    assert_eq!(
        window(Some(4), 2),
        (
            lines(&["2 Group g", "4 Plain@2 4", "5 Plain@2 5"]),
            true,
            true
        )
    );
    assert_eq!(
        window(Some(1), 2),
        (lines(&["1 Plain 1", "2 Group g"]), false, true)
    );
    assert_eq!(window(Some(8), 2), (lines(&["8 Plain 8"]), true, false));
    assert_eq!(window(Some(9), 2), (lines(&[]), true, false));
}

#[test]
fn a_log_of_a_hundred_thousand_lines_keeps_no_more_than_the_window() {
    let mut cut = Cut::new(None, 1_000);
    let mut lines = Lines::default();
    let chunk = "a line of a log\n".repeat(1_000);
    for _ in 0..100 {
        lines.push(chunk.as_bytes(), |line, _| cut.take(line));
        assert!(cut.window.lines.len() <= 1_000);
    }
    let window = cut.finish();
    assert_eq!(window.lines.front().unwrap().number, 99_001);
    assert_eq!(window.lines.back().unwrap().number, 100_000);
}
