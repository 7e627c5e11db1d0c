//! lcov and Cobertura files.

use cutover_model::evidence::Coverage;
use cutover_quality::{Found, coverage};

fn read(text: &str) -> (u64, u64) {
    let Coverage { lines, covered } = coverage::read(text.as_bytes()).unwrap();
    (lines, covered)
}

fn error(text: &str) -> String {
    coverage::read(text.as_bytes()).unwrap_err().to_string()
}

const LCOV: &str = "TN:\nSF:src/a.rs\nFN:1,main\nFNDA:3,main\nDA:1,3\nDA:2,0,c2hlY2s\nBRDA:1,0,0,-\nLF:2\nLH:1\nend_of_record\n";

const COBERTURA: &str = r#"<?xml version="1.0"?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="0.5" lines-valid="9" lines-covered="9"><sources><source>.</source></sources>
<packages><package name="p"><classes><class name="a" filename="src/a.rs">
<methods><method name="m" signature=""><lines><line number="1" hits="0"/></lines></method></methods>
<lines><line number="1" hits="2"/><line number="3" hits="0" branch="true"/></lines>
</class></classes></package></packages></coverage>"#;

#[test]
fn lines_are_counted_once_per_file() {
    assert_eq!(read(LCOV), (2, 1));
    assert_eq!(read(&LCOV.replace('\n', "\r\n")), (2, 1));
    assert_eq!(
        read(&format!("{LCOV}{}", LCOV.replace("DA:2,0", "DA:2,5"))),
        (2, 2)
    );
    assert_eq!(read(COBERTURA), (2, 1));
}

#[test]
fn reports_of_both_formats_are_put_together() {
    let files = [
        ("lcov.info", LCOV.as_bytes()),
        ("c.xml", COBERTURA.as_bytes()),
    ];
    let sum = Coverage {
        lines: 3,
        covered: 1,
    };
    assert_eq!(coverage::read_all(&[], files), Found::Read(sum));
}

#[test]
fn a_sum_stands_for_lines_that_are_not_listed() {
    assert_eq!(read("SF:a\nLF:10\nLH:4\nend_of_record\n"), (10, 4));
    assert_eq!(read("SF:a\nLF:10\nLH:40\nend_of_record\n"), (10, 10));
    assert_eq!(
        read("<coverage lines-valid='8' lines-covered='6'/>"),
        (8, 6)
    );
    assert_eq!(read("<coverage line-rate='1'/>"), (0, 0));
}

#[test]
fn errors_have_a_place() {
    let cases = [
        (
            "",
            "1:1: expected a record of an lcov report, found nothing",
        ),
        (
            "TN:x\n",
            "1:1: expected a record of an lcov report, found nothing",
        ),
        (
            "SF:a\nDA:1,1\n",
            "2:1: the report is cut off: `SF:a` is not closed",
        ),
        (
            "SF:a\nDA:1\nend_of_record",
            "2:1: `DA` must be a whole number, found `1`",
        ),
        (
            "SF:a\nDA:x,1\nend_of_record",
            "2:1: `DA` must be a whole number, found `x`",
        ),
        (
            "{\"json\": 1}",
            "1:1: expected a record of an lcov report, found `{\"json\": 1}`",
        ),
        (
            "DA:1,1",
            "1:1: expected a record of an lcov report, found `DA:1,1`",
        ),
        (
            "<report/>",
            "1:1: expected `<coverage>` of a Cobertura report, found `<report>`",
        ),
        (
            "<coverage>",
            "1:11: the report is cut off: `<coverage>` is not closed",
        ),
        (
            "<coverage><class/></coverage>",
            "1:11: expected `filename` of a `<class>`, found none",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(error(text), wanted, "{text}");
    }
}

#[test]
fn overflown_counters_do_not_count_as_covered() {
    assert_eq!(
        read("SF:a\nDA:1,-1\nDA:2,99999999999999999999\nend_of_record"),
        (2, 1)
    );
}
