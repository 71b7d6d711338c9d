use fastws_smol::payload;

#[payload]
//~ #[payload] stands on a struct or an enum
fn order(shares: u32) -> u32 {
    shares
}
