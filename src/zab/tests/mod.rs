//! The tests of what both sides share: packets as bytes, and the window against a naive model.

mod packet;
mod recent;
