//! Orders, places and questions that the tests of both targets share.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use cutover_model::{
    DeploymentId, ReleaseId, RunId, Timestamp,
    delivery::{Contents, Package, Release},
    source::Revision,
};
use cutover_target::{Generation, InstancesOrder, Place};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) fn generation(ask: u64) -> Generation {
    Generation { fence: 1, ask }
}

pub(crate) fn place(name: &str) -> Place {
    Place {
        deployment: DeploymentId::derived(&[name]),
        environment: "staging".to_owned(),
        service: "api".to_owned(),
    }
}

pub(crate) fn order(place: Place, package: Package, command: &[&str]) -> InstancesOrder {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    InstancesOrder {
        place,
        release: Release {
            id: ReleaseId::derived(&["release"]),
            service: "api".to_owned(),
            version: "1.4.0".to_owned(),
            package,
            revision: Revision("0".repeat(40)),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            port: Some(8080),
            env: BTreeMap::from([pair("COLOUR", "blue"), pair("SIZE", "small")]),
            contents: Contents::default(),
            run: RunId::derived(&["run"]),
            created_at: Timestamp(0),
        },
        count: 1,
        env: BTreeMap::from([pair("SIZE", "large"), pair("PORT", "1")]),
        generation: generation(1),
    }
}

/// Asks until somebody answers, for a bounded time: a new instance needs a moment to listen.
pub(crate) async fn ask(address: SocketAddr, question: &str) -> String {
    let answer = async {
        loop {
            let once = async {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(question.as_bytes()).await?;
                let mut text = String::new();
                stream.read_to_string(&mut text).await?;
                std::io::Result::Ok(text)
            };
            match once.await {
                Ok(text) if !text.is_empty() => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    soon(answer).await
}

/// Looks again until it is so, for a bounded time.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .unwrap()
}
