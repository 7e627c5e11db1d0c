//! An engine that can make no network: jobs and their services share that of the machine, and say so.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
};

use crate::{
    containers::{engine, nothing_is_left, run},
    repository::Repository,
};

const NO: &str = "{\"message\":\"no bridge can be made here\"}";

/// Stands before an engine, and makes no networks.
fn stand_before(engine: &str, socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let engine = engine.trim_start_matches("unix://").to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect(&engine).unwrap();
            thread::spawn(move || hand_on(client, engine));
        }
    });
}

/// A request comes in one piece, at its beginning: that is how the client writes.
fn hand_on(mut client: UnixStream, mut engine: UnixStream) {
    let (mut answers, mut back) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        std::io::copy(&mut answers, &mut back).ok();
        back.shutdown(Shutdown::Write).ok();
    });
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut piece) {
        let first = piece[..count].split(|byte| *byte == b'\r').next();
        let first = String::from_utf8_lossy(first.unwrap_or_default());
        let passed = if first.starts_with("POST ") && first.contains("/networks/create") {
            let length = NO.len();
            write!(
                client,
                "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{NO}"
            )
        } else {
            engine.write_all(&piece[..count])
        };
        if passed.is_err() {
            break;
        }
    }
    engine.shutdown(Shutdown::Write).ok();
}

#[test]
fn where_no_network_can_be_made_that_of_the_machine_is_shared_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let socket = folder.path().join("without-networks.sock");
    stand_before(&engine.host(), &socket);
    let world = engine.world();
    world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let repository = Repository::new(&world, "small");
    // Somebody else may take it meanwhile; nobody is likely to.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    repository.workflow(&format!(
        "on: push
jobs:
  inside:
    runs-on: ubuntu-latest
    container: tiny
    services:
      web: {{ image: tiny, ports: ['{port}'], command: httpd -f -p 127.0.0.1:{port} -h /www }}
    steps:
      - run: |
          wget -q -O- http://web:{port}/ && wget -q -O- http://localhost:{port}/
          test '${{{{ job.container.network }}}} ${{{{ job.services.web.network }}}}' = 'host host'
          test '${{{{ job.services.web.ports['{port}'] }}}}' = {port}
      - run: wget -q -O- \"${{ACTIONS_RESULTS_URL}}.well-known/openid-configuration\" && echo reached
      - uses: docker://tiny
        with: {{ entrypoint: /bin/wget, args: '-q -O- http://localhost:{port}/' }}
  outside:
    needs: inside
    runs-on: ubuntu-latest
    services:
      web: {{ image: tiny, ports: ['80:{port}'], command: httpd -f -p 127.0.0.1:{port} -h /www }}
    steps:
      - run: |
          exec 3<>/dev/tcp/127.0.0.1/${{{{ job.services.web.ports['{port}'] }}}}
          printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; grep -q 'it is here' <&3 && echo outside, too
        shell: bash
"
    ));
    run(&world, &repository, &[]).exits(0).says(&[
        "share the network of this machine",
        "no bridge can be made here",
        "it is here",
        "reached",
        "outside, too",
    ]);
    nothing_is_left(&engine);
}
