use fastws_smol::recv;

#[recv("alert")]
//~ a `recv` handler runs where its update is published: remove `async`
async fn alert(alert: String) -> String {
    alert
}
