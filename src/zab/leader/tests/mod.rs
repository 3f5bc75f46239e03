//! The folder's tests.
