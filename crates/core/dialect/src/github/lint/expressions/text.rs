//! The expressions in one text: found, judged, and held against what its place takes.

use crate::{
    diagnostic::Code,
    github::lint::{
        check::{self, Scope},
        contexts::Spot,
        expressions::{Expressions, Found},
        model::Text,
        types::Type,
    },
};

impl Expressions<'_> {
    pub(super) fn embed_all(&mut self, texts: &[Text<'_>], spot: Spot) {
        for text in texts {
            self.embed(Some(*text), spot);
        }
    }

    /// A text whose expressions become texts.
    pub(super) fn embed(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let found = self.found(text, spot, false);
            self.embedded(text, found);
        }
    }

    pub(super) fn embedded(&mut self, text: Text<'_>, found: Found) {
        for (at, kind) in found.unwrap_or_default() {
            if matches!(kind, Type::Object(_) | Type::List(..) | Type::Null) {
                let hint = "`toJSON` makes a text of it".to_owned();
                let message = format!("{kind} does not become a useful text");
                let at = text.place(at);
                self.sink.error_hint(Code::Typing, at, message, hint);
            }
        }
    }

    /// A condition; `${{ }}` around it may be left out.
    pub(super) fn condition(&mut self, text: Option<Text<'_>>, spot: Spot) {
        let Some(text) = text else {
            return;
        };
        if text.has_expression() {
            self.embed(Some(text), spot);
        } else if text.text().contains("${{") {
            self.found(text, spot, false);
        } else {
            self.one(text, 0, text.text(), spot, false);
        }
    }

    pub(super) fn truth(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Bool | Type::Any);
            self.only(text, spot, "a truth value", wanted);
        }
    }

    pub(super) fn number(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Number | Type::Any);
            self.only(text, spot, "a number", wanted);
        }
    }

    pub(super) fn object(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Object(_) | Type::Any);
            self.only(text, spot, "an object", wanted);
        }
    }

    /// The type of a text that is one expression, if it is one that is wanted.
    pub(super) fn only(
        &mut self,
        text: Text<'_>,
        spot: Spot,
        what: &str,
        wanted: impl Fn(&Type) -> bool,
    ) -> Option<Type> {
        let (_, kind) = self.found(text, spot, false)?.into_iter().next()?;
        if !wanted(&kind) {
            let message = format!("the expression must give {what}, and gives {kind}");
            self.sink.error(Code::Typing, text.at(), message);
            return None;
        }
        Some(kind)
    }

    pub(super) fn found(&mut self, text: Text<'_>, spot: Spot, is_script: bool) -> Found {
        let written = text.text();
        if !written.contains("${{") {
            return Some(Vec::new());
        }
        let expressions = match cutover_expr::template::expressions(written) {
            Ok(expressions) => expressions,
            Err(error) => {
                let at = text.place(error.offset);
                self.sink.error(Code::Expression, at, error.to_string());
                return None;
            }
        };
        let mut kinds = Some(Vec::new());
        for (start, expression) in expressions {
            let kind = self.one(text, start, expression, spot, is_script);
            if kind.is_none() && self.sink.is_full() {
                return None;
            }
            let open = written[..start].rfind("${{").unwrap_or(start);
            // Those behind one that does not hold may not hold either.
            kinds = kinds.zip(kind).map(|(mut kinds, kind)| {
                kinds.push((open, kind));
                kinds
            });
        }
        kinds
    }

    /// The type of one expression; nothing when it does not hold.
    pub(super) fn one(
        &mut self,
        text: Text<'_>,
        start: usize,
        expression: &str,
        spot: Spot,
        is_script: bool,
    ) -> Option<Type> {
        let tree = match cutover_expr::tree(expression) {
            Ok(Some(tree)) => tree,
            Ok(None) => return Some(Type::Any),
            Err(error) => {
                let at = text.place(start + error.offset);
                self.sink.error(Code::Expression, at, error.to_string());
                return None;
            }
        };
        let scope = Scope {
            contexts: &self.contexts,
            available: spot.contexts(),
            functions: spot.functions(),
            is_script,
            has_hints: !self.sink.is_full(),
        };
        let (kind, slips) = check::check(&tree, &scope);
        let holds = slips.is_empty();
        for slip in slips {
            let at = text.place(start + slip.at);
            self.sink.error_hint(slip.code, at, slip.message, slip.hint);
        }
        holds.then_some(kind)
    }
}
