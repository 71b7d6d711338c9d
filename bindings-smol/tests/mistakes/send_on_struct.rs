use fastws_smol::send;

#[send("ping")]
//~ #[send] and #[recv] stand on a function
struct Ping {
    time: i64,
}
