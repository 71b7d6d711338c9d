use fastws_smol::{TopicRoute, Updates};

async fn count(_request: (), _updates: Updates<u32>) -> u32 {
    1
}

pub fn route() -> TopicRoute<(), u32> {
    //~ a service cannot yield `u32`
    //~ a service is an `async fn` that runs while somebody listens, and returns `()` or `Result<(), Fault>`
    TopicRoute::new("count").service(count)
}
