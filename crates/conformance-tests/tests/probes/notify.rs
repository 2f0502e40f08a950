//! `notify:`.

use std::os::unix::net::UnixDatagram;

use super::{happens, probe, seen};

#[tokio::test]
async fn g8_a_service_is_ready_at_the_moment_it_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.sock");
    let probe = probe(&format!("notify:{}", path.display()));
    let mut attempt = Box::pin(probe.check());
    assert!(futures::poll!(&mut attempt).is_pending());
    let service = UnixDatagram::unbound().expect("a socket");
    service.send_to(b"STATUS=loading", &path).expect("heard");
    assert!(futures::poll!(&mut attempt).is_pending());
    service.send_to(b"READY=1", &path).expect("heard");
    happens(attempt).await.expect("ready");
    // It need not say so again, and goes on being heard.
    happens(probe.check()).await.expect("ready");
    service.send_to(b"STOPPING=1", &path).expect("heard");
    happens(async {
        while probe.check().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(seen(&probe).await, "it said STOPPING=1");
    service.send_to(b"READY=1", &path).expect("heard");
    happens(async {
        while probe.check().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn g8_a_service_that_says_nothing_is_not_ready() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.sock");
    let silent = probe(&format!("notify:{}", path.display()));
    assert_eq!(seen(&silent).await, "no answer within 3s");
    let nowhere = directory.path().join("no/such/directory");
    let nowhere = probe(&format!("notify:{}", nowhere.display()));
    assert_eq!(seen(&nowhere).await, "no such file or directory");
}

#[tokio::test]
async fn the_socket_goes_with_its_probe() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.sock");
    let listening = probe(&format!("notify:{}", path.display()));
    let attempt = listening.check();
    let mut attempt = Box::pin(attempt);
    assert!(futures::poll!(&mut attempt).is_pending());
    assert!(path.exists());
    drop((attempt, listening));
    happens(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
