//! A real browser without a window, driven through its DevTools protocol.
//!
//! Over a pipe, not a port: nobody else on the machine can reach it. One page at a time, and blocking. Absent: waiting
//! for a state of the page, which is a question that the caller asks again and again.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::cleanup::{Folder, Process};
use crate::debian::BROWSER;

/// How long the browser may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The protocol's pipes are file descriptors 3 and 4, which only a shell can name.
const WITH_PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null";
/// Root may not use the browser's sandbox, a container may have no room in /dev/shm, and no machine here has a GPU.
const FLAGS: [&str; 7] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
];

/// A browser with one page. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    to: PipeWriter,
    from: Receiver<Value>,
    /// The page, in the protocol's words.
    session: String,
    calls: u64,
    complaints: Vec<String>,
    _process: Process,
    _profile: Folder,
}

/// What a user has chosen in the settings of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

impl Browser {
    /// Starts it with an empty page.
    ///
    /// # Errors
    /// When there is no browser and none can be fetched, or it does not start.
    pub fn start() -> anyhow::Result<Self> {
        let profile = Folder::new()?;
        let (theirs, to) = std::io::pipe()?;
        let (from, theirs_back) = std::io::pipe()?;
        let mut command = with_pipes(&BROWSER.command()?);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(theirs).stdout(theirs_back).stderr(Stdio::null());
        let process = Process::start(&mut command)?.expendable();
        let mut browser = Self {
            to,
            from: follow(from),
            session: String::new(),
            calls: 0,
            complaints: Vec::new(),
            _process: process,
            _profile: profile,
        };
        browser.attach().context("the browser does not start")?;
        Ok(browser)
    }

    fn attach(&mut self) -> anyhow::Result<()> {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", &attach)?;
        self.session = attached["sessionId"].as_str().context("no session")?.to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, &json!({}))?;
        }
        // A window that nobody sees has no focus, and a page without focus may not copy.
        self.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true })).map(drop)
    }

    /// Goes to an address. The page may still be loading when this returns.
    ///
    /// # Errors
    /// When nothing answers there.
    pub fn open(&mut self, url: &str) -> anyhow::Result<()> {
        let answer = self.call("Page.navigate", &json!({ "url": url }))?;
        match answer["errorText"].as_str() {
            Some(error) => bail!("{url}: {error}"),
            None => Ok(()),
        }
    }

    /// The value of a JavaScript expression on the page; of a promise, what it is kept with.
    ///
    /// # Errors
    /// When the expression throws.
    pub fn evaluate(&mut self, expression: &str) -> anyhow::Result<Value> {
        let wanted = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", &wanted)?;
        let thrown = &answer["exceptionDetails"];
        ensure!(thrown.is_null(), "`{expression}` throws {thrown}");
        Ok(answer["result"]["value"].clone())
    }

    /// Presses a key that types nothing, such as `Tab`, or that types itself, such as a space.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn press(&mut self, key: &str) -> anyhow::Result<()> {
        let code = if key == " " { "Space" } else { key };
        let number = match key {
            "Tab" => 9,
            " " => 32,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number });
            if key == " " {
                event["text"] = json!(key);
            }
            self.call("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Grants an origin, such as `http://127.0.0.1:9902`, what a user would be asked for.
    ///
    /// # Errors
    /// When the browser knows no such permission.
    pub fn allow(&mut self, origin: &str, permissions: &[&str]) -> anyhow::Result<()> {
        // A question to the browser, not to the page.
        let page = std::mem::take(&mut self.session);
        let wanted = json!({ "origin": origin, "permissions": permissions });
        let granted = self.call("Browser.grantPermissions", &wanted);
        self.session = page;
        granted.map(drop)
    }

    /// Sets what the user prefers, and how large the window is, in pixels.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn look(&mut self, scheme: Scheme, width: u32, height: u32) -> anyhow::Result<()> {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }))?;
        let window = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &window).map(drop)
    }

    /// What the window shows, as PNG in base64.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn screenshot(&mut self) -> anyhow::Result<String> {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        Ok(answer["data"].as_str().context("no picture")?.to_owned())
    }

    /// Everything that stood in the browser's console as an error since the last time: exceptions, what the page's
    /// security policy stopped, what did not load.
    pub fn complaints(&mut self) -> Vec<String> {
        while let Ok(message) = self.from.try_recv() {
            self.hear(&message);
        }
        std::mem::take(&mut self.complaints)
    }

    fn call(&mut self, method: &str, params: &Value) -> anyhow::Result<Value> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).with_context(|| format!("tell the browser: {method}"))?;
        loop {
            let mut answer =
                self.from.recv_timeout(ANSWER_MAX).with_context(|| format!("no answer to {method}"))?;
            if answer["id"] == self.calls {
                ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return Ok(answer["result"].take());
            }
            self.hear(&answer);
        }
    }

    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => &params["exceptionDetails"],
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => &params["args"],
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => &params["entry"],
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}

/// The program behind a shell that hands it the pipes, with the environment that it wants.
fn with_pipes(program: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", WITH_PIPES]).arg(program.get_program());
    let variables = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.envs(variables);
    shell
}

/// Messages end with a zero byte.
fn follow(from: PipeReader) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for bytes in BufReader::new(from).split(0).map_while(Result::ok) {
            // One that nobody can read is missed by whoever waits for it.
            let Ok(message) = serde_json::from_slice(&bytes) else { continue };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    messages
}
