//! The program around the application: its command line, its signals and what it prints. Names no
//! runtime.

use crate::options::Options;
use fastws_host::error::Error;
use fastws_host::server::{Binding, Server};
use fastws_host::tls::Tls;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::thread;

/// Does what the arguments of this process say, on threads of a binding.
pub fn main<B: Binding>() -> ExitCode {
    let options = Options::parse_or_exit();
    let filter = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(filter).init();
    match serve::<B>(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Serves until SIGINT or SIGTERM, and then until the last connection has ended.
fn serve<B: Binding>(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    if options.print_asyncapi {
        println!("{}", crate::document(&options)?);
        return Ok(());
    }
    let api = crate::api_with(crate::open(&options)?, &options);
    let (first, others) = options.listen.split_first().expect("there is a default");
    let mut server = Server::<B>::bind(first)?;
    for address in others {
        server = server.and_bind(address)?;
    }
    for path in &options.paths {
        server = server.path(path);
    }
    for origin in &options.origins {
        server = server.origin(origin);
    }
    let tls = tls(&options)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    if let Some(tls) = &tls {
        server = server.tls(tls.clone());
    }
    let server = server.shards(options.shards).config(options.config());
    // A signal that comes before the server has started waits for it.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    for address in server.addresses()? {
        println!("listening on {scheme}://{address}");
    }
    stdout().flush()?;
    let server = server.start(api)?;
    let handle = server.handle();
    thread::spawn(move || {
        for signal in signals.forever() {
            match &tls {
                Some(tls) if signal == SIGHUP => reload(tls, &options),
                _ => handle.shutdown(),
            }
        }
    });
    Ok(server.wait()?)
}

/// The certificate that the command line names, if it names one.
fn tls(options: &Options) -> Result<Option<Tls>, Error> {
    options
        .tls_cert
        .as_ref()
        .zip(options.tls_key.as_ref())
        .map(|(cert, key)| Tls::from_files(cert, key))
        .transpose()
}

fn reload(tls: &Tls, options: &Options) {
    match self::tls(options) {
        Ok(new) => {
            new.iter().for_each(|new| tls.replace(new));
            log::info!("the certificate was read again");
        }
        Err(error) => log::error!("the old certificate stays: {error}"),
    }
}
