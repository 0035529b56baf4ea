//! The sandbox alone: `serve [ADDR] [PUBLIC_URL CERT.pem KEY.pem]`. Prints its address when it listens.

use std::{error::Error, net::SocketAddr};

use tribelink_sandbox::{Options, Sandbox, Tls};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen: SocketAddr = arguments
        .first()
        .map_or("127.0.0.1:0", String::as_str)
        .parse()?;
    let mut options = Options::default();
    let tls = match &arguments[..] {
        [_, public_url, certificate, key] => {
            options.public_url.clone_from(public_url);
            Some(Tls {
                cert_pem: std::fs::read(certificate)?,
                key_pem: std::fs::read(key)?,
            })
        }
        _ => None,
    };
    let running = Sandbox::start(options, listen, tls).await?;
    println!("{}", running.addr);
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
