use fastws_smol::{Client, TopicRoute};

async fn count(_request: (), client: Client) {
    drop(client);
}

pub fn route() -> TopicRoute<(), u32> {
    //~ (), Updates<_>)
    //~ write an `async fn` of these two
    TopicRoute::new("count").service(count)
}
