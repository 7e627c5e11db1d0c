//! The colours of a terminal in a line of a log, as parts of text with a style. Every colour can be read on
//! what it stands on; what else a terminal does (moving about, titles, links) is left out.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};
use serde::Serialize;

/// Text in one style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    /// What is read.
    #[serde(rename = "t")]
    pub(super) text: String,
    /// Its colour, `#rrggbb`.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub(super) colour: Option<String>,
    /// What is behind it, `#rrggbb`.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<String>,
    /// Classes: `bold`, `dim`, `italic`, `underline`, `struck`.
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    pub(super) classes: Vec<&'static str>,
}

/// A colour by its parts.
type Rgb = [u8; 3];

/// What logs stand on, in the light and in the dark: `--log` in the style sheet.
const GROUND: Rgb = [0x14, 0x17, 0x1c];
/// What logs are written in: `--log-ink` in the style sheet.
const INK: Rgb = [0xe6, 0xe8, 0xec];

/// The sixteen, bright ones behind the others.
const NAMED: [Rgb; 16] = [
    [0x4b, 0x52, 0x5e],
    [0xff, 0x6b, 0x68],
    [0x4c, 0xc3, 0x8a],
    [0xe5, 0xb5, 0x67],
    [0x6c, 0xa8, 0xff],
    [0xd2, 0x8c, 0xf0],
    [0x4f, 0xc1, 0xd0],
    [0xd0, 0xd5, 0xdd],
    [0x98, 0xa2, 0xb3],
    [0xff, 0x9c, 0x99],
    [0x86, 0xe3, 0xb0],
    [0xff, 0xd8, 0x8f],
    [0xa3, 0xc9, 0xff],
    [0xe6, 0xb8, 0xff],
    [0x8b, 0xe5, 0xf0],
    [0xff, 0xff, 0xff],
];

/// What of small text people with weak eyes can read, by WCAG 2.
const READABLE: f64 = 4.5;

/// How a terminal writes at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    colour: Option<Rgb>,
    behind: Option<Rgb>,
    flags: [bool; 5],
    inverse: bool,
}

const FLAGS: [&str; 5] = ["bold", "dim", "italic", "underline", "struck"];
const BOLD: usize = 0;
const DIM: usize = 1;
const ITALIC: usize = 2;
const UNDERLINE: usize = 3;
const STRUCK: usize = 4;

impl Style {
    /// The parts of a line. The style that it ends with is that of the next line's beginning.
    pub(super) fn parts(&mut self, line: &str) -> Vec<Part> {
        if *self == Self::default() && !line.bytes().any(|byte| byte < b' ') {
            return plain(line);
        }
        let mut parser = Parser::<DefaultCharAccumulator>::new();
        let mut screen = Screen {
            style: *self,
            runs: Vec::new(),
        };
        for byte in line.bytes() {
            parser.advance(&mut screen, byte);
        }
        *self = screen.style;
        let runs = screen.runs.into_iter();
        runs.map(|(style, text)| style.part(text)).collect()
    }

    fn part(self, text: String) -> Part {
        let (colour, behind) = if self.inverse {
            let ground = self.behind.unwrap_or(GROUND);
            (Some(ground), Some(self.colour.unwrap_or(INK)))
        } else {
            (self.colour, self.behind)
        };
        let ground = behind.unwrap_or(GROUND);
        let colour = match (colour, behind) {
            (None, None) => None,
            (colour, _) => Some(readable(colour.unwrap_or(INK), ground)),
        };
        let names = FLAGS.iter().zip(self.flags);
        Part {
            text,
            colour: colour.map(hex),
            behind: behind.map(hex),
            classes: names.filter(|(_, on)| *on).map(|(name, _)| *name).collect(),
        }
    }

