use fastws_smol::{App, Client, Clock, Now, Payload, State, send};

#[send("order")]
//~ a handler takes six arguments at most: put what it shares with others into one `State<S>`
fn order(_: Payload<u32>, _: Client, _: App, _: Now, _: Clock, _: State<u8>, _: State<u16>) {}
