//! Settings as operators meet them: files, environment variables, flags, and what is said about mistakes.
#![cfg(feature = "settings-load")]

mod admin;
mod effective;
mod given;
mod problems;
mod reading;
mod reloading;