    /// One `m` sequence, as far as it is about what can be shown.
    fn select(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            match param.first().copied().unwrap_or_default() {
                0 => *self = Self::default(),
                1 => self.flags[BOLD] = true,
                2 => self.flags[DIM] = true,
                3 => self.flags[ITALIC] = true,
                // `4:0` says no, `4:3` wants it curly.
                4 => self.flags[UNDERLINE] = param.get(1) != Some(&0),
                21 => self.flags[UNDERLINE] = true,
                7 => self.inverse = true,
                9 => self.flags[STRUCK] = true,
                22 => (self.flags[BOLD], self.flags[DIM]) = (false, false),
                23 => self.flags[ITALIC] = false,
                24 => self.flags[UNDERLINE] = false,
                27 => self.inverse = false,
                29 => self.flags[STRUCK] = false,
                39 => self.colour = None,
                49 => self.behind = None,
                code @ 30..=37 => self.colour = Some(indexed(code - 30)),
                code @ 90..=97 => self.colour = Some(indexed(code - 90 + 8)),
                code @ 40..=47 => self.behind = Some(indexed(code - 40)),
                code @ 100..=107 => self.behind = Some(indexed(code - 100 + 8)),
                38 => self.colour = extended(param, &mut params).or(self.colour),
                48 => self.behind = extended(param, &mut params).or(self.behind),
                // Underlines have a colour of their own, which takes its numbers with it.
                58 => drop(extended(param, &mut params)),
                _ => {}
            }
        }
    }
}

/// A line without any sequence.
pub(super) fn plain(text: &str) -> Vec<Part> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![Part {
        text: text.to_owned(),
        colour: None,
        behind: None,
        classes: Vec::new(),
    }]
}

/// `38;5;N`, `38;2;R;G;B`, or the same between colons, where a colour space may stand in front.
fn extended<'a>(param: &[u16], rest: &mut impl Iterator<Item = &'a [u16]>) -> Option<Rgb> {
    let mut next = || rest.next().and_then(|param| param.first().copied());
    match param.get(1..).unwrap_or_default() {
        [] => match next()? {
            2 => Some([byte(next()?), byte(next()?), byte(next()?)]),
            5 => Some(indexed(next()?)),
            _ => None,
        },
        [5, index, ..] => Some(indexed(*index)),
        [2, red, green, blue] | [2, _, red, green, blue, ..] => {
            Some([byte(*red), byte(*green), byte(*blue)])
        }
        _ => None,
    }
}

fn byte(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// One of 256: sixteen named ones, a cube of six shades each, and greys.
fn indexed(index: u16) -> Rgb {
    let index = byte(index);
    let shade = |step: u8| if step == 0 { 0 } else { 55 + step * 40 };
    match index {
        0..16 => NAMED[usize::from(index)],
        16..232 => {
            let place = index - 16;
            [shade(place / 36), shade(place / 6 % 6), shade(place % 6)]
        }
        232.. => [8 + (index - 232) * 10; 3],
    }
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colour, or the nearest to it on the way to white or black that can be read.
fn readable(colour: Rgb, ground: Rgb) -> Rgb {
    let towards = if luminance(ground) > 0.18 { 0 } else { 255 };
    let mut step = 0;
    loop {
        let mixed = colour.map(|part| mix(part, towards, step));
        if step == 16 || contrast(mixed, ground) >= READABLE {
            return mixed;
        }
        step += 1;
    }
}

/// So many sixteenths of the way.
fn mix(from: u8, to: u8, sixteenths: u16) -> u8 {
    let mixed = (u16::from(from) * (16 - sixteenths) + u16::from(to) * sixteenths) / 16;
    byte(mixed)
}

fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: Rgb) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.0722_f64.mul_add(blue, 0.2126_f64.mul_add(red, 0.7152 * green))
}

struct Screen {
    style: Style,
    runs: Vec<(Style, String)>,
}

