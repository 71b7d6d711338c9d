//! What an API's document says about its operations, topics and schemas.

use fastws_core::api::Api;
use fastws_core::extract::{Now, Payload};
use fastws_core::respond::Failure;
use fastws_core::router::Router;
use fastws_core::topic_route::{Params, TopicRoute};
use fastws_core::{payload, recv, send};
use serde_json::{Value, json};

/// Where a subscription begins.
#[payload]
#[schemars(example = Request { symbol: "AAPL".into(), params: Params::default() })]
struct Request {
    /// As the exchange writes it.
    symbol: String,
    #[serde(default)]
    params: Params,
}

#[payload]
#[schemars(example = Bar { close: 189.5 })]
struct Bar {
    close: f64,
}

/// What a response says besides.
#[payload]
struct Echo {
    symbol: String,
    /// Levels on each side.
    depth: Option<u32>,
}

/// Adds two numbers.
///
/// What does not fit into 64 bits fails.
#[send("add", reply = "sum")]
fn add(Payload((a, b)): Payload<(i64, i64)>) -> i64 {
    a + b
}

fn document() -> Value {
    let ticks = TopicRoute::<Request, Bar>::new("ticks")
        .respond_with(|request| Echo { symbol: request.symbol.clone(), depth: None })
        .update("v2.tick")
        .topic_in_payload();
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .doc("Prices over spans of time.")
        .topic(|request| [request.symbol.clone()])
        .parameters([("symbol", "A listed symbol")]);
    let api = Api::new("Trading", "1.0.0")
        .description("Live prices.")
        .contact("The desk", "https://example.org", "desk@example.org")
        .license("MIT", "https://example.org/license")
        .server("live", "wss://api.example.org/v1/ws")
        .tag("market", "What things cost")
        .include(Router::new().prefix("math.").tags(["math"]).include(add))
        .include(Router::new().tags(["market"]).include(bars).include(ticks))
        .include(Router::new().prefix("system.").recv::<String>("alert").recv::<String>("news"))
        .include(Router::new().send("hello", None, || ()).doc("Greets nobody."));
    let catalog = api.build().expect("the API has no mistake");
    let text = catalog.asyncapi("3.0.0", "/ws").expect("it is a known version");
    serde_json::from_str(&text).expect("it is JSON")
}

// protocol: D11
#[test]
fn an_operation_is_received_and_its_reply_is_sent_on_the_connection() {
    let document = document();
    assert_eq!(
        document["operations"]["math.add"],
        json!({
            "action": "receive",
            "channel": {"$ref": "#/channels/connection"},
            "messages": [{"$ref": "#/channels/connection/messages/math.add"}],
            "reply": {
                "channel": {"$ref": "#/channels/connection"},
                "messages": [{"$ref": "#/channels/connection/messages/math.sum"}],
            },
            "tags": [{"name": "math"}],
            "title": "math.add",
            "summary": "Adds two numbers.",
            "description": "What does not fit into 64 bits fails.",
        })
    );
    assert_eq!(document["operations"]["hello"]["summary"], "Greets nobody.");
    assert_eq!(document["operations"]["hello"]["reply"], Value::Null);
    assert_eq!(document["channels"]["connection"]["address"], "/ws");
}

#[test]
fn a_message_is_an_object_of_its_type_and_its_payload() {
    let document = document();
    let messages = &document["components"]["messages"];
    let subscribe = &messages["bars.subscribe"];
    assert_eq!(subscribe["name"], "bars.subscribe");
    let schema = &subscribe["payload"];
    assert_eq!(schema["properties"]["type"], json!({"const": "bars.subscribe"}));
    assert_eq!(schema["properties"]["payload"], json!({"$ref": "#/components/schemas/Request"}));
    assert_eq!(schema["required"], json!(["type", "payload"]));
    assert_eq!(schema["$id"], "bars.subscribe");
    let request = &document["components"]["schemas"]["Request"];
    assert_eq!(request["title"], "Request");
    assert_eq!(request["description"], "Where a subscription begins.");
    assert_eq!(request["required"], json!(["symbol"]));
    assert_eq!(
        subscribe["examples"],
        json!([{"payload": {"type": "bars.subscribe", "payload": {"symbol": "AAPL", "params": {}}}}])
    );
    assert_eq!(messages["hello"]["payload"]["required"], json!(["type"]));
}

