//! Apache's own JUnit suite, as published, run on servers of either kind.
//!
//! - [`runner`]: one class of it, in a JVM in which our classes of `suites/apache` take the place of
//!   the server and start a program instead.
//! - [`resources`]: keys that classes read and that are not published, made here.
//! - [`list`]: what is known of every class: how many of its tests pass, which cannot and why.
//!
//! Apache's server is run by the same classes as ours, in a JVM of its own, so what fails for ours
//! alone is ours to mend.

pub mod list;
mod resources;
pub mod runner;

pub use list::{Entry, List, Run, Word};
pub use runner::{Outcome, Suite, Verdict, needs_kerberos, suite_or_skip};
