//! Any bytes that a client sends: the connection ends in time, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use stepwright_fuzz::{Limits, serving};
use stepwright_server::Answering;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says in how large pieces the rest comes, and whether there are keys.
    let Some((how, bytes)) = bytes.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answering = Answering::new(serving(Limits { has_keys: how & 1 == 1 }).await);
        let (server, client) = tokio::io::duplex(1 << 16);
        let (mut answers, mut requests) = tokio::io::split(client);
        let sending = async {
            for piece in bytes.chunks(usize::from(how >> 1) + 1) {
                if requests.write_all(piece).await.is_err() {
                    break;
                }
            }
            requests.shutdown().await.ok();
        };
        let reading = async {
            let mut all = Vec::new();
            answers.read_to_end(&mut all).await.ok();
            all
        };
        let all = async { tokio::join!(answering.converse(server), sending, reading) };
        let ended = tokio::time::timeout(Duration::from_secs(10), all).await;
        let ((), (), all) = ended.expect("the connection ends");
        assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&all));
    });
    runtime.shutdown_background();
});
