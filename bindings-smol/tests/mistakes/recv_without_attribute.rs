use fastws_smol::recv;

struct Alert {
    text: String,
}

#[recv("alert")]
//~ `Alert` cannot be a payload
//~ `Alert` needs `#[payload]`
fn alert(alert: Alert) -> Alert {
    alert
}
