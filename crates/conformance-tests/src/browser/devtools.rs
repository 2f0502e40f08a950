//! Chromium's DevTools protocol: JSON over a WebSocket, as far as one page needs it.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The way to one page.
#[derive(Debug)]
pub(super) struct DevTools {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The page's session, beside which there is the browser's own.
    session: Option<String>,
    calls: u64,
    /// What the page has complained of.
    pub(super) complaints: Vec<String>,
}

impl DevTools {
    /// The way to a new, empty page of the browser that listens at this address.
    pub(super) async fn connect(address: &str) -> Self {
        let connected = connect_async(address).await;
        let (socket, _) = connected.expect("Chromium answers where it says it does");
        let mut devtools = Self {
            socket,
            session: None,
            calls: 0,
            complaints: Vec::new(),
        };
        let blank = json!({ "url": "about:blank" });
        let target = devtools.call("Target.createTarget", blank).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = devtools.call("Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().expect("a session");
        devtools.session = Some(session.to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            let enable = format!("{domain}.enable");
            devtools.call(&enable, json!({})).await;
        }
        devtools
    }

    /// What this method answers.
    ///
    /// Cancel safe: a call that was given up is answered to nobody.
    pub(super) async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        let sent = self.socket.send(Message::text(call.to_string())).await;
        sent.expect("Chromium reads");
        loop {
            let said = self.socket.next().await.expect("Chromium has not ended");
            let Message::Text(said) = said.expect("the protocol is kept") else {
                continue;
            };
            let mut said: Value = serde_json::from_str(&said).expect("JSON");
            if said["id"] == id {
                assert_eq!(said.get("error"), None, "{method}");
                return said["result"].take();
            }
            self.complaints.extend(complaint(&said));
        }
    }
}

/// What an event tells of, if that is a fault of the page.
fn complaint(event: &Value) -> Option<String> {
    let told = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(told["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if told["type"] == "error" || told["type"] == "assert" => {
            Some(told["args"].to_string())
        }
        // A policy that was broken is among these.
        "Log.entryAdded" if told["entry"]["level"] == "error" => {
            Some(told["entry"]["text"].to_string())
        }
        _ => None,
    }
}