#[test]
fn a_topic_route_is_a_channel_whose_address_names_the_parts_of_its_topics() {
    let document = document();
    let bars = &document["channels"]["bars"];
    assert_eq!(bars["address"], "bars:{symbol}");
    assert_eq!(bars["description"], "Prices over spans of time.");
    assert_eq!(bars["parameters"], json!({"symbol": {"description": "A listed symbol"}}));
    let update = &document["operations"]["bars.update"];
    assert_eq!(update["action"], "send");
    assert_eq!(update["channel"], json!({"$ref": "#/channels/bars"}));
    assert_eq!(update["tags"], json!([{"name": "market"}]));
}

// protocol: M6
#[test]
fn an_update_that_names_its_topic_inside_its_payload_is_described_so() {
    let document = document();
    let messages = &document["components"]["messages"];
    let [beside, inside] =
        ["bars.update", "ticks.v2.tick"].map(|name| &messages[name]["payload"]["properties"]);
    let bar = json!({"$ref": "#/components/schemas/Bar"});
    assert_eq!((&beside["payload"], &beside["topic"]["type"]), (&bar, &json!("string")));
    assert_eq!(inside["topic"], Value::Null);
    assert_eq!(inside["payload"]["properties"]["payload"], bar);
    assert_eq!(inside["payload"]["properties"]["topic"]["type"], "string");
    assert_eq!(inside["payload"]["required"], json!(["topic", "payload"]));
    let example = &messages["ticks.v2.tick"]["examples"][0]["payload"];
    let payload = json!({"topic": "ticks", "payload": {"close": 189.5}});
    assert_eq!(*example, json!({"type": "ticks.v2.tick", "payload": payload}));
}

// protocol: E22 E23 E24
#[test]
fn what_the_server_says_of_its_own_accord_is_described_where_it_may_come() {
    let document = document();
    let operations = document["operations"].as_object().expect("they have names");
    let gaps: Vec<&str> =
        operations.keys().map(String::as_str).filter(|name| name.ends_with("gap")).collect();
    assert_eq!(gaps, ["bars.gap", "system.gap", "ticks.v2.gap"]);
    for (gap, channel, tag) in
        [("bars.gap", "bars", json!("market")), ("system.gap", "connection", json!(null))]
    {
        let operation = &operations[gap];
        assert_eq!(operation["action"], "send");
        assert_eq!(operation["channel"], json!({"$ref": format!("#/channels/{channel}")}));
        assert_eq!(operation["tags"][0]["name"], tag);
        let schema = &document["components"]["messages"][gap]["payload"]["properties"];
        assert_eq!(schema["topic"]["type"], "string");
        assert_eq!(schema["payload"]["required"], json!(["topic", "dropped"]));
    }
    assert_eq!(operations["error"]["channel"], json!({"$ref": "#/channels/connection"}));
    let schema = &document["components"]["messages"]["error"]["payload"]["properties"];
    assert_eq!(schema["payload"]["required"], json!(["type", "code", "message"]));
    assert_eq!(schema["payload"]["properties"]["type"]["type"], json!(["string", "null"]));
    assert_eq!((&schema["topic"], schema["id"].is_object()), (&Value::Null, true));
}

#[test]
fn nothing_of_an_api_is_named_like_what_the_server_says_of_its_own_accord() {
    let gap = Router::new().prefix("bars.").recv::<u32>("update").recv::<u32>("gap");
    for (router, name) in [(gap, "bars.gap"), (Router::new().recv::<u32>("error"), "error")] {
        let error = Api::new("", "").include(router).build().err().map(|error| error.to_string());
        let twice = format!(
            "`{name}` is declared twice, as a `recv` operation and as a message of the server's own: give one of their routers another prefix"
        );
        assert_eq!(error, Some(twice));
    }
}

