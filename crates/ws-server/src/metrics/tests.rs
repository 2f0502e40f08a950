use super::*;

#[test]
fn every_close_code_has_a_label_that_clients_cannot_multiply() {
    let codes = [1000, 1003, 1005, 1006, 1014, 3000, 3999, 4000, 4999];
    let labels = codes.map(code_label);
    let grouped = ["3000-3999", "3000-3999", "4000-4999", "4000-4999"];
    assert_eq!(labels[..5], ["1000", "1003", "1005", "1006", "1014"]);
    assert_eq!(labels[5..], grouped);
    assert!(
        [0, 999, 1004, 1015, 2999, 5000, u16::MAX]
            .into_iter()
            .all(|code| code_label(code) == "other")
    );
    assert!((0..=u16::MAX).all(|code| CODES.contains(&code_label(code))));
}

#[test]
fn only_closes_that_happened_are_listed() {
    let metrics = Metrics::new(&[By::Client, By::Server]);
    assert_eq!(metrics.closes(), []);
    metrics.closed(1013, By::Server);
    metrics.closed(1013, By::Server);
    metrics.closed(1000, By::Client);
    let listed = [("1000", By::Client, 1), ("1013", By::Server, 2)];
    assert_eq!(metrics.closes(), listed);
}
