//! Connections that were moved to other tasks, on several threads: nobody is woken too late (S3, S11).
//!
//! Pings are switched off, for they would wake up whoever had been forgotten.

use std::future::pending;
use std::net::SocketAddr;

use conformance_tests::client::Client;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio_tungstenite::tungstenite::Message as Frame;
use ws_server::{BoxError, Closed, Connection, Handler, Message, echo};

use super::*;

const MESSAGES: usize = 20_000;
const CLIENTS: usize = 3;

async fn serving(handler: impl Handler) -> Running<SocketAddr> {
    let builder = server(|it| {
        it.limits.ping_interval = Duration::ZERO;
        // So little that senders wait again and again.
        it.limits.send_buffer = 500;
    });
    Running::on_tcp(builder.handler(handler)).await
}

/// Text number `number`: of any length from none to a few hundred bytes, now and then much longer.
fn text(number: usize) -> String {
    let length = if number.is_multiple_of(1000) {
        20_000
    } else {
        number * 7 % 300
    };
    format!("{number} {}", "x".repeat(length))
}

/// Sends everything as fast as it can, reads everything in fits and starts, and checks the order.
async fn sends_and_reads_everything(client: Client<TcpStream>) {
    let (mut writing, mut reading) = client.into_socket().split();
    let write = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let fed = writing.feed(Frame::from(text(number))).await;
            fed.expect("the server reads");
            if number % 97 == 0 {
                writing.flush().await.expect("the server reads");
            }
        }
        writing.flush().await.expect("the server reads");
        writing
    });
    for number in 0..MESSAGES {
        if number % 1013 == 0 {
            // Long enough for everything in between to fill up.
            for _ in 0..1000 {
                yield_now().await;
            }
        }
        let heard = reading.next().await.expect("everything comes back");
        let heard = heard.expect("the protocol is kept");
        assert_eq!(heard, Frame::from(text(number)));
    }
    drop(write.await.expect("everything was sent"));
}

async fn all_is_echoed(server: Running<SocketAddr>) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(sends_and_reads_everything(server.client().await));
    }
    happens(async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("all is well");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_s11_a_connection_in_another_task_loses_no_message_and_no_wake_up() {
    let handler = |mut connection: Connection| async move {
        let echo = async move {
            while let Some(message) = connection.recv().await {
                connection.send(message).await?;
            }
            Ok::<_, Closed>(())
        };
        tokio::spawn(echo).await?.map_err(BoxError::from)
    };
    all_is_echoed(serving(handler).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_s11_receiving_and_sending_may_be_two_tasks() {
    let handler = |mut connection: Connection| async move {
        let (pass_on, mut passed_on) = mpsc::channel::<Message>(3);
        let sender = connection.sender();
        let receiving = tokio::spawn(async move {
            while let Some(message) = connection.recv().await {
                if pass_on.send(message).await.is_err() {
                    break;
                }
            }
        });
        while let Some(message) = passed_on.recv().await {
            sender.send(message).await?;
        }
        receiving.await?;
        Ok::<_, BoxError>(())
    };
    all_is_echoed(serving(handler).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_s11_a_task_that_only_receives_gets_everything() {
    // Nothing is sent, so nothing but the room it makes wakes up whoever reads from the socket.
    let handler = |mut connection: Connection| async move {
        let counting = tokio::spawn(async move {
            for number in 0..MESSAGES {
                let message = connection.recv().await.ok_or("it has ended")?;
                assert_eq!(message.as_text(), Some(&*text(number)));
                if number % 1013 == 0 {
                    // Long enough for the inbox to fill up.
                    for _ in 0..1000 {
                        yield_now().await;
                    }
                }
            }
            Ok::<_, BoxError>(())
        });
        counting.await?
    };
    let server = serving(handler).await;
    let (mut writing, mut reading) = server.client().await.into_socket().split();
    let write = tokio::spawn(async move {
        for number in 0..MESSAGES {
            writing
                .feed(Frame::from(text(number)))
                .await
                .expect("the server reads");
        }
        writing.flush().await.expect("the server reads");
        writing
    });
    let last = happens(reading.next()).await.unwrap().unwrap();
    assert!(matches!(last, Frame::Close(Some(it)) if u16::from(it.code) == 1000));
    drop(write.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_s11_the_handlers_own_task_keeps_pace_too() {
    all_is_echoed(serving(echo).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s12_many_senders_wait_for_room_and_each_keeps_its_order() {
    const SENDERS: usize = 16;
    const EACH: usize = 2_000;
    let handler = |connection: Connection| async move {
        let mut sending = JoinSet::new();
        for sender in 0..SENDERS {
            let connection = connection.sender();
            sending.spawn(async move {
                for number in 0..EACH {
                    connection.send(format!("{sender} {number}")).await?;
                }
                Ok::<_, Closed>(())
            });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        Ok::<_, BoxError>(())
    };
    let server = serving(handler).await;
    let mut client = server.client().await;
    let mut next = [0; SENDERS];
    happens(async {
        for _ in 0..SENDERS * EACH {
            let text = client.hears_text().await;
            let (sender, number) = text.split_once(' ').unwrap();
            let next = &mut next[sender.parse::<usize>().unwrap()];
            assert_eq!(number.parse(), Ok(*next));
            *next += 1;
        }
        assert_eq!(client.is_closed().await.0, 1000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s11_however_and_whenever_a_client_leaves_everyone_who_waits_for_it_is_told() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = serving(move |mut connection: Connection| {
        let tell = tell.clone();
        async move {
            let sender = connection.sender();
            let sending = tokio::spawn(async move {
                // Soon in want of room.
                while sender.send("x".repeat(10_000)).await.is_ok() {}
            });
            let receiving = tokio::spawn(async move { while connection.recv().await.is_some() {} });
            let _ = tell.send((sending.await.is_ok(), receiving.await.is_ok()));
        }
    })
    .await;
    for number in 0..200 {
        let mut client = server.client().await;
        for _ in 0..number % 23 {
            yield_now().await;
        }
        match number % 4 {
            0 => client.stream().set_zero_linger().unwrap(),
            1 => drop(client.hears_text().await),
            2 => client.says("goodbye").await,
            _ => client.says_goodbye(1000).await,
        }
        drop(client);
    }
    for _ in 0..200 {
        assert_eq!(happens(told.recv()).await, Some((true, true)));
    }
    happens(server.shows("/connections/live", 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s11_a_close_from_another_task_arrives_behind_what_was_sent_before() {
    let server = serving(|connection: Connection| async move {
        tokio::spawn(async move {
            for number in 0..20 {
                let _ = connection.send(text(number)).await;
            }
            connection.close(4000, "done");
        });
        // Never ends by itself.
        pending::<()>().await;
    })
    .await;
    for _ in 0..200 {
        let mut client = server.client().await;
        for number in 0..20 {
            assert_eq!(happens(client.hears_text()).await, text(number));
        }
        assert_eq!(happens(client.is_closed()).await, (4000, "done".to_owned()));
    }
}
