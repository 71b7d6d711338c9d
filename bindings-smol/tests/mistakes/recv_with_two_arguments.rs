use fastws_smol::{Client, recv};

#[recv("alert")]
//~ a `recv` handler takes one argument, the update that is published
fn alert(alert: String, _client: Client) -> String {
    alert
}
