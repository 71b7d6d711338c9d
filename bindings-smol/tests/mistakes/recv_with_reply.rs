use fastws_smol::recv;

//~ write #[recv("alert")], above a function that takes a payload and returns it
#[recv("alert", reply = "seen")]
fn alert(alert: String) -> String {
    alert
}
