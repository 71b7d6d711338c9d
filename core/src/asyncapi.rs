//! The AsyncAPI 3 document of an API, from the server's perspective. Knows names and schemas, runs nothing.

use crate::respond::{Reply, SchemaOf};
use crate::router::{Channel, Operation, Role, Router};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// What an API says about itself besides its operations.
#[derive(Default)]
pub(crate) struct About {
    /// `title`, `version` and whatever else AsyncAPI's Info Object has.
    pub(crate) info: Map<String, Value>,
    pub(crate) servers: Map<String, Value>,
    /// What each tag means.
    pub(crate) tags: BTreeMap<String, String>,
}

/// The document, with `3.0.0` as its version and an unknown address of the connection.
pub(crate) fn document(about: About, router: &Router) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut document = Document {
        generator: settings.into_generator(),
        messages: Map::new(),
        operations: Map::new(),
        channels: Map::new(),
        tags: about.tags,
    };
    document.channels.insert(
        CONNECTION.into(),
        json!({"address": null, "title": "The connection", "messages": {}}),
    );
    for channel in &router.channels {
        document.channel(channel);
    }
    for operation in &router.operations {
        document.operation(operation);
    }
    let mut info = about.info;
    if !document.tags.is_empty() {
        let tag = |(name, description): (&String, &String)| match description.is_empty() {
            true => json!({"name": name}),
            false => json!({"name": name, "description": description}),
        };
        info.insert("tags".into(), document.tags.iter().map(tag).collect());
    }
    let mut schemas = document.generator.take_definitions(true);
    for (name, schema) in &mut schemas {
        name_schema(schema, name);
    }
    let schemas = schemas.into_iter().map(|(name, schema)| (key(&name), schema));
    let mut whole = json!({
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "channels": document.channels,
        "operations": document.operations,
        "components": {"messages": document.messages, "schemas": schemas.collect::<Map<_, _>>()},
    });
    if !about.servers.is_empty() {
        whole["servers"] = about.servers.into();
    }
    whole
}

struct Document {
    generator: SchemaGenerator,
    messages: Map<String, Value>,
    operations: Map<String, Value>,
    channels: Map<String, Value>,
    tags: BTreeMap<String, String>,
}

/// What a message has besides its type and its payload.
enum Also {
    /// The request's id.
    Id,
    /// The topic's name, beside the payload.
    Topic,
    /// The same in the payload, around it.
    TopicInside,
}

/// The channel of everything that belongs to no topic route.
const CONNECTION: &str = "connection";

impl Document {
    fn channel(&mut self, channel: &Channel) {
        let Channel { name, doc, parameters } = channel;
        let mut address = name.clone();
        let mut described = Map::new();
        for (parameter, description) in parameters {
            address.push_str(&format!(":{{{parameter}}}"));
            described.insert(parameter.clone(), json!({"description": description}));
        }
        let mut channel = json!({
            "address": address,
            "title": format!("Topics of {name}"),
            "messages": {},
        });
        if !doc.is_empty() {
            channel["description"] = doc.as_str().into();
        }
        if !described.is_empty() {
            channel["parameters"] = described.into();
        }
        self.channels.insert(key(name), channel);
    }

    fn operation(&mut self, operation: &Operation) {
        let Operation { name, doc, tags, channel, role } = operation;
        let channel = channel.as_deref().map_or(CONNECTION.into(), key);
        let mut described = describe(name, doc);
        let (action, channel, message) = match role {
            Role::Send { reply, needs, result, .. } => {
                if let Some(reply) = reply {
                    let payload = match result {
                        Reply::Payload(schema) => Some(*schema),
                        _ => None,
                    };
                    let message = self.message(CONNECTION, reply, payload, Also::Id);
                    described["reply"] = json!({
                        "channel": {"$ref": format!("#/channels/{CONNECTION}")},
                        "messages": [{"$ref": message}],
                    });
                }
                let payload = needs.payloads.first().copied();
                let message = self.message(CONNECTION, name, payload, Also::Id);
                ("receive", CONNECTION.to_string(), message)
            }
            Role::Recv { payload, update } => {
                let also = if update.wraps { Also::TopicInside } else { Also::Topic };
                let message = self.message(&channel, name, Some(*payload), also);
                ("send", channel, message)
            }
            Role::Told { payload, answers } => {
                let also = if *answers { Also::Id } else { Also::Topic };
                let message = self.message(&channel, name, Some(*payload), also);
                ("send", channel, message)
            }
        };
        described["action"] = action.into();
        described["channel"] = json!({"$ref": format!("#/channels/{channel}")});
        described["messages"] = json!([{"$ref": message}]);
        if !tags.is_empty() {
            described["tags"] = tags.iter().map(|tag| json!({"name": tag})).collect();
            for tag in tags {
                self.tags.entry(tag.clone()).or_default();
            }
        }
        self.operations.insert(key(name), described);
    }

