//! A live market-data server.
//!
//! `cargo run --release -p fastws-smol --example trading -- --help`

use fastws_smol::{Handle, Server};
use fastws_trading::options::Options;
use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::mpsc;

fn main() -> ExitCode {
    let options = Options::parse_or_exit();
    let filter = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(filter).init();
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Serves until SIGINT or SIGTERM, and then until the last connection has ended.
fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    if options.print_asyncapi {
        println!("{}", fastws_trading::document(options)?);
        return Ok(());
    }
    let api = fastws_trading::api_with(fastws_trading::open(options)?, options);
    let (first, others) = options.listen.split_first().expect("there is a default");
    let mut server = Server::bind(first)?;
    for address in others {
        server = server.and_bind(address)?;
    }
    for path in &options.paths {
        server = server.path(path);
    }
    for origin in &options.origins {
        server = server.origin(origin);
    }
    let server = server.shards(options.shards).config(options.config());
    let (started, handle) = mpsc::channel::<Handle>();
    // A signal that comes before the server has started waits for it.
    ctrlc::set_handler(move || handle.recv().iter().for_each(Handle::shutdown))?;
    for address in server.addresses()? {
        println!("listening on http://{address}");
    }
    stdout().flush()?;
    let server = server.start(api)?;
    started.send(server.handle())?;
    Ok(server.wait()?)
}
