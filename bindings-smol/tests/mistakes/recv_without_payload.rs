use fastws_smol::recv;

#[recv("alert")]
//~ a `recv` handler takes one argument, the update that is published
fn alert() -> String {
    "fire".into()
}
