//! A browser that is told what to do, by its own protocol: pages with their scripts, as people have them.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{wire, world::World};

/// How long a page may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is wrong with a page, collected before anything of it runs.
const WATCH: &str = "window.faults = [];
    addEventListener('error', (event) => faults.push(String(event.message)));
    addEventListener('unhandledrejection', (event) => faults.push(String(event.reason)));
    addEventListener('securitypolicyviolation', (event) => faults.push(event.violatedDirective));";

/// One page of a browser; both end with it.
pub(crate) struct Chrome {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    asked: u64,
    child: Child,
    address: String,
}

/// The browser of this machine, if it has one.
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
    })
}

/// What it needs to run anywhere, and nothing of the tester's own.
pub(crate) const ALONE: [&str; 4] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
];

impl Chrome {
    pub(crate) fn start(world: &World, chromium: &Path) -> Self {
        let mut browser = world.program(chromium);
        browser.args(ALONE).args([
            "--remote-debugging-port=0",
            &format!("--user-data-dir={}", world.path("chrome").display()),
            "about:blank",
        ]);
        let mut child = browser.stderr(Stdio::piped()).spawn().expect("a browser");
        let said = BufReader::new(child.stderr.take().expect("its stderr"));
        let url = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, url) = line.split_once("DevTools listening on ")?;
            Some(url.to_owned())
        });
        let url = url.expect("where the browser listens");
        let at = wire::address(&url.replace("ws://", "http://"));
        let runtime = wire::runtime();
        let socket = runtime.block_on(async {
            let stream = TcpStream::connect(at).await.expect("the browser");
            client_async(url, stream).await.expect("its protocol").0
        });
        let mut chrome = Self {
            runtime,
            socket,
            session: None,
            asked: 0,
            child,
            address: world.address(),
        };
        let page = chrome.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let page = json!({ "targetId": page["targetId"], "flatten": true });
        let session = chrome.ask("Target.attachToTarget", &page);
        chrome.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        chrome.ask("Page.enable", &json!({}));
        chrome.ask(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": WATCH }),
        );
        chrome
    }

    /// Asks for something, and waits for what comes of it.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    #[track_caller]
    fn answer(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let socket = &mut self.socket;
        let answer = self.runtime.block_on(timeout(PATIENCE, async {
            let message = Message::text(message.to_string());
            socket.send(message).await.expect("the browser hears");
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else {
                    continue;
                };
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                if answer["id"] == id {
                    return answer;
                }
            }
            panic!("the browser has gone");
        }));
        answer.unwrap_or_else(|_| panic!("no answer to {method} {params}"))
    }

    /// The window's size, as that of a phone or of a desk.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Opens an address of the server anew. Nothing may be wrong with the page before it.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &str) {
        assert_eq!(self.see("window.faults || []"), json!([]));
        self.ask("Page.navigate", &json!({ "url": "about:blank" }));
        let url = format!("{}{path}", self.address);
        self.ask("Page.navigate", &json!({ "url": url }));
        self.until("document.readyState === 'complete'");
    }

    /// What an expression, or what it promises, comes to on the page.
    #[track_caller]
    pub(crate) fn see(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", &asked(expression));
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until it holds on the page.
    #[track_caller]
    pub(crate) fn until(&mut self, condition: &str) {
        let promise = format!(
            "new Promise((ok) => {{ const end = Date.now() + 40000; \
             const look = () => ({condition}) ? ok(true) : Date.now() > end ? ok(false) : setTimeout(look, 40); \
             look(); }})"
        );
        let asked = asked(&promise);
        let mut answer = self.answer("Runtime.evaluate", &asked);
        // A page that is left takes its promises with it: it is asked of the next one.
        while answer["error"]["code"] == -32_000 {
            answer = self.answer("Runtime.evaluate", &asked);
        }
        if answer["result"]["result"]["value"] != true {
            let page = self.see("document.body.innerText");
            panic!("`{condition}` never came to hold ({answer}) on\n{page}");
        }
    }

    /// Presses a key where the keyboard is.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            self.ask(
                "Input.dispatchKeyEvent",
                &json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text }),
            );
        }
    }
}

fn asked(expression: &str) -> Value {
    json!({ "expression": expression, "awaitPromise": true, "returnByValue": true })
}

impl Drop for Chrome {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