// protocol: T13
#[test]
fn what_a_route_adds_to_its_responses_is_in_their_schema() {
    let document = document();
    let components = &document["components"];
    let payload = |name: &str| &components["messages"][name]["payload"]["properties"]["payload"];
    for kind in ["subscribe", "unsubscribe"] {
        assert_eq!(
            payload(&format!("ticks.{kind}.response"))["$ref"],
            "#/components/schemas/SubscriptionResponseWithEcho"
        );
        assert_eq!(
            payload(&format!("bars.{kind}.response"))["$ref"],
            "#/components/schemas/SubscriptionResponse"
        );
    }
    let response = &components["schemas"]["SubscriptionResponseWithEcho"];
    let members: Vec<&String> = response["properties"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["depth", "message", "status", "symbol", "topic"]);
    assert_eq!(response["required"], json!(["status", "message", "topic", "symbol"]));
}

#[test]
fn an_api_says_what_it_is_and_where() {
    let document = document();
    assert_eq!(
        document["info"],
        json!({
            "title": "Trading",
            "version": "1.0.0",
            "description": "Live prices.",
            "contact": {
                "name": "The desk",
                "url": "https://example.org",
                "email": "desk@example.org",
            },
            "license": {"name": "MIT", "url": "https://example.org/license"},
            "tags": [
                {"name": "market", "description": "What things cost"},
                {"name": "math"},
            ],
        })
    );
    assert_eq!(
        document["servers"],
        json!({"live": {"host": "api.example.org", "protocol": "wss", "pathname": "/v1/ws"}})
    );
}

mod attributes {
    use super::*;

    /// Counts calls.
    ///
    /// It waits for nothing.
    #[send("count", reply = "count.response")]
    pub(super) async fn count(Payload(bar): Payload<Bar>, _now: Now) -> Result<Bar, Failure> {
        Ok(bar)
    }

    #[send("hello")]
    pub(super) fn hello() {}

    /// Rounds a price.
    #[recv("bar")]
    pub(super) fn rounded(bar: Bar) -> Bar {
        Bar { close: bar.close.round() }
    }
}

#[test]
fn what_an_attribute_declares_a_builder_declares_without() {
    let with = Router::new()
        .prefix("calls.")
        .include(add)
        .include(attributes::count)
        .include(attributes::hello)
        .include(attributes::rounded);
    let without = Router::new()
        .prefix("calls.")
        .send("add", "sum", |Payload((a, b)): Payload<(i64, i64)>| a + b)
        .doc("Adds two numbers.\n\nWhat does not fit into 64 bits fails.")
        .send("count", "count.response", async |Payload(bar): Payload<Bar>, _now: Now| {
            Ok::<Bar, Failure>(bar)
        })
        .doc("Counts calls.\n\nIt waits for nothing.")
        .send("hello", None, || ())
        .recv_with("bar", |bar: Bar| Bar { close: bar.close.round() })
        .doc("Rounds a price.");
    let document = |router: Router| {
        let catalog = Api::new("Calls", "1.0.0").include(router).build();
        catalog.expect("the API has no mistake").asyncapi("3.0.0", "/ws").expect("it is known")
    };
    let [with, without] = [with, without].map(document);
    assert!(with.contains("Counts calls.") && with.contains("calls.bar"), "{with}");
    assert_eq!(with, without);
}

#[test]
fn there_are_two_versions_and_no_other() {
    let catalog = Api::new("Trading", "1.0.0").build().expect("the API has no mistake");
    assert!(catalog.asyncapi("3.1.0", "/ws").is_some_and(|text| text.contains(r#""3.1.0""#)));
    assert_eq!(catalog.asyncapi("2.4.0", "/ws"), None);
}

#[test]
fn a_reply_that_is_named_like_an_operation_is_refused() {
    let router = Router::new().send("a", "b", || 1).send("b", None, || ());
    let error = Api::new("", "").include(router).build().expect_err("two messages have one type");
    assert_eq!(
        error.to_string(),
        "`b` is declared twice, as a reply and as a `send` operation: give one of their routers another prefix"
    );
}
