//! What a server does whose process has few descriptors.

use crate::LONE;
use async_tungstenite::tungstenite::Error;
use fastws_tests::client::Client;
use fastws_tests::lone::Lone;
use serde_json::Value;
use std::net::TcpStream;

// protocol: L6 E12
#[test]
fn a_server_takes_no_more_connections_than_its_process_has_descriptors_for() {
    // 64 are raised to 128, of which a quarter is kept.
    let server = Lone::start(LONE, &["64", "128"]);
    let mut clients: Vec<Client> =
        (0..96).map(|_| Client::connect(server.address(), "/ws")).collect();
    for _ in 0..50 {
        match Client::try_connect(server.address(), "/ws") {
            Err(Error::Http(response)) => assert_eq!(response.status(), 503),
            other => panic!("a refusal was due, and {:?} came", other.err()),
        }
    }
    for client in &mut clients {
        assert_eq!(client.ask("subscriptions", "count", Value::Null), 0);
    }
    clients.pop().expect("there are 96").leave();
    clients.push(Client::connect(server.address(), "/ws"));
}

#[test]
fn a_server_without_a_descriptor_goes_on_and_takes_who_comes_when_it_has_one() {
    let server = Lone::start(LONE, &["64", "64"]);
    let mut client = Client::connect(server.address(), "/ws");
    let silent: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(server.address()).expect("the system lets it wait"))
        .collect();
    assert_eq!(client.ask("subscriptions", "count", Value::Null), 0);
    drop(silent);
    Client::connect(server.address(), "/ws").leave();
    assert_eq!(client.ask("subscriptions", "count", Value::Null), 0);
}
