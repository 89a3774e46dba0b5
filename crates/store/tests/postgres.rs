//! The store in PostgreSQL: what it refuses to open, what it makes of connections that are cut, and
//! that a node which has been fenced writes nothing any more.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]

#[path = "support/cluster.rs"]
mod cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use stepwright_store::{
    About, Append, AppendError, ExecutionId, HistoryPart, Keyring, MapRunRow, Postgres, Shards,
    Sqlite, Status, Store, copy, sealed,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// A store that owns all shards.
async fn open(url: &str) -> Arc<Postgres> {
    let store = Postgres::open(url, "here").await.expect("it opens");
    let nodes = store.membership().expect("it has one");
    assert!(nodes.claim(Shards::ALL).await.expect("nobody has them").are_all());
    Arc::new(store)
}

fn turn(execution: ExecutionId, expected_len: u64, status: Status) -> Append {
    let about = About {
        arn: format!("execution-{}", execution.0),
        machine: "machine".to_owned(),
        ..About::default()
    };
    Append {
        execution,
        expected_len,
        len: expected_len + 1,
        chunk: vec![1; 40],
        about: (expected_len == 0).then(|| Box::new(about)),
        status,
        stopped_at: status.is_over().then_some(9),
        wake_at: None,
        is_owed: false,
        redriven: None,
        map_runs: Vec::new(),
    }
}

async fn findings(store: &dyn Store) -> Vec<String> {
    store.verify(Arc::new(AtomicBool::new(false))).await.expect("it can be checked")
}

#[test]
fn what_is_not_ours_is_refused() {
    let Some(url) = cluster::database() else { return };
    let cluster = cluster::cluster().expect("there is one");
    runtime().block_on(async {
        let refused = async |url: &str| {
            let opened = Postgres::open(url, "here").await;
            opened.expect_err("it is refused").to_string()
        };
        let nothing = Postgres::open_to_read(&url).await.expect_err("nothing is there").to_string();
        assert!(nothing.ends_with("holds no store"), "{nothing}");

        cluster.sql(&url, "CREATE SCHEMA stepwright; CREATE TABLE stepwright.things (x int)");
        let other = refused(&url).await;
        assert!(
            other.contains("its schema `stepwright` belongs to another application"),
            "{other}"
        );
        cluster.sql(&url, "DROP SCHEMA stepwright CASCADE");

        // Several nodes that open it for the first time make the tables once.
        let (one, other) = tokio::join!(Postgres::open(&url, "one"), Postgres::open(&url, "other"));
        one.expect("it opens").close().await;
        other.expect("it opens").close().await;

        cluster.sql(&url, "UPDATE stepwright.layout SET number = 99");
        let newer = refused(&url).await;
        assert!(newer.contains("has layout 99; this release knows layouts up to"), "{newer}");
        let newer = Postgres::open_to_read(&url).await.expect_err("it is newer").to_string();
        assert!(newer.contains("has layout 99"), "{newer}");
        cluster.sql(&url, "UPDATE stepwright.layout SET number = 2");

        let name = url.rsplit('/').next().unwrap_or_default();
        let set = format!("ALTER DATABASE {name} SET");
        cluster.sql(&url, &format!("{set} default_transaction_read_only = on"));
        let read_only = refused(&url).await;
        assert!(read_only.contains("it is read-only"), "{read_only}");
        let reset = format!("ALTER DATABASE {name} RESET");
        cluster.sql("postgres", &format!("{reset} default_transaction_read_only"));
        cluster.sql(&url, &format!("{set} synchronous_commit = off"));
        let lossy = refused(&url).await;
        assert!(lossy.contains("synchronous_commit is off"), "{lossy}");
        cluster.sql(&url, &format!("{reset} synchronous_commit"));

        let missing = refused(&url.replace(name, "nowhere")).await;
        assert!(missing.contains("database \"nowhere\" does not exist"), "{missing}");
        let nobody = refused(&url.replace("stepwright@", "nobody:secret@")).await;
        assert!(nobody.contains("refuses the user or the password"), "{nobody}");
        assert!(!nobody.contains("secret"), "{nobody}");
        let port = cluster::free_port();
        let gone = refused(&format!("postgres://me@127.0.0.1:{port}/steps")).await;
        assert!(gone.contains("cannot be reached") && gone.contains("refused"), "{gone}");
    });
}

/// Passes bytes on between clients and the cluster, and cuts connections.
struct Proxy {
    url: String,
    is_cutting: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    async fn new(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let own = listener.local_addr().expect("it has one").to_string();
        let place = url.split_once('@').expect("it names the user").1;
        let to = place.split_once('/').expect("it names the database").0.to_owned();
        let url = url.replace(&to, &own);
        let (is_cutting, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (cutting, counted) = (is_cutting.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&to).await else { continue };
                tokio::spawn(pass(client, server, cutting.clone(), counted.clone()));
            }
        });
        Self { url, is_cutting, cuts }
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    is_cutting: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut answers = 0;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => if server.write_all(&asked[..count]).await.is_err() { return },
            },
            read = server.read(&mut answered) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    answers += 1;
                    // The server has done what it was asked, and nobody hears of it.
                    if is_cutting.load(Ordering::SeqCst) && answers % 5 == 4 {
                        cuts.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    if client.write_all(&answered[..count]).await.is_err() {
                        return;
                    }
                }
            },
        }
    }
}

