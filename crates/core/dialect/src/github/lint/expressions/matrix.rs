//! `strategy` of a job: its expressions, and what they make of `matrix`.

use std::collections::BTreeMap;

use crate::{
    diagnostic::Sink,
    github::lint::{
        contexts::Spot,
        expressions::Expressions,
        model::{Combination, Combinations, Job, Matrix, Row, Text},
        types::{Object, Type},
    },
    yaml::{Node, Value},
};

impl Expressions<'_> {
    pub(super) fn strategy(&mut self, job: &Job<'_>) {
        if let Some(matrix) = &job.strategy.matrix {
            for (_, row) in &matrix.rows {
                if let Row::Values(values) = row {
                    for value in *values {
                        self.raw(value);
                    }
                }
            }
            self.combinations(&matrix.include);
            self.combinations(&matrix.exclude);
        }
        self.object(job.strategy.expression, Spot::Strategy);
        self.truth(job.strategy.fail_fast, Spot::Strategy);
        self.number(job.strategy.max_parallel, Spot::Strategy);
    }

    pub(super) fn combinations(&mut self, combinations: &Combinations<'_>) {
        if let Some(text) = combinations.expression {
            let wanted = |kind: &Type| matches!(kind, Type::List(..) | Type::Any);
            self.only(text, Spot::Strategy, "a list", wanted);
        }
        for item in &combinations.items {
            match item {
                Combination::Expression(text) => self.object(Some(*text), Spot::Strategy),
                Combination::Values(values) => {
                    for (_, value) in values {
                        self.raw(value);
                    }
                }
            }
        }
    }

    pub(super) fn raw(&mut self, node: &Node) {
        match &*node.value {
            Value::Scalar(_) => {
                self.found(Text { node }, Spot::Strategy, false);
            }
            Value::Sequence(items) => items.iter().for_each(|item| self.raw(item)),
            Value::Mapping(entries) => entries.iter().for_each(|entry| self.raw(&entry.value)),
        }
    }

    /// The type of `matrix`, by its rows and what `include` adds.
    pub(super) fn matrix(&mut self, matrix: &Matrix<'_>) -> Type {
        if let Some(text) = matrix.expression {
            return self.whole_matrix(text);
        }
        let mut own = Object::default();
        for (name, row) in &matrix.rows {
            let kind = match row {
                Row::Expression(text) => {
                    let wanted = |kind: &Type| matches!(kind, Type::List(..) | Type::Any);
                    match self.only(*text, Spot::Strategy, "a list", wanted) {
                        Some(Type::List(item, _)) => *item,
                        _ => Type::Any,
                    }
                }
                Row::Values(values) => {
                    let kinds = values.iter().map(|value| self.quietly(value));
                    kinds.reduce(Type::merged).unwrap_or(Type::Any)
                }
            };
            own.properties.insert(name.lower(), kind);
        }
        if matrix.include.expression.is_some() {
            return Type::loose();
        }
        for item in &matrix.include.items {
            match item {
                Combination::Expression(_) => own.others = Some(Box::new(Type::Any)),
                Combination::Values(values) => {
                    for (name, value) in values {
                        let kind = self.quietly(value);
                        let name = name.lower();
                        let kind = match own.properties.remove(&name) {
                            Some(before) => before.merged(kind),
                            None => kind,
                        };
                        own.properties.insert(name, kind);
                    }
                }
            }
        }
        Type::Object(own)
    }

    pub(super) fn whole_matrix(&mut self, text: Text<'_>) -> Type {
        let wanted = |kind: &Type| matches!(kind, Type::Object(_) | Type::Any);
        let Some(Type::Object(mut own)) = self.only(text, Spot::Strategy, "an object", wanted)
        else {
            return Type::loose();
        };
        own.properties.remove("exclude");
        let include = own.properties.remove("include");
        let mut all = Object {
            properties: BTreeMap::new(),
            others: own.others,
        };
        for (name, kind) in own.properties {
            let item = match kind {
                Type::List(item, _) => *item,
                _ => Type::Any,
            };
            all.properties.insert(name, item);
        }
        let whole = Type::Object(all);
        match include {
            Some(Type::List(item, _)) => whole.merged(*item),
            Some(_) => Type::loose(),
            None => whole,
        }
    }

    /// The type of a value of a matrix; what is wrong in it is told elsewhere.
    pub(super) fn quietly(&mut self, node: &Node) -> Type {
        match &*node.value {
            Value::Scalar(scalar) => {
                let text = Text { node };
                if !text.has_expression() {
                    return Type::of_text(&scalar.text);
                }
                let mut aside = Sink::new("");
                std::mem::swap(self.sink, &mut aside);
                let found = self.found(text, Spot::Strategy, false);
                std::mem::swap(self.sink, &mut aside);
                match found.as_deref() {
                    Some([(_, kind)]) if text.is_expression() => kind.clone(),
                    Some(_) => Type::Text,
                    None => Type::Any,
                }
            }
            Value::Sequence(items) => {
                let kinds = items.iter().map(|item| self.quietly(item));
                let item = kinds.reduce(Type::merged).unwrap_or(Type::Any);
                Type::List(Box::new(item), false)
            }
            Value::Mapping(entries) => {
                let entries: Vec<(&str, Type)> = entries
                    .iter()
                    .map(|entry| (entry.key.as_str(), self.quietly(&entry.value)))
                    .collect();
                Type::strict(entries)
            }
        }
    }
}
