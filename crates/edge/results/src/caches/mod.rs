//! Caches: files kept to be fast. Immutable by key, seen from the branch that saved them and from those
//! below it, and evicted when they were not used for long or take too much.

mod key;
mod methods;
mod scope;
mod stock;
mod v1;

pub use self::stock::Cache;
pub(crate) use self::{
    methods::{begin, create, download_url, end, finalize, restore},
    stock::{Caches, NewCache},
    v1::router,
};
pub(crate) use self::{scope::claim, stock::oldest};
