//! What functions take and give, and which places a format has.

use crate::github::lint::types::Type;

/// The numbers in the braces of a format, each once.
pub(super) fn placeholders(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(behind) = rest.strip_prefix('{') {
            rest = behind;
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let closing = behind.bytes().take_while(|byte| *byte == b'}').count();
        if closing % 2 == 1
            && let Ok(number) = number.parse()
            && !found.contains(&number)
            && found.len() < 256
        {
            found.push(number);
        }
        rest = &behind[closing..];
    }
    found
}

/// What a function takes and gives.
pub(super) struct Signature {
    pub(super) takes: Vec<Type>,
    /// Whether the last parameter may be there more often.
    pub(super) repeats: bool,
    pub(super) gives: Type,
}

impl Signature {
    /// Which parameter does not fit (none: their count), and why.
    pub(super) fn objection(&self, name: &str, kinds: &[Type]) -> Option<(Option<usize>, String)> {
        let least = self.takes.len();
        if kinds.len() < least || (!self.repeats && kinds.len() > least) {
            let takes: Vec<String> = self.takes.iter().map(Type::to_string).collect();
            let takes = takes.join(", ");
            let message = format!("`{name}({takes})` does not take {} parameters", kinds.len());
            return Some((None, message));
        }
        kinds.iter().enumerate().find_map(|(index, kind)| {
            let wanted = self.takes.get(index).or(self.takes.last())?;
            (!wanted.takes(kind)).then(|| {
                let message = format!(
                    "parameter {} of `{name}` must be {wanted}, and is {kind}",
                    index + 1
                );
                (Some(index), message)
            })
        })
    }
}

pub(super) fn signatures(lower: &str) -> Vec<Signature> {
    let one = |takes: &[Type], gives| {
        vec![Signature {
            takes: takes.to_vec(),
            repeats: false,
            gives,
        }]
    };
    let many = |takes: &[Type], gives| {
        vec![Signature {
            takes: takes.to_vec(),
            repeats: true,
            gives,
        }]
    };
    let list = |of| Type::List(Box::new(of), false);
    match lower {
        "contains" => {
            let mut both = one(&[Type::Text, Type::Text], Type::Bool);
            both.extend(one(&[list(Type::Any), Type::Any], Type::Bool));
            both
        }
        "startswith" | "endswith" => one(&[Type::Text, Type::Text], Type::Bool),
        "format" => many(&[Type::Text, Type::Any], Type::Text),
        "join" => {
            let mut both = one(&[list(Type::Text), Type::Text], Type::Text);
            both.extend(one(&[list(Type::Text)], Type::Text));
            both
        }
        "tojson" => one(&[Type::Any], Type::Text),
        "fromjson" => one(&[Type::Text], Type::Any),
        "hashfiles" => many(&[Type::Text], Type::Text),
        // In the condition of a job these two take ids of jobs.
        "success" | "failure" => vec![Signature {
            takes: Vec::new(),
            repeats: true,
            gives: Type::Bool,
        }],
        "always" | "cancelled" => one(&[], Type::Bool),
        "case" => many(&[Type::Bool, Type::Any, Type::Any], Type::Any),
        _ => Vec::new(),
    }
}
