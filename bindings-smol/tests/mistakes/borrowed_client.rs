use fastws_smol::{Client, send};

#[send("whoami", reply = "whoami.response")]
//~ a handler owns its arguments: write them without `&` and lifetimes, and `String` for `str`
async fn whoami(client: &Client) -> String {
    client.uid()
}
