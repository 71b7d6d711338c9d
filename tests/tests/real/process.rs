//! The trading example as a process: its options, its output, its signals and its exit codes.

use crate::{BENCH_SERVER, TRADING};
use async_tungstenite::tungstenite::Error;
use fastws_tests::client::{Client, until, within};
use fastws_tests::identity::Identity;
use fastws_tests::world::HANDSHAKE;
use futures_lite::io::{BufReader, Lines};
use futures_lite::{AsyncBufReadExt, StreamExt};
use serde_json::{Value, json};
use smol::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

// trading: S2
#[test]
fn help_explains_the_options_on_standard_output() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    assert!(help.contains("--listen <ADDRESS>") && help.contains("[default: 127.0.0.1:8000]"));
    assert_eq!(text(&output.stderr), "");
}

// trading: S3
#[test]
fn a_bad_option_is_a_sentence_on_standard_error_and_code_2() {
    let error = refused(&["--max-connections", "none"]);
    assert!(error.contains("it must be a whole number, at least 1"), "{error}");
}

// trading: S3
#[test]
fn a_port_in_use_is_a_sentence_on_standard_error_and_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let error = refused(&["--listen", "127.0.0.1:0", "--listen", &address]);
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}

// trading: S3
#[test]
fn an_unreadable_file_is_a_sentence_on_standard_error_and_code_2() {
    let error = refused(&["--listen", "127.0.0.1:0", "--replay", "no/such/file.csv"]);
    assert!(error.contains("no/such/file.csv: "), "{error}");
}

// trading: R4
#[test]
fn a_bad_row_is_reported_with_its_line_and_column_and_code_2() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad.csv");
    let rows = "symbol,time,open,high,low,close,volume\nXYZ,60,1,2,1,2,5\nXYZ,120,1,2,x,2,5\n";
    fs::write(&file, rows).expect("the folder is there for this");
    let file = file.to_str().expect("the path is text");
    let error = refused(&["--listen", "127.0.0.1:0", "--replay", file]);
    assert!(error.contains(&format!("{file}:3:5: low ")), "{error}");
}

// trading: S3 S22
#[test]
fn certificates_that_cannot_be_shown_are_a_sentence_on_standard_error_and_code_2() {
    let files = Files::new("bad-tls");
    files.write(&Identity::new().chain, &Identity::new().key);
    let error = refused(&files.options());
    assert!(error.contains("is not the key of the first certificate"), "{error}");
    let error = refused(&["--tls-cert", "no/such.pem", "--tls-key", "no/such.pem"]);
    assert!(error.contains("cannot read no/such.pem: "), "{error}");
}

// trading: S1 S5 S6
#[test]
fn every_address_and_every_path_is_served_and_each_address_has_a_line() {
    let mut server = Trading::start(&["--listen", "127.0.0.1:0", "--path", "/a", "--path", "/b"]);
    let addresses = [server.listening(), server.listening()];
    for (address, path) in [(addresses[0], "/a"), (addresses[1], "/b")] {
        let mut client = Client::connect(address, path);
        client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
    }
}

// trading: S16 R3
#[test]
fn a_replay_sends_each_row_once_and_in_order_and_says_when_it_has_ended() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/trading/data/bars.csv");
    let mut server = Trading::start(&["--replay", file, "--speed", "100000"]);
    let mut client = Client::connect(server.listening(), "/ws");
    client.ask("bars.subscribe", "bars.subscribe.response", json!({"symbol": "AAPL"}));
    let rows = fs::read_to_string(file).expect("the file is there");
    let rows: Vec<_> = rows.lines().filter(|row| row.starts_with("AAPL")).collect();
    assert!(rows.len() > 10);
    for row in rows {
        let bar = client.hear_payload("bars.update");
        let numbers = ["open", "high", "low", "close", "volume"].map(|name| bar[name].as_f64());
        let fields = row.split(',').skip(2).map(|field| field.parse().ok());
        assert!(fields.eq(numbers), "{row} was due, and {bar} came");
    }
    server.logs("the replay has ended");
    // Nothing follows the last row.
    client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
}

// trading: S9
#[test]
fn limits_of_the_command_line_are_the_servers() {
    let options = "--max-connections 1 --max-message-bytes 100 --max-topics 1";
    let mut server = Trading::start(&options.split(' ').collect::<Vec<_>>());
    let address = server.listening();
    let mut client = Client::connect(address, "/ws");
    let mut subscribe = |symbol: &str| {
        client.say("quotes.subscribe", json!({"symbol": symbol}));
        client.hear_but("quotes.update")["payload"]["status"].take()
    };
    assert_eq!([subscribe("AAPL"), subscribe("MSFT")], ["ok", "error"]);
    match Client::try_connect(address, "/ws") {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("a refusal was due, and {:?} came", other.err()),
    }
    client.say_text("x".repeat(101));
    assert_eq!(client.closed().0, 1009);
}

