use fastws_smol::send;

struct Desk {
    clients: u32,
}

impl Desk {
    #[send("count", reply = "count.response")]
    //~ an operation is a function outside of an `impl`: it takes what it shares with others as `State<S>`
    fn count(&self) -> u32 {
        self.clients
    }
}