    /// Describes a message, and says where its channel refers to it.
    fn message(
        &mut self,
        channel: &str,
        name: &str,
        payload: Option<SchemaOf>,
        also: Also,
    ) -> String {
        let mut properties = json!({"type": {"const": name}});
        let mut required = Vec::from(["type"]);
        let mut examples = Vec::new();
        let topic =
            json!({"type": "string", "description": "The topic that this is an update of."});
        if let Some(schema) = payload {
            let schema = schema(&mut self.generator).to_value();
            examples = self.examples(&schema);
            let schema = match also {
                Also::TopicInside => {
                    let address = &self.channels[channel]["address"];
                    for example in &mut examples {
                        *example = json!({"topic": address, "payload": example.take()});
                    }
                    json!({
                        "type": "object",
                        "properties": {"topic": topic, "payload": schema},
                        "required": ["topic", "payload"],
                    })
                }
                _ => schema,
            };
            // A payload that may be `null` may be missing.
            if !self.takes_null(&schema) {
                required.push("payload");
            }
            properties["payload"] = schema;
        }
        match also {
            Also::Id => {
                let id = json!({"type": ["string", "integer"], "description": "Comes back with the reply."});
                properties["id"] = id;
            }
            Also::Topic => properties["topic"] = topic,
            Also::TopicInside => {}
        }
        let mut schema = json!({"type": "object", "properties": properties, "required": required});
        let key = key(name);
        name_schema(&mut schema, &key);
        let mut message = json!({"name": name, "title": name, "payload": schema});
        if !examples.is_empty() {
            let example = |payload| json!({"payload": {"type": name, "payload": payload}});
            message["examples"] = examples.into_iter().map(example).collect();
        }
        self.messages.insert(key.clone(), message);
        let reference = json!({"$ref": format!("#/components/messages/{key}")});
        self.channels[channel]["messages"][&key] = reference;
        format!("#/channels/{channel}/messages/{key}")
    }

    fn examples(&self, schema: &Value) -> Vec<Value> {
        let examples = self.resolve(schema).get("examples").and_then(Value::as_array);
        examples.cloned().unwrap_or_default()
    }

    fn takes_null(&self, schema: &Value) -> bool {
        let schema = self.resolve(schema);
        let any = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        schema.as_bool() == Some(true)
            || schema.as_object().is_some_and(Map::is_empty)
            || schema.get("type").is_some_and(|kind| kind == "null")
            || any("type").any(|kind| kind == "null")
            || any("anyOf").any(|schema| self.takes_null(schema))
    }

    /// The schema that a reference names.
    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let name = schema.get("$ref").and_then(Value::as_str);
        let name = name.and_then(|path| path.strip_prefix("#/components/schemas/"));
        name.and_then(|name| self.generator.definitions().get(name)).unwrap_or(schema)
    }
}

/// Title, summary and description, as a doc comment divides them.
fn describe(name: &str, doc: &str) -> Value {
    let (summary, rest) = doc.trim().split_once("\n\n").unwrap_or((doc.trim(), ""));
    let mut described = json!({"title": name});
    if !summary.is_empty() {
        described["summary"] = summary.replace('\n', " ").into();
    }
    if !rest.trim().is_empty() {
        described["description"] = rest.trim().into();
    }
    described
}

fn name_schema(schema: &mut Value, name: &str) {
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("title").or_insert(name.into());
        schema.insert("$id".into(), name.into());
    }
}

/// A name as AsyncAPI allows it for a component.
fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => key.push(character),
            other => key.push_str(&format!("_{:x}_", u32::from(other))),
        }
    }
    key
}