// trading: S8
#[test]
fn a_heartbeat_and_a_lifespan_are_in_seconds() {
    for (options, reason) in [
        ("--heartbeat 0.2 --lifespan 3600", "Heartbeat interval 0.2. Max connection lifespan 3600"),
        ("--lifespan 0.2", "Heartbeat interval unset. Max connection lifespan 0.2"),
    ] {
        let mut server = Trading::start(&options.split(' ').collect::<Vec<_>>());
        let reason = format!("Connection timed out. {reason}");
        assert_eq!(Client::connect(server.listening(), "/ws").closed(), (1003, reason));
    }
}

// trading: S11
#[test]
fn errors_are_answered_where_the_command_line_says_so() {
    let mut server = Trading::start(&["--on-error", "reply"]);
    let mut client = Client::connect(server.listening(), "/ws");
    let error = json!({"type": "nothing", "code": 1003, "message": "No matching type"});
    assert_eq!(client.ask("nothing", "error", json!(1)), error);
    client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
}

// trading: S12
#[test]
fn pages_of_the_origins_on_the_command_line_are_let_in() {
    let options = "--origin https://a.example --origin https://*.b.example";
    let mut server = Trading::start(&options.split(' ').collect::<Vec<_>>());
    let address = server.listening();
    for (origin, status) in
        [("https://a.example", "101"), ("https://x.b.example", "101"), ("https://c.example", "403")]
    {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let request =
            HANDSHAKE.replace("Upgrade: web", &format!("Origin: {origin}\r\nUpgrade: web"));
        stream.write_all(request.as_bytes()).expect("it is open");
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("the server answers");
        assert_eq!(line, *format!("HTTP/1.1 {status}").as_bytes(), "{origin}");
    }
}

// trading: S15
#[test]
fn a_threshold_of_nothing_lets_every_move_of_a_close_through() {
    let mut server = Trading::start(&["--threshold", "0"]);
    let mut client = Client::connect(server.listening(), "/ws");
    client.say("candles.subscribe", json!({"symbol": "BTCUSD", "resolution": "1D"}));
    assert_eq!(client.hear()["payload"]["status"], "ok");
    let closes = [(); 3].map(|()| client.hear_payload("candles.update")["close"].as_f64());
    let [Some(first), _, Some(third)] = closes else { panic!("a close is a number") };
    assert!(
        (third - first).abs() < 0.01 * first,
        "{first} and {third} would not be told by default"
    );
}

