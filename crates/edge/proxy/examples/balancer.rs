//! The balancer alone, built in seconds where the whole binary takes minutes. It takes the same words:
//! `balancer balancer --state-dir DIR`, so `cargo xtask bench balancer --binary` takes it.

use camino::Utf8PathBuf;
use cutover_proxy::{Options, run};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [_balancer, _state_dir, folder] = words.as_slice() else {
        return Err("usage: balancer balancer --state-dir DIR".into());
    };
    let state_dir = Utf8PathBuf::from(folder);
    run(Options {
        state_dir,
        take_over: false,
    })
    .await?;
    Ok(())
}
