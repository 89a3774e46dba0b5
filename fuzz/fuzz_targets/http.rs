//! Any bytes that a client sends: the connection ends in time, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use stepwright_fuzz::with_server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says in how large pieces the rest comes, and whether there are keys.
    let Some((how, bytes)) = bytes.split_first() else { return };
    with_server(how & 1 == 1, |server| {
        let all = server.run(async {
            let (there, here) = tokio::io::duplex(1 << 16);
            let (mut answers, mut requests) = tokio::io::split(here);
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
            let all = async { tokio::join!(server.answering.converse(there), sending, reading).2 };
            tokio::time::timeout(Duration::from_secs(10), all).await.expect("the connection ends")
        });
        assert!(
            all.is_empty() || all.starts_with(b"HTTP/1.1 "),
            "{:?}",
            String::from_utf8_lossy(&all)
        );
    });
});
