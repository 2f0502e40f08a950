//! Settings that are wrong: exit code 2, and every problem named with its key.

use conformance_tests::binary::{Ended, WsServer};

async fn refused(server: WsServer) -> String {
    let Ended { code, stderr, .. } = server.finish().await;
    assert_eq!(code, Some(2), "{stderr}");
    stderr
}

#[tokio::test]
async fn every_problem_is_listed_with_its_key() {
    let settings = r#"
        queue.max_sise = 500
        queue.max_wait = "-5s"
        [server]
        listen = "nowhere"
        [[startup.steps]]
        phase = "database"
        name = "db"
        probe = "oracle://127.0.0.1:1521"
    "#;
    for command in ["run", "check"] {
        let server = WsServer::with(settings).arguments([command]);
        let said = refused(server.variable("WS_SERVER__LOG__LEVEL", "loud")).await;
        for problem in [
            ["queue.max_sise", "did you mean queue.max_size?"],
            ["queue.max_wait", "negative"],
            ["server.listen", "\"nowhere\" is not"],
            ["startup.steps[0].probe", "oracle"],
            ["log.level", "WS_SERVER__LOG__LEVEL"],
        ] {
            let named = |line: &str| problem.iter().all(|part| line.contains(part));
            assert!(said.lines().any(named), "{problem:?} is not in:\n{said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let said = refused(WsServer::new().arguments(["--config", "absent.toml"])).await;
    assert!(said.contains("absent.toml"), "{said}");
    let said = refused(WsServer::with("queue = [")).await;
    assert!(said.contains("ws.toml"), "{said}");
}

#[tokio::test]
async fn a_flag_that_does_not_exist_is_named() {
    let said = refused(WsServer::new().arguments(["--lisen", "127.0.0.1:0"])).await;
    assert!(
        said.contains("--lisen") && said.contains("--listen"),
        "{said}"
    );
}

#[tokio::test]
async fn a_step_that_has_the_name_of_one_of_ours_is_named() {
    let settings =
        "[[startup.steps]]\nphase = \"init\"\nname = \"config\"\nprobe = \"exec:true\"\n";
    for command in ["run", "check"] {
        let server =
            WsServer::with(settings).arguments([command, "--set", "server.listen=127.0.0.1:0"]);
        let said = refused(server).await;
        assert!(said.contains("config"), "{said}");
    }
}