// trading: W1 W2 W3 W4 S13 O18
#[test]
fn who_knows_the_token_tells_everybody_and_raises_alerts_over_http() {
    let mut server = Trading::start(&["--token", "secret", "--shards", "2"]);
    let address = server.listening();
    let mut clients = [(); 4].map(|()| Client::connect(address, "/ws"));
    clients[0].ask("alerts.subscribe", "alerts.subscribe.response", Value::Null);
    clients[0].hear_payload("alerts.alert");
    for client in &mut clients[1..] {
        client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
    }
    let bearer = "Authorization: Bearer secret";
    let json = "Content-Type: application/json";
    let news = r#"{"message":"lunch"}"#;
    let told = post(address, "/notify", &[json, bearer], news);
    assert_eq!(told, (200, r#"{"delivered":4}"#.into()));
    for client in &mut clients {
        let notification = client.hear();
        assert_eq!(notification["type"], "system.notification");
        assert_eq!(notification["payload"]["message"], "lunch");
        assert!(notification["payload"]["timestamp"].is_i64() && notification["topic"].is_null());
    }
    let alert = r#"{"severity":"low","message":"rain"}"#;
    let raised = post(address, "/alerts", &[json, bearer], alert);
    assert_eq!(raised, (200, r#"{"delivered":1}"#.into()));
    let heard = clients[0].hear_payload("alerts.alert");
    assert_eq!((&heard["severity"], &heard["message"]), (&json!("low"), &json!("rain")));
    assert_eq!(post(address, "/notify", &[json], news).0, 401);
    assert_eq!(post(address, "/notify", &[json, "Authorization: Bearer guess"], news).0, 401);
    assert_eq!(post(address, "/notify", &[bearer], news).0, 415);
    assert_eq!(post(address, "/notify", &[json, bearer], "{}").0, 422);
}

// trading: S18
#[test]
fn the_asyncapi_document_is_printed_and_nothing_is_served() {
    let output = run(&["--print-asyncapi", "--path", "/prices"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let document: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["operations"]["simple.ping"]["action"], "receive");
    assert!(text(&output.stdout).contains("/prices"));
}

// trading: B1
#[test]
fn the_bench_server_answers_the_load_generators_messages() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = port.expect("there is a free port");
    let mut command = Command::new(BENCH_SERVER);
    command.args([&address.port().to_string(), "2"]).kill_on_drop(true);
    let _child = command.spawn().expect("the example runs");
    let mut connected = None;
    until(|| {
        connected = Client::try_connect(address, "/").ok();
        connected.is_some()
    });
    let mut client = connected.expect("it was waited for");
    let ping = json!({"timestamp": 1});
    assert_eq!(client.ask("simple.ping", "simple.pong", ping.clone()), ping);
    let response =
        client.ask("bars.subscribe", "bars.subscribe.response", json!({"topic": "AAPL"}));
    assert_eq!(response["topic"], "bars:AAPL");
    let bar = json!({"topic": "AAPL", "seq": 7, "data": "x"});
    client.say("bars.publish", bar.clone());
    assert_eq!(client.hear_payload("bars.update"), bar);
}

// trading: S4
#[cfg(unix)]
#[test]
fn a_signal_closes_everybody_with_1001_and_the_process_ends_with_0() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Trading::start(&[]);
        let mut client = Client::connect(server.listening(), "/api/v1/ws");
        // A service, a topic, and a connection: what is left of any of them at the end is an error.
        client.ask("alerts.subscribe", "alerts.subscribe.response", Value::Null);
        client.hear_payload("alerts.alert");
        server.kill(signal);
        assert_eq!(client.closed(), (1001, "Server shutting down".into()));
        drop(client);
        assert_eq!(server.end(), Some(0));
    }
}

// trading: S1 S4
#[cfg(unix)]
#[test]
fn a_signal_right_after_the_first_line_ends_the_process_with_0() {
    let mut server = Trading::start(&[]);
    server.listening();
    server.kill("-TERM");
    assert_eq!(server.end(), Some(0));
}

// trading: S1 S22 S23
#[cfg(unix)]
#[test]
fn certificates_are_read_again_on_sighup_and_the_old_one_stays_where_they_are_bad() {
    let (old, new) = (Identity::new(), Identity::new());
    let files = Files::new("tls");
    files.write(&old.chain, &old.key);
    let mut server = Trading::start(&files.options());
    let address = server.listening_on("https");
    let mut before = old.client(address);
    files.write(&new.chain, &new.key);
    server.kill("-HUP");
    server.logs("the certificate was read again");
    let mut after = new.client(address);
    assert!(old.try_client(address).is_err());
    files.write(&new.chain, &old.key);
    server.kill("-HUP");
    server.logs("the old certificate stays");
    for client in [&mut before, &mut after, &mut new.client(address)] {
        client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
    }
    drop((before, after));
    server.kill("-TERM");
    assert_eq!(server.end(), Some(0));
}

/// Two files for certificates and their key.
struct Files([String; 2]);

impl Files {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(["chain", "key"].map(|part| {
            let file = folder.join(format!("{name}-{part}.pem"));
            file.to_str().expect("the path is text").into()
        }))
    }

    fn write(&self, chain: &str, key: &str) {
        for (file, text) in self.0.iter().zip([chain, key]) {
            fs::write(file, text).expect("the folder is there for this");
        }
    }

    fn options(&self) -> [&str; 4] {
        ["--tls-cert", &self.0[0], "--tls-key", &self.0[1]]
    }
}

/// A server that listens on a free port, and is killed when it is dropped.
struct Trading {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Trading {
    fn start(options: &[&str]) -> Self {
        let mut child = trading(options)
            .args(["--listen", "127.0.0.1:0"])
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example runs");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let stderr = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        Self { child, stdout, stderr }
    }

    /// The address of the next line that it prints.
    fn listening(&mut self) -> SocketAddr {
        self.listening_on("http")
    }

    fn listening_on(&mut self, scheme: &str) -> SocketAddr {
        let line = within(self.stdout.next()).expect("it runs").expect("it prints text");
        let start = format!("listening on {scheme}://");
        let address = line.strip_prefix(&start).expect("it says where it listens");
        address.parse().expect("it is an address")
    }

    /// Waits for a line of the log.
    fn logs(&mut self, text: &str) {
        within(async {
            while !self.stderr.next().await.expect("it runs").expect("it logs text").contains(text)
            {
            }
        });
    }

    fn kill(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(within(kill).expect("there is a kill").success());
    }

    fn end(&mut self) -> Option<i32> {
        within(self.child.status()).expect("it is our child").code()
    }
}

fn run(options: &[&str]) -> Output {
    within(trading(options).output()).expect("the example runs")
}

/// What it says on standard error when it does not start.
fn refused(options: &[&str]) -> String {
    let output = run(options);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    text(&output.stderr).into()
}

fn trading(options: &[&str]) -> Command {
    let mut command = Command::new(TRADING);
    command.args(options).env_remove("RUST_LOG");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

/// Status and body of what a server answers to a `POST`.
fn post(address: SocketAddr, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", body.len());
    write!(stream, "{head}{headers}\r\n{body}").expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers and ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
    let status = head.split(' ').nth(1).expect("a status line has a status");
    (status.parse().expect("it is a number"), body.into())
}
