use super::*;

#[test]
fn a_summary_is_shown_as_github_shows_it() {
    let text = "# Tests\n\n| suite | passed |\n|---|--:|\n| `unit` | **12** |\n\n- [x] done\n- ~~not~~\n\n\
                ```rust\nlet a = \"<b>\";\n```\n\n> [!WARNING]\n> slow\n\n\
                [the log](https://ci.example/1?a=1&b=2) <https://x.example>\n";
    let shown = rendered(text);
    for part in [
        "<h3>Tests</h3>",
        "<th>suite</th><th class=\"right\">passed</th>",
        "<td><code>unit</code></td><td class=\"right\"><strong>12</strong></td>",
        "checked",
        "<del>not</del>",
        "let a = \"&lt;b&gt;\";",
        "markdown-alert-warning",
        "<a href=\"https://ci.example/1?a=1&amp;b=2\" rel=\"noopener noreferrer nofollow\">the log</a>",
        "<a href=\"https://x.example\"",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
}

#[test]
fn what_the_toolkit_of_actions_writes_is_laid_out() {
    let text = "<h1>Results</h1>\n<table><tr><th>file</th><th align=\"right\">n</th></tr>\
                <tr><td colspan=\"2\">a &lt; b</td></tr></table>\n<pre lang=\"js\"><code>1 &lt; 2\n</code></pre>\n\
                <details><summary>More</summary>\n\n* one\n* two\n\n</details>\n<hr>\n<img src=\"https://x.example/a.png\" alt=\"a badge\" width=\"10\">\n";
    let shown = rendered(text);
    for part in [
        "<h3>Results</h3>",
        "<th>file</th><th class=\"right\">n</th>",
        "<td colspan=\"2\">a &lt; b</td>",
        "<pre><code>1 &lt; 2",
        "<details><summary>More</summary>",
        "<li>one</li>",
        "</details>",
        "<hr>",
        "<a href=\"https://x.example/a.png\" rel=\"noopener noreferrer nofollow\">image: a badge</a>",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
}

/// Every tag that is written, and each must be one of those that are harmless.
fn assert_harmless(text: &str, shown: &str) {
    let known = "a abbr b blockquote br caption center cite code dd del details div dl dt em h3 h4 h5 h6 hr i \
                 input ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot \
                 th thead time tr u ul var";
    for tag in shown.split('<').skip(1) {
        let (tag, _) = tag
            .split_once('>')
            .unwrap_or_else(|| panic!("{text:?}\ngives\n{shown}"));
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        assert!(
            known.split_whitespace().any(|it| it == name),
            "`{tag}` of {text:?}\nin\n{shown}"
        );
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(closed, name, "{text:?}");
            continue;
        }
        let mut quoted = tag.split('"');
        while let Some(names) = quoted.next() {
            for attribute in names
                .split_whitespace()
                .skip(usize::from(names.starts_with(name)))
            {
                let is_known = [
                    "href=",
                    "rel=",
                    "class=",
                    "colspan=",
                    "rowspan=",
                    "start=",
                    "open",
                    "disabled=",
                    "type=",
                    "checked=",
                    "/",
                ];
                assert!(
                    is_known.contains(&attribute),
                    "`{attribute}` of {text:?}\nin\n{shown}"
                );
            }
            let value = quoted.next().unwrap_or_default();
            if names.ends_with("href=") {
                assert!(html::is_address(value), "`{value}` of {text:?}");
            }
        }
    }
}

#[test]
fn hostile_summaries_are_harmless() {
    for text in [
        "<script>alert(1)</script>",
        "a <script>alert(1)</script> b",
        "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</script>",
        "<style>body{display:none}</style>",
        "<p style=\"position:fixed\" onclick=\"alert(1)\" id=x class=live>text</p>",
        "<img src=x onerror=alert(1)>",
        "<img src=\"javascript:alert(1)\" alt='\"><script>alert(1)</script>'>",
        "<svg/onload=alert(1)>",
        "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
        "<math><mi//xlink:href=\"data:x,<script>alert(4)</script>\">",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\" javascript:alert(1)\">x</a>",
        "<a href=\"java\nscript:alert(1)\">x</a>",
        "<a href=\"&#106;avascript:alert(1)\">x</a>",
        "<a href='https://x.example/\" onmouseover=\"alert(1)'>x</a>",
        "<a href=https://x.example/\"onmouseover=alert(1)>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        "[x](//evil.example)",
        "[x](/api/v1/down)",
        "![x](https://x.example/a.png\"onerror=\"alert(1))",
        "![<script>](https://x.example/a.png)",
        "<iframe src=https://evil.example></iframe>",
        "<form action=/api/v1/down method=post><button>x</button></form>",
        "<input autofocus onfocus=alert(1)>",
        "<base href=https://evil.example>",
        "<meta http-equiv=refresh content=0>",
        "<link rel=stylesheet href=https://evil.example>",
        "<object data=x><embed src=x>",
        "<!-- --><!--><script>alert(1)</script>-->",
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?php <script> ?>",
        "<!DOCTYPE html><body onload=alert(1)>",
        "<details ontoggle=alert(1) open>",
        "`<script>`\n\n    <script>alert(1)</script>\n",
        "<b <script>alert(1)</script>>",
        "<a href=\"https://x.example\"<script>alert(1)</script>\">",
        "<",
        "</",
        "<a",
        "<a href",
        "<a href=",
        "<a href=\"https://x.example",
        "<td colspan=\"999999\">",
        "| a |\n|---|\n| <script>alert(1)</script> |",
        "# <img src=x onerror=alert(1)> {#id .class onclick=x}",
        "[x]: javascript:alert(1)\n\n[x]",
        "```\"><script>\nx\n```",
        "```html onclick=\"alert(1)\"\nx\n```",
    ] {
        let shown = rendered(text);
        assert_harmless(text, &shown);
    }
    assert_eq!(rendered("a <script>alert(1)</script> b"), "<p>a  b</p>\n");
    assert_eq!(rendered("a <script>alert(1)\n\nb"), "<p>a </p>\n<p>b</p>\n");
}

#[test]
fn a_summary_stays_in_its_place() {
    for text in [
        "</div></section></main><div>",
        "<details>",
        "<table><tr><td>",
        "<div>\n\n* <b>a\n* </div>b\n\n</div></div>",
        "> <details>\n\ntext\n\n</details></details>",
        "| a |\n|---|\n| <table><tr><td> |\n\n</td></tr></table>",
    ] {
        let shown = rendered(text);
        let mut open = Vec::new();
        for tag in shown.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap();
            let name = tag.split(' ').next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{text:?} gives {shown}"),
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{text:?} gives {shown}");
    }
}

#[test]
fn a_summary_that_is_too_long_says_so() {
    let shown = shown(&"word ".repeat(100_000)).into_string();
    assert!(shown.contains("368928 bytes more are not shown here"));
    let deep = "<div>".repeat(10_000);
    assert!(rendered(&deep).matches("<div>").count() <= 64);
}