#[test]
fn connections_are_cut_and_each_turn_is_there_once_or_not_at_all() {
    let Some(url) = cluster::database() else { return };
    runtime().block_on(async {
        let proxy = Proxy::new(&url).await;
        let store = open(&proxy.url).await;
        proxy.is_cutting.store(true, Ordering::SeqCst);
        let mut tasks = Vec::new();
        for _ in 0..24 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let (id, mut len) = (store.new_id(), 0);
                let mut turns = 0;
                while len < 25 {
                    let status = if len == 24 { Status::Succeeded } else { Status::Running };
                    turns += 1;
                    match store.append(turn(id, len, status)).await {
                        Ok(()) => len += 1,
                        // It is certain that nothing was written.
                        Err(AppendError::NotWritten(_)) => {}
                        Err(error) => panic!("turn {len} of {id:?}: {error}"),
                    }
                    if len % 5 == 0 {
                        let key = format!("at/{}", id.0);
                        let document = (key, Some(len.to_string().into_bytes()));
                        while store.put(vec![document.clone()]).await.is_err() {}
                    }
                    assert!(turns < 2_000, "it makes no progress");
                }
                id
            }));
        }
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.expect("no task panics"));
        }
        proxy.is_cutting.store(false, Ordering::SeqCst);
        assert!(proxy.cuts.load(Ordering::SeqCst) > 10, "{:?}", proxy.cuts);
        for id in ids {
            let row = store.execution(id).await.expect("it can be read").expect("it is there");
            assert_eq!((row.len, row.status), (25, Status::Succeeded));
            let chunks = store.history(id, HistoryPart::After(0), usize::MAX).await;
            let lens: Vec<u64> =
                chunks.expect("they can be read").iter().map(|chunk| chunk.len).collect();
            assert_eq!(lens, (1..=25).collect::<Vec<_>>());
            let documents = store.documents(&format!("at/{}", id.0)).await.expect("it is there");
            assert_eq!(documents[0].1, b"25");
        }
        assert_eq!(findings(&*store).await, Vec::<String>::new());
        store.close().await;
    });
}

