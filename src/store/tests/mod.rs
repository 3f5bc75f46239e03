//! Tests of the whole of `store` over the simulated disk and over files written by Apache.

mod log;
