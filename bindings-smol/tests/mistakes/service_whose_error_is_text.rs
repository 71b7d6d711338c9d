use fastws_smol::{TopicRoute, Updates};

async fn count(_request: (), _updates: Updates<u32>) -> Result<(), String> {
    Err("closed".into())
}

pub fn route() -> TopicRoute<(), u32> {
    //~ a service cannot yield `Result<(), String>`
    TopicRoute::new("count").service(count)
}