/// Turns of every kind, in every mixture: starts, those in the middle, ends, notes, and map runs.
#[test]
fn whatever_comes_together_each_turn_is_written_once() {
    let Some(url) = cluster::database() else { return };
    runtime().block_on(async {
        let store = open(&url).await;
        let status = |len: u64| if len == 3 { Status::Succeeded } else { Status::Running };
        for mixture in 1_u64..16 {
            let has = |part: u64| mixture >> part & 1 == 1;
            // What the turns in this mixture go on from is there already: other kinds come alone.
            let mut ready = Vec::new();
            for _ in 0..24 {
                let id = store.new_id();
                store.append(turn(id, 0, Status::Running)).await.expect("it begins");
                store.append(turn(id, 1, Status::Running)).await.expect("it goes on");
                ready.push(id);
            }
            let mut appends = Vec::new();
            let mut lens = Vec::new();
            for (at, id) in ready.iter().copied().enumerate() {
                let append = match at % 4 {
                    0 if has(0) => {
                        let mut begins = turn(store.new_id(), 0, status(at as u64 % 8));
                        begins.map_runs = vec![MapRunRow {
                            arn: format!("run-{}", begins.execution.0),
                            execution: begins.execution,
                            started_at: 1,
                            more: vec![2],
                        }];
                        begins
                    }
                    1 if has(1) => turn(id, 2, Status::Running),
                    2 if has(2) => turn(id, 2, status(3)),
                    3 if has(3) => Append {
                        len: 2,
                        chunk: Vec::new(),
                        wake_at: Some(7),
                        ..turn(id, 2, Status::Running)
                    },
                    _ => continue,
                };
                lens.push((append.execution, append.len, append.status, append.wake_at));
                // One that comes too late is refused, whatever is beside it.
                let late = turn(id, 1, Status::Running);
                appends.push((append, true));
                if at % 4 != 0 && at > 12 {
                    appends.push((late, false));
                }
            }
            let writing = appends.into_iter().map(|(append, fits)| {
                let writing = store.append(append);
                tokio::spawn(async move { (writing.await, fits) })
            });
            for written in writing.collect::<Vec<_>>() {
                let (written, fits) = written.await.expect("it does not panic");
                assert_eq!(written.is_ok(), fits, "mixture {mixture}: {written:?}");
            }
            for (id, len, status, wake_at) in lens {
                let row = store.execution(id).await.expect("it can be read").expect("it is there");
                assert_eq!((row.len, row.status, row.wake_at), (len, status, wake_at), "{mixture}");
                let runs = store.map_runs(id).await.expect("they can be read").len();
                assert_eq!(runs, usize::from(len == 1), "mixture {mixture}");
            }
        }
        assert_eq!(findings(&*store).await, [] as [String; 0]);
    });
}

/// The function that writes turns is planned once, here while nothing is in the tables, and is as quick when they are large.
#[test]
fn what_was_planned_for_empty_tables_finds_rows_by_their_keys() {
    let Some(url) = cluster::database() else { return };
    let cluster = cluster::cluster().expect("there is one");
    runtime().block_on(async {
        let store = open(&url).await;
        let mut ids = Vec::new();
        // Every connection has made its plan before there are many rows.
        for _ in 0..8 {
            ids.push(store.new_id());
        }
        for len in 0..2 {
            write(&store, ids.iter().map(|id| turn(*id, len, Status::Running))).await;
        }
        cluster.sql(
            &url,
            "INSERT INTO stepwright.executions (id, shard, arn, owner, machine, started_at, more, status)
             SELECT -g, 0, 'old-' || g, 'machine', 'machine', 0, '', 2 FROM generate_series(1, 20000) g;
             INSERT INTO stepwright.chunks (execution, before, len, is_owed, bytes)
             SELECT -g, 0, 1, false, '' FROM generate_series(1, 20000) g",
        );
        let read = "SELECT sum(seq_scan), sum(seq_tup_read) + sum(idx_tup_fetch) FROM pg_stat_user_tables \
                    WHERE relname IN ('executions', 'chunks')";
        // Counters are written by a connection once it is idle, or when it ends.
        let counted = || {
            let line = cluster.sql(&url, &format!("SELECT pg_stat_force_next_flush(); {read}"));
            let (scans, rows) = line.trim().split_once('|').expect("two columns");
            (scans.parse::<i64>().expect("a number"), rows.parse::<i64>().expect("a number"))
        };
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let before = counted();
        let notes = ids.iter().map(|id| Append {
            len: 2,
            chunk: Vec::new(),
            wake_at: Some(7),
            ..turn(*id, 2, Status::Running)
        });
        write(&store, notes).await;
        write(&store, ids.iter().map(|id| turn(*id, 2, Status::Succeeded))).await;
        store.close().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let after = counted();
        assert!(after.1 > before.1, "nothing is counted: {before:?} {after:?}");
        assert_eq!(after.0, before.0, "tables were read as a whole");
        let rows = after.1 - before.1;
        assert!(rows < 200, "{rows} rows were read for sixteen turns");
    });
}

async fn write(store: &Arc<Postgres>, appends: impl Iterator<Item = Append>) {
    let writing: Vec<_> = appends.map(|append| tokio::spawn(store.append(append))).collect();
    for written in writing {
        written.await.expect("it does not panic").expect("it is written");
    }
}

