use fastws_smol::payload;

//~ write #[payload], which takes no arguments
#[payload(Order)]
struct Order {
    shares: u32,
}
