//! What the conformance tests share.

pub mod servers;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