#[test]
fn one_turn_that_cannot_be_written_harms_no_other() {
    let Some(url) = cluster::database() else { return };
    runtime().block_on(async {
        let store = open(&url).await;
        let mut starts = Vec::new();
        for number in 0..50 {
            let mut append = turn(store.new_id(), 0, Status::Running);
            if number == 20 {
                // PostgreSQL's texts do not have this character.
                append.about.as_mut().expect("it is a start").arn.push('\0');
            }
            starts.push((number, store.append(append)));
        }
        for (number, start) in starts {
            match start.await {
                Ok(()) => assert_ne!(number, 20),
                Err(AppendError::NotWritten(_)) => assert_eq!(number, 20),
                Err(error) => panic!("start {number}: {error}"),
            }
        }
        assert_eq!(store.execution_by_arn("no\0arn").await.expect("it can be asked"), None);
        assert_eq!(findings(&*store).await, Vec::<String>::new());
        store.close().await;
    });
}

#[test]
fn a_fenced_node_writes_nothing_and_its_shards_go_to_another() {
    let Some(url) = cluster::database() else { return };
    let cluster = cluster::cluster().expect("there is one");
    runtime().block_on(async {
        let old = open(&url).await;
        let id = old.new_id();
        old.append(turn(id, 0, Status::Running)).await.expect("it owns the shard");
        let new = Postgres::open(&url, "there").await.expect("it opens");
        // It owns nothing yet, so it can neither take over nor begin anything.
        let nodes = new.membership().expect("it has one");
        assert!(nodes.claim(Shards::ALL).await.expect("it can be asked").is_empty());
        let early = new.append(turn(new.new_id(), 0, Status::Running)).await;
        assert!(matches!(early, Err(AppendError::NotWritten(_))), "{early:?}");

        let members = nodes.beat().await.expect("it can be asked");
        let addresses: Vec<&str> = members.nodes.iter().map(|node| &*node.address).collect();
        assert_eq!(addresses, ["here", "there"]);
        let former = old.membership().expect("it has one");
        assert!(members.shards_of(former.node()).are_all() && members.free().is_empty());
        // A connection of the old node still holds its fence: it is ended.
        let node = former.node().0;
        let held = format!("BEGIN; SELECT FROM stepwright.fences WHERE node = {node} FOR SHARE");
        let name = format!("stepwright node {node}");
        let holding = cluster.sql_and_wait(&url, &held, &name);
        // The node of that number in another database of the same server is not touched.
        let elsewhere = cluster::database().expect("there is a server");
        let other = cluster.sql_and_wait(&elsewhere, "SELECT 1", &name);
        nodes.fence(former.node()).await.expect("it is fenced");
        drop(holding);
        let is_connected = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' \
             AND datname = current_database()"
        );
        assert_eq!(cluster.sql(&elsewhere, &is_connected), "1");
        drop(other);
        assert!(nodes.claim(Shards::ALL).await.expect("they are free").are_all());

        let late = old.append(turn(id, 1, Status::Running)).await;
        assert!(matches!(late, Err(AppendError::Lost)), "{late:?}");
        let start = old.append(turn(old.new_id(), 0, Status::Running)).await;
        assert!(matches!(start, Err(AppendError::Lost)), "{start:?}");
        assert!(old.put(vec![("late".to_owned(), Some(Vec::new()))]).await.is_err());
        former.lost().await;
        let live = new.live(&Shards::ALL, None, 10).await.expect("it can be read");
        assert_eq!(live.iter().map(|row| (row.id, row.len)).collect::<Vec<_>>(), [(id, 1)]);
        new.append(turn(id, 1, Status::Succeeded)).await.expect("it owns the shard");
        assert_eq!(nodes.over(vec![id]).await.expect("it can be asked"), [id]);

        // Documents that one node changes are seen by another.
        let third = Postgres::open(&url, "third").await.expect("it opens");
        let document = ("machine/a".to_owned(), Some(vec![7]));
        third.put(vec![document.clone()]).await.expect("it is kept");
        third.put(vec![("machine/b".to_owned(), None)]).await.expect("it is kept");
        let changed = nodes.changed_documents().await.expect("it can be asked");
        assert!(changed.contains(&document), "{changed:?}");
        assert!(changed.contains(&("machine/b".to_owned(), None)), "{changed:?}");
        assert_eq!(third.documents("machine/").await.expect("it can be read").len(), 1);

        // Shards that are given up are free, and no number is used twice.
        let before = new.new_id();
        let half: Shards = (0..128).collect();
        nodes.release(half).await.expect("it owns them");
        let others = third.membership().expect("it has one");
        assert_eq!(others.claim(Shards::ALL).await.expect("it can be asked"), half);
        assert!((0..300).all(|_| new.new_id() > before && new.new_id().shard() >= 128));
        assert!((0..300).all(|_| third.new_id().shard() < 128));
        third.close().await;
        assert_eq!(nodes.claim(half).await.expect("it has left"), half);
        new.close().await;
        old.close().await;
    });
}

