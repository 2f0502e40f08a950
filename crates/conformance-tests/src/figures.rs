//! What was measured, and how it is told: samples of one figure, and tables that compare ours with
//! others and mark what missed its target, and plots of figures over a size.
//!
//! ```
//! use conformance_tests::figures::{Figure, Samples, Table};
//!
//! let mut table = Table::new("Holding", ["ours", "axum"]);
//! table.add(
//!     Figure::new("memory for each, KiB", [Samples::from([5.1, 5.3]), Samples::from([18.8, 18.7])])
//!         .at_most(6.0),
//! );
//! assert!(!table.to_string().contains("target missed"));
//! ```

mod plot;
mod samples;
mod table;

pub use self::plot::Plot;
pub use self::samples::Samples;
pub use self::table::{Figure, Table};
