//! `if:`: like any expression, with `success() &&` in front unless it asks for the status itself.

use crate::{
    allowed::Present,
    ast::Ast,
    context::{Contexts, JobStatus},
    error::Error,
    eval::{self, WORKFLOW_LIMIT},
    parser,
    template::{self, Template},
};

/// Whether the condition holds. Empty text is `success()`; `${{ }}` around the whole is optional.
///
/// Text with `${{ }}` in its middle is a template whose result, being text, holds unless it is
/// empty: so the original does, and a lint should warn about it.
pub fn condition(text: &str, contexts: &dyn Contexts) -> Result<bool, Error> {
    let text = text.trim();
    let succeeded = contexts.status() == JobStatus::Success;
    if text.is_empty() {
        return Ok(succeeded);
    }
    let names = Present(contexts);
    match Template::read(text)? {
        Template::Text(_) => {
            let ast = parser::parse_with(text, &names)?;
            bare(&ast, text, contexts, succeeded)
        }
        Template::Single(expression) => {
            let ast = expression.parse(&names)?;
            bare(&ast, expression.text, contexts, succeeded)
        }
        Template::Mixed(_) => {
            let asks = template::parse_all(text, &names)?
                .iter()
                .any(Ast::calls_status);
            Ok((asks || succeeded) && !template::evaluate(text, contexts)?.is_empty())
        }
    }
}

fn bare(ast: &Ast, text: &str, contexts: &dyn Contexts, succeeded: bool) -> Result<bool, Error> {
    if !ast.calls_status() && !succeeded {
        return Ok(false);
    }
    Ok(eval::run(ast, text, contexts, WORKFLOW_LIMIT)?.truthy())
}