#[test]
fn a_store_is_copied_to_postgresql_and_back() {
    let Some(url) = cluster::database() else { return };
    let folders: Vec<_> = (0..2).map(|_| tempfile::tempdir().expect("a directory")).collect();
    let path = |place: usize| folders[place].path().to_str().expect("it is text").to_owned();
    runtime().block_on(async {
        let sqlite = Sqlite::open(folders[0].path()).expect("it opens");
        for number in 0..300 {
            let id = sqlite.new_id();
            let last = [Status::Running, Status::Failed, Status::PendingRedrive][number % 3];
            sqlite.append(turn(id, 0, Status::Running)).await.expect("it fits");
            let mut second = turn(id, 1, last);
            second.wake_at = Some(70);
            second.is_owed = number % 2 == 0;
            second.redriven = (number % 5 == 0).then_some((2, 44));
            let arn = format!("run-{number}");
            let run = MapRunRow { arn, execution: id, started_at: 5, more: vec![1] };
            second.map_runs.push(run);
            sqlite.append(second).await.expect("it fits");
            let key = format!("machine/{number}");
            sqlite.put(vec![(key, Some(vec![0, 255]))]).await.expect("it is kept");
        }
        sqlite.close().await;
        drop(sqlite);
        let copied = copy(&path(0), &url, [None, None], |_| ()).await.expect("it is copied");
        assert_eq!((copied.executions, copied.documents), (300, 300));
        let again =
            copy(&path(0), &url, [None, None], |_| ()).await.expect_err("it is full").to_string();
        assert!(again.contains("holds a store already"), "{again}");
        copy(&url, &path(1), [None, None], |_| ()).await.expect("it is copied");

        let (one, other) = (Sqlite::open(folders[0].path()), Sqlite::open(folders[1].path()));
        let (one, other) = (one.expect("it opens"), other.expect("it opens"));
        let stores: [&dyn Store; 2] = [&one, &other];
        let mut read = Vec::new();
        for store in stores {
            assert_eq!(findings(store).await, Vec::<String>::new());
            let recorded = store.recorded(0..1_000, usize::MAX).await.expect("they can be read");
            let mut runs = Vec::new();
            for one in &recorded {
                runs.extend(store.map_runs(one.row.id).await.expect("they can be read"));
            }
            assert_eq!((recorded.len(), runs.len()), (300, 300));
            read.push((recorded, runs, store.documents("").await.expect("they can be read")));
        }
        assert!(read[0] == read[1], "what is copied there and back is the same");
        // New numbers come after those that were copied, and nothing is wrong in the database.
        let store = open(&url).await;
        assert!(store.new_id() > read[0].0.last().expect("they are there").row.id);
        assert_eq!(findings(&*store).await, Vec::<String>::new());
        // A store that is in use is not copied.
        let busy =
            copy(&url, &path(1), [None, None], |_| ()).await.expect_err("it is in use").to_string();
        assert!(busy.contains("is used by here"), "{busy}");
        store.close().await;
    });
}

#[test]
fn nodes_share_an_encrypted_store() {
    let Some(url) = cluster::database() else { return };
    runtime().block_on(async {
        let keys = |number: u8| Keyring::new([[number; 32]]);
        let node = async || {
            let node = Postgres::open(&url, "there").await.expect("it opens");
            Arc::new(node) as Arc<dyn Store>
        };
        let one = sealed(open(&url).await, keys(1)).await.expect("it opens");
        let other = sealed(node().await, keys(1)).await.expect("it opens");
        let hears = other.membership().expect("it has nodes");
        hears.changed_documents().await.expect("they can be read");
        let document = ("machine/a".to_owned(), Some(b"in clear".to_vec()));
        one.put(vec![document.clone()]).await.expect("it is kept");
        let changed = hears.changed_documents().await.expect("they can be read");
        assert!(changed.contains(&document), "{changed:?}");
        assert!(changed.iter().all(|(key, _)| key != "encryption"), "{changed:?}");
        let id = one.new_id();
        one.append(turn(id, 0, Status::Running)).await.expect("it fits");
        let written = one.history(id, HistoryPart::After(0), 1 << 20).await.expect("it is there");
        let read = other.history(id, HistoryPart::After(0), 1 << 20).await.expect("it is there");
        assert_eq!(read, written);
        let raw = node().await;
        let kept = raw.history(id, HistoryPart::After(0), 1 << 20).await.expect("it is there");
        assert_ne!(kept, written);
        let name = keys(1).expect("it is one").names().remove(0);
        assert_eq!(
            Postgres::key_names(&url).await.expect("they are read"),
            std::slice::from_ref(&name)
        );
        for wrong in [None, keys(2)] {
            let refused = sealed(raw.clone(), wrong).await.err().expect("it is refused").what;
            assert!(refused.contains(&name), "{refused}");
        }
        for store in [one, other, raw] {
            store.close().await;
        }
    });
}

