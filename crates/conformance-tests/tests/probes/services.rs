//! `postgres://`, `redis://` and `nats://`, against the real servers.

use conformance_tests::servers::{Nats, Port, Postgres, Redis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{happens, is_not_ready, is_ready, probe, seen};

#[tokio::test]
async fn g8_postgres_is_ready_once_it_answers_a_query() {
    let port = Port::reserve();
    let late = probe(&format!(
        "postgres://app:secret@{}/postgres",
        port.address()
    ));
    assert_eq!(seen(&late).await, "connection refused");
    let Some(postgres) = Postgres::start_on(&port).await else {
        return;
    };
    late.check().await.expect("ready");
    drop(postgres);
    assert_eq!(seen(&late).await, "connection refused");
}

#[tokio::test]
async fn g8_postgres_that_is_starting_up_is_not_ready() {
    let port = Port::reserve();
    let Some(postgres) = Postgres::start_recovering_on(&port).await else {
        return;
    };
    let probe = probe(&postgres.url());
    assert_eq!(
        seen(&probe).await,
        "the database system is starting up (57P03)"
    );
    postgres.finish_recovery();
    let polled = async {
        while let Err(error) = probe.check().await {
            assert!(error.to_string().contains("57P03"), "{error}");
        }
    };
    happens(polled).await;
}

#[tokio::test]
async fn g8_postgres_says_why_it_grants_no_session() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    is_ready(&postgres.url()).await;
    let at = postgres.address();
    is_not_ready(
        &format!("postgres://app:wrong@{at}/postgres"),
        "password authentication failed for user \"app\" (28P01)",
    )
    .await;
    is_not_ready(
        &format!("postgres://app:secret@{at}/nowhere"),
        "database \"nowhere\" does not exist (3D000)",
    )
    .await;
    is_not_ready(&format!("postgres://app@{at}/postgres"), "password missing").await;
}

/// As a pooler does whose database is gone; some keep the session, some end it.
#[tokio::test]
async fn g8_postgres_that_grants_a_session_and_fails_the_query_is_not_ready() {
    // Authenticated, ready for a query; then an error.
    let answers: [&[u8]; 2] = [
        b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        b"E\0\0\0\x20SFATAL\0C08006\0Mno database\0\0Z\0\0\0\x05I",
    ];
    for keep in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let probe = probe(&format!(
            "postgres://app@{}",
            listener.local_addr().unwrap()
        ));
        let pooler = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
            keep.then_some(stream)
        };
        let (seen, _kept) = tokio::join!(seen(&probe), pooler);
        assert_eq!(seen, "no database (08006)", "{keep}");
    }
}

#[tokio::test]
async fn g8_redis_is_ready_once_it_answers_a_ping() {
    let port = Port::reserve();
    let late = probe(&format!("redis://{}", port.address()));
    assert_eq!(seen(&late).await, "connection refused");
    let Some(redis) = Redis::start_on(&port).await else {
        return;
    };
    late.check().await.expect("ready");
    drop(redis);
    assert_eq!(seen(&late).await, "connection refused");
}

#[tokio::test]
async fn g8_redis_takes_the_user_and_the_database_of_the_address() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    is_ready(&redis.url()).await;
    let at = redis.address();
    is_ready(&format!("redis://app:secret@{at}/15")).await;
    is_not_ready(
        &format!("redis://app:wrong@{at}"),
        "password authentication failed",
    )
    .await;
    is_not_ready(&format!("redis://{at}/16"), "DB index is out of range").await;
}

#[tokio::test]
async fn g8_redis_that_is_loading_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = probe(&format!("redis://{}", listener.local_addr().unwrap()));
    let loading = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 64];
        while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {
            stream
                .write_all(b"-LOADING Redis is loading the dataset in memory\r\n")
                .await
                .unwrap();
        }
    };
    let (seen, ()) = tokio::join!(seen(&probe), loading);
    assert_eq!(seen, "LOADING Redis is loading the dataset in memory");
}

#[tokio::test]
async fn g8_nats_is_ready_once_it_answers_a_ping() {
    let port = Port::reserve();
    let late = probe(&format!("nats://{}", port.address()));
    assert_eq!(seen(&late).await, "connection refused");
    let Some(nats) = Nats::start_on(&port).await else {
        return;
    };
    late.check().await.expect("ready");
    drop(nats);
    assert_eq!(seen(&late).await, "connection refused");
}

#[tokio::test]
async fn g8_nats_takes_the_user_of_the_address() {
    let Some(nats) = Nats::start().await else {
        return;
    };
    is_ready(&nats.url()).await;
    let at = nats.address();
    is_not_ready(
        &format!("nats://app:wrong@{at}"),
        "answered `-ERR 'Authorization Violation'`",
    )
    .await;
    is_not_ready(
        &format!("nats://wrong-token@{at}"),
        "Authorization Violation",
    )
    .await;
}

#[tokio::test]
async fn g8_another_kind_of_service_on_the_port_is_not_ready() {
    let Some(nats) = Nats::start().await else {
        return;
    };
    let at = nats.address();
    is_ready(&format!("tcp://{at}")).await;
    is_not_ready(&format!("redis://{at}"), "no Redis answer").await;
    is_not_ready(
        &format!("postgres://app@{at}"),
        "error communicating with the server",
    )
    .await;
    is_not_ready(&format!("http://{at}/health"), "no HTTP answer").await;
    is_not_ready(&format!("ws://{at}/chat"), "no WebSocket").await;
}
