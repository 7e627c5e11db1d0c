//! `strategy` of a job, and its `matrix`.

use crate::{
    github::lint::{
        model::{Combination, Combinations, Matrix, Row, Strategy, Text},
        syntax::{Case, Empty, Syntax, is_recursive},
    },
    yaml::{Entry, Node, Value},
};

impl Syntax<'_> {
    pub(super) fn strategy<'a>(&mut self, node: &'a Node) -> Strategy<'a> {
        let mut strategy = Strategy::default();
        let what = "`strategy`";
        if node.scalar().is_some() {
            strategy.expression = self.expression(node, what, "a mapping");
            return strategy;
        }
        for entry in self.mapping(node, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "matrix" => strategy.matrix = Some(self.matrix(entry)),
                "fail-fast" => strategy.fail_fast = self.truth(node, "`fail-fast`"),
                "max-parallel" => {
                    strategy.max_parallel = self.number(node, "`max-parallel`", true);
                }
                _ => self.unknown(entry, what, &["matrix", "fail-fast", "max-parallel"]),
            }
        }
        strategy
    }

    pub(super) fn matrix<'a>(&mut self, entry: &'a Entry) -> Matrix<'a> {
        let mut matrix = Matrix {
            at: entry.at,
            ..Matrix::default()
        };
        if entry.value.scalar().is_some() {
            matrix.expression = self.expression(&entry.value, "`matrix`", "a mapping");
            return matrix;
        }
        for entry in self.mapping(&entry.value, "`matrix`", Empty::Refused, Case::Ignored) {
            let node = &entry.value;
            match entry.key.to_lowercase().as_str() {
                "include" => matrix.include = self.combinations(node, "`include`"),
                "exclude" => matrix.exclude = self.combinations(node, "`exclude`"),
                _ => {
                    let what = format!("`{}`", entry.key);
                    let row = if node.scalar().is_some() {
                        self.expression(node, &what, "a list").map(Row::Expression)
                    } else {
                        let values = self.sequence(node, &what, Empty::Refused);
                        for value in values.unwrap_or_default() {
                            self.raw(value);
                        }
                        values.map(Row::Values)
                    };
                    if let Some(row) = row {
                        matrix.rows.push((Text { node: &entry.node }, row));
                    }
                }
            }
        }
        matrix
    }

    pub(super) fn combinations<'a>(&mut self, node: &'a Node, what: &str) -> Combinations<'a> {
        let mut combinations = Combinations::default();
        if node.scalar().is_some() {
            combinations.expression = self.expression(node, what, "a list");
            return combinations;
        }
        for item in self
            .sequence(node, what, Empty::Refused)
            .unwrap_or_default()
        {
            if item.scalar().is_some() {
                let expression = self.expression(item, what, "a mapping");
                combinations
                    .items
                    .extend(expression.map(Combination::Expression));
                continue;
            }
            let entries = self.mapping(item, what, Empty::Refused, Case::Ignored);
            let mut values = Vec::new();
            for entry in entries {
                if self.raw(&entry.value) {
                    values.push((Text { node: &entry.node }, &entry.value));
                }
            }
            combinations.items.push(Combination::Values(values));
        }
        combinations
    }

    /// A value of any shape, whether it can be looked at.
    pub(super) fn raw(&mut self, node: &Node) -> bool {
        if is_recursive(node) {
            self.wrong_type(node, "a value of a matrix", "a value");
            return false;
        }
        match &*node.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => {
                for item in items {
                    self.raw(item);
                }
            }
            Value::Mapping(_) => {
                for entry in self.mapping(node, "a value of a matrix", Empty::Fine, Case::Ignored) {
                    self.raw(&entry.value);
                }
            }
        }
        true
    }
}