/// Stands between clients and the cluster, and gives a connection for each transaction.
struct Pool {
    url: String,
    running: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Pool {
    /// `None`, which is printed, if pgbouncer is not installed.
    fn start(url: &str) -> Option<Self> {
        let programs = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(std::path::Path::new);
        let Some(place) = programs.into_iter().find(|place| place.join("pgbouncer").is_file())
        else {
            eprintln!("skipped: pgbouncer is not installed (Debian: apt-get install pgbouncer)");
            return None;
        };
        let (port, folder) = (cluster::free_port(), tempfile::tempdir().expect("a directory"));
        let (authority, name) =
            url.trim_start_matches("postgres://").split_once('/').expect("it names the database");
        let (user, server) = authority.split_once('@').expect("it names the user");
        let (host, at) = server.split_once(':').expect("it names the port");
        let config = format!(
            "[databases]\n* = host={host} port={at} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n\
             unix_socket_dir =\npool_mode = transaction\ndefault_pool_size = 4\n"
        );
        let file = folder.path().join("pool.ini");
        std::fs::write(&file, config).expect("it can be written");
        let readable =
            <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).expect("it is ours");
        let mut command = cluster::as_user(place, "pgbouncer");
        command.arg("-q").arg(&file).stderr(std::process::Stdio::null());
        let running = command.spawn().expect("it can be run");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < end, "pgbouncer does not start");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let url = format!("postgres://{user}@127.0.0.1:{port}/{name}");
        Some(Self { url, running, _folder: folder })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.running.kill());
        drop(self.running.wait());
    }
}

#[test]
fn a_pool_in_transaction_mode_can_be_between() {
    let Some(url) = cluster::database() else { return };
    let Some(pool) = Pool::start(&url) else { return };
    runtime().block_on(async {
        let store = open(&pool.url).await;
        let other = Arc::new(Postgres::open(&pool.url, "there").await.expect("it opens"));
        let (nodes, others) = (store.membership(), other.membership());
        let (nodes, others) = (nodes.expect("it has one"), others.expect("it has one"));
        let half: Shards = (0..128).collect();
        nodes.release(half).await.expect("it owns them");
        assert_eq!(others.claim(Shards::ALL).await.expect("they are free"), half);
        // Many executions of both nodes share four connections.
        let mut running = tokio::task::JoinSet::new();
        for at in 0..200 {
            let store = if at % 2 == 0 { store.clone() } else { other.clone() };
            running.spawn(async move {
                let id = store.new_id();
                store.append(turn(id, 0, Status::Running)).await.expect("it is its own");
                for len in 1..5 {
                    store.append(turn(id, len, Status::Running)).await.expect("it is its own");
                    let again = store.append(turn(id, len, Status::Running)).await;
                    assert!(matches!(again, Err(AppendError::Conflict)), "{again:?}");
                }
                store.append(turn(id, 5, Status::Succeeded)).await.expect("it is its own");
                let key = format!("machine/{}", id.0);
                store.put(vec![(key, Some(vec![1]))]).await.expect("it is kept");
                id
            });
        }
        let ids = running.join_all().await;
        assert_eq!(nodes.over(ids.clone()).await.expect("it can be asked").len(), 200);
        assert_eq!(store.documents("machine/").await.expect("it can be read").len(), 200);
        // A node that is fenced writes nothing through the pool either.
        others.fence(nodes.node()).await.expect("it is fenced");
        let late = store.append(turn(store.new_id(), 0, Status::Running)).await;
        assert!(matches!(late, Err(AppendError::Lost)), "{late:?}");
        assert!(others.claim(Shards::ALL).await.expect("they are free").are_all());
        assert_eq!(findings(&*other).await, Vec::<String>::new());
        other.close().await;
        store.close().await;
    });
}