impl Perform for Screen {
    fn print(&mut self, character: char) {
        match self.runs.last_mut() {
            Some((style, text)) if *style == self.style => text.push(character),
            _ => self.runs.push((self.style, character.to_string())),
        }
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' || byte == b'\n' {
            self.print(byte.into());
        }
    }

    fn csi_dispatch(&mut self, params: &Params, marks: &[u8], ignore: bool, action: u8) {
        if action == b'm' && marks.is_empty() && !ignore {
            self.style.select(params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part as `text|colour|behind|classes`.
    fn shown(style: &mut Style, line: &str) -> Vec<String> {
        let parts = style.parts(line).into_iter();
        parts
            .map(|part| {
                let colour = part.colour.unwrap_or_default();
                let behind = part.behind.unwrap_or_default();
                format!("{}|{colour}|{behind}|{}", part.text, part.classes.join(" "))
            })
            .collect()
    }

    #[test]
    fn sixteen_and_256_and_all_colours_are_shown_in_every_way_to_write_them() {
        for (sequence, expected) in [
            ("31", "x|#ff6b68||"),
            ("91", "x|#ff9c99||"),
            ("38;5;1", "x|#ff6b68||"),
            ("38;5;208", "x|#ff8700||"),
            ("38;5;250", "x|#bcbcbc||"),
            ("38;2;200;100;150", "x|#c86496||"),
            ("38:2:200:210:150", "x|#c8d296||"),
            ("38:2::200:210:150", "x|#c8d296||"),
            ("38:5:208", "x|#ff8700||"),
            ("1;4", "x|||bold underline"),
            ("1;4;22", "x|||underline"),
            ("2;3;9", "x|||dim italic struck"),
            ("4:3", "x|||underline"),
            ("4;4:0", "x|||"),
            ("58;5;1", "x|||"),
            ("31;0", "x|||"),
            ("31;39", "x|||"),
            ("38;5", "x|||"),
            ("38;7;1", "x|||bold"),
        ] {
            let line = format!("\u{1b}[{sequence}mx\u{1b}[m");
            let mut style = Style::default();
            let parts = shown(&mut style, &line);
            assert_eq!(parts, [expected], "{sequence}");
            assert_eq!(style, Style::default(), "{sequence}");
        }
    }

    #[test]
    fn whatever_the_colours_are_the_text_can_be_read() {
        let all: Vec<Rgb> = (0..=255).map(indexed).collect();
        for colour in &all {
            for ground in all.iter().chain([&GROUND]) {
                let found = contrast(readable(*colour, *ground), *ground);
                assert!(found >= READABLE, "{colour:?} on {ground:?}: {found}");
            }
        }
        assert!(contrast(INK, GROUND) >= READABLE);
    }

    #[test]
    fn text_that_is_turned_round_has_its_ground_in_front() {
        let mut style = Style::default();
        let parts = shown(&mut style, "\u{1b}[7mx\u{1b}[27my");
        assert_eq!(parts, ["x|#14171c|#e6e8ec|", "y|||"]);
    }

    #[test]
    fn a_style_goes_on_in_the_next_line() {
        let mut style = Style::default();
        assert_eq!(shown(&mut style, "a\u{1b}[1mb"), ["a|||", "b|||bold"]);
        assert_eq!(shown(&mut style, "c\u{1b}[0md"), ["c|||bold", "d|||"]);
        assert_eq!(shown(&mut style, "e"), ["e|||"]);
    }

    #[test]
    fn what_else_a_terminal_does_is_left_out_and_text_stays_text() {
        let mut style = Style::default();
        let line =
            "a\u{1b}[2K\u{1b}[3;4H\u{1b}]8;;https://x.example\u{7}b\u{1b}]8;;\u{7}\u{8}\tc<i>ä";
        assert_eq!(shown(&mut style, line), ["ab\tc<i>ä|||"]);
        // What never ends takes no more than its own line.
        assert_eq!(shown(&mut style, "x\u{1b}]0;title").len(), 1);
        assert_eq!(shown(&mut style, "y"), ["y|||"]);
    }
}
