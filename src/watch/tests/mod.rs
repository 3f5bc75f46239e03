//! Watches by script and against a naive model.

mod model;
mod script;
