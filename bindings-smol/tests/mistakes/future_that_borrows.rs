use fastws_smol::Router;

pub fn router(prices: &[u32]) -> Router {
    //~ must outlive `'static`
    Router::new().send("count", "count.response", move || async move { prices.len() })
}
