//! The `${{ }}` language: parse, check, evaluate.
//!
//! An expression is pure: it sees only what its [`Contexts`] hand it. What a job, a step or a secret
//! is belongs to the callers. Meaning and error texts follow the hosted service's own evaluator,
//! down to its coercions, because workflow files rely on them.
//!
//! ```
//! use cutover_expr::{Value, condition, evaluate, template};
//!
//! let contexts = [("github".to_owned(), Value::object([("ref", Value::from("refs/heads/main"))]))];
//! assert_eq!(evaluate("'0' == 0", &contexts)?, Value::Bool(true));
//! assert!(condition("endsWith(github.ref, '/MAIN')", &contexts)?);
//! assert_eq!(template::evaluate("on ${{ github.ref }}", &contexts)?, "on refs/heads/main");
//! # Ok::<(), cutover_expr::Error>(())
//! ```
#![warn(missing_docs)]

mod allowed;
mod ast;
mod condition;
mod context;
mod error;
mod eval;
mod format;
mod function;
mod index;
mod json;
mod lexer;
mod memory;
mod number;
mod parser;
pub mod template;
mod text;
mod token;
mod tree;
mod value;

pub use allowed::Allowed;
pub use ast::Ast;
pub use condition::condition;
pub use context::{Contexts, JobStatus};
pub use error::{Error, EvalError, ParseError, ParseErrorKind};
pub use eval::evaluate;
pub use parser::{lexes, parse};
pub use tree::{Part, Tree, tree};
pub use value::{Object, Value};
